//! Runs in worker processes: threads of the server hand them over in batches
//! (`lane`), the workers make them (`worker`), and both speak as in `message`.

mod lane;
mod loaded;
mod message;
mod worker;
mod workers;

pub use worker::run_main;
pub use workers::{Workers, WorkersConfig};
