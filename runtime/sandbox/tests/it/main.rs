//! What the sandbox promises, through its public surface, on guests written
//! in WebAssembly text.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod artifacts;
mod built;
mod determinism;
mod growth;
mod guest;
mod holding;
mod host;
mod metering;
mod runs;
mod stops;
mod uploads;
mod wasi;
