//! The hostile corpus: guests that attack the host, each with the attack in a
//! sentence and the stop that it must end in.
//!
//! Most are WebAssembly text under `wat/`, one attack a file, completed by the
//! parts that it includes from `wat/parts/`; what no text can hold (the very
//! large, the damaged) is written by a function in `generated`; a few
//! are built from Rust with the SDK. [`corpus`] has them all. [`Stage`] is
//! where they are let loose: a sandbox, set up as the server sets it up.

mod attack;
mod built;
mod corpus;
pub mod fuzz;
mod generated;
mod stage;
mod text;
mod verdict;

pub use attack::{Attack, End};
pub use built::built;
pub use corpus::corpus;
pub use stage::{Calm, Stage};
pub use text::upload;
