//! Runs in worker processes: threads of the server hand them over in batches
//! (`lane`, `peer`), the workers make them (`worker`, `courier`), and both speak as in
//! `message`.

mod courier;
mod ending;
mod interrupt;
mod lane;
mod loaded;
mod message;
mod peer;
mod word;
mod worker;
mod workers;

pub use worker::run_main;
pub use workers::{Workers, WorkersConfig};
