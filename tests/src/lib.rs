//! The harness of the whole-system tests: a real server process, a client
//! that speaks its HTTP API, and what tests need around them.
//!
//! It uses public surfaces only: the `ringfence` binary, HTTP, signals and
//! files that people write. Nothing here looks inside the server.
//!
//! What the harness cannot find makes the test fail and say which `make`
//! target brings it; no test is ever skipped.

mod answer;
mod api;
mod places;
mod random;
mod server;
mod tenant;

pub use answer::Answer;
pub use api::Api;
pub use places::{binary, clients, guest, guest_path, workspace};
pub use random::Random;
pub use server::Server;
pub use tenant::{Counts, Tenant, event};

use std::time::Duration;

/// How long a test waits for something that must happen, before it says that
/// it did not. Far beyond what anything takes: it bounds a hang and asserts
/// nothing about speed.
pub const PATIENCE: Duration = Duration::from_secs(120);
