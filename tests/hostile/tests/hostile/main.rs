//! The hostile corpus, let loose on one sandbox in one process: every attack
//! ends as it must, and the calm rule beside it notices nothing.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect fails there"
)]

mod corpus;
mod fuzz;
mod isolation;
