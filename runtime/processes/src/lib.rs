//! Runs the sandbox's compiler, and the rules themselves, in child processes of
//! the same binary, which have given up every right that they do not need.
//!
//! A child is started with a hidden subcommand of the binary ([`CHILD`]), an
//! empty environment and one channel (`channel`), a socket on its standard
//! input. Before it reads a byte that a tenant can have written, it confines
//! itself (`confine`).

mod channel;
mod child;
mod compile;
mod confine;
mod leave;
mod run;
mod timer;

pub use child::{CHILD, ChildKind, Program};
pub use compile::{ChildCompiler, compile_main};
pub use confine::Layers;
pub use run::{Workers, WorkersConfig, run_main};
