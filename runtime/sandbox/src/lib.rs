//! Compiles and inspects a rule's component, and runs it on one event under
//! limits. Knows no store, no queue, no HTTP and no tokio: every call blocks
//! its thread.
//!
//! An upload goes through [`Sandbox::inspect`]: cheap checks on its bytes
//! (`scan`), a core module is made a component (`componentize`), its growth is
//! rewritten (`rewrite`) and it is compiled (`build`, in a process of its own
//! where the host has one for it), asked for its manifest, and kept
//! (`artifact`). A run goes
//! through [`Sandbox::run`]: a fresh instance (`instance`) with the meters of
//! `state`, which the host functions (`host`), the stand-ins for WASI (`wasi`)
//! and the memory limiter (`memory`) draw on; its end is told by `stop` or checked by `effects`.

mod artifact;
mod bindings;
mod build;
mod componentize;
mod config;
mod counts;
mod effects;
mod engine;
mod failures;
mod fuel;
mod host;
mod instance;
mod interrupt;
mod layout;
mod links;
mod log;
mod manifest;
mod memory;
mod nesting;
mod packages;
mod random;
mod raw;
mod recall;
mod rewrite;
mod run;
mod runner;
mod sandbox;
mod scan;
mod sealed;
mod shelf;
mod site;
mod state;
mod stop;
mod stopwatch;
mod ticker;
mod upload;
mod wasi;
mod wire;

pub use build::{Built, CompileHere, Compiler};
pub use config::{SandboxConfig, SandboxError};
pub use counts::CodeCounts;
pub use engine::{WASM_STACK_BYTES, engine_config};
pub use fuel::{
    FREE_BYTES, GROWTH_FUEL, HOST_CALL_FUEL, HOST_CALL_FUEL_PER_BYTE, LIFT_FUEL,
    LIFT_FUEL_PER_BYTE, PAGE_FUEL, RECALL_FUEL,
};
pub use host::RECALLS_MAX;
pub use instance::Prepared;
pub use interrupt::{BATCH_RUNS_MAX, Word, batch_of, is_to_end, next_batch, with_run};
pub use layout::Layout;
pub use recall::{NothingRemembered, Recall, RecallError};
pub use run::{Run, RunReport};
pub use runner::{
    Crash, Describer, Interrupter, Progress, RunError, Runner, Runners, Task, Threads,
};
pub use sandbox::{PrepareError, Sandbox};
pub use sealed::Sealed;
pub use site::{Site, Slot};
pub use ticker::Pause;
pub use upload::{Inspected, UploadError};
pub use wire::{Left, WireError, read_report, write_run};
