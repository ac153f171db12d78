//! Starts what a server consists of.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use ringfence_engine::{Clock, Engine, Observer};
use ringfence_model::Limits;
use ringfence_processes::{ChildCompiler, Program};
use ringfence_sandbox::{Sandbox, SandboxConfig};

use crate::config::Config;
use crate::data::DataFolder;

/// Compiled components kept in memory, in bytes.
const CACHE_BYTES: u64 = 256 * 1024 * 1024;
/// Runs to spare beside those of workers, evaluations (one per worker at
/// most) and uploads' `describe`.
const RUNS_BESIDE: u64 = 1;
/// Threads that answer requests, at least. They share the cores with the
/// workers and need less.
const HTTP_THREADS_MIN: usize = 2;
/// Threads for what blocks: uploads, evaluations, large bodies.
const BLOCKING_THREADS_MAX: usize = 16;

/// The runtime that answers requests. Rules run on threads of their own.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(HTTP_THREADS_MIN.max(cores / 2))
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("ringfence-http")
        .enable_all()
        .build()
        .context("cannot start the threads that answer requests")
}

/// The greatest `memory_bytes` that any tenant may be given.
fn memory_bytes_max() -> u64 {
    let memory = Limits::ALL
        .iter()
        .filter(|limit| limit.name == "memory_bytes");
    memory.map(|limit| limit.max).sum()
}

/// Uploads are compiled in children of this process.
pub(crate) fn compiler() -> Arc<ChildCompiler> {
    Arc::new(ChildCompiler::new(Program::own()))
}

/// The engine with its store and its sandbox. It recovers what waits and goes
/// on with it.
pub(crate) async fn start(
    data: DataFolder,
    config: &Config,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Engine> {
    let runs = config.engine.workers as u64 * 2 + config.engine.uploads.at_once + RUNS_BESIDE;
    let sandbox = SandboxConfig {
        concurrent_runs: u32::try_from(runs).context("too many workers and uploads")?,
        memory_bytes_max: memory_bytes_max(),
        cache_bytes: CACHE_BYTES,
        artifact_bytes: config.artifact_bytes,
        artifact_key: data.artifact_key()?,
    };
    let sandbox = Sandbox::with_compiler(sandbox, Some(data.artifacts()?), compiler())?;
    let store = Arc::new(data.store);
    let engine = Engine::start(store, sandbox, clock, observer, config.engine.clone()).await;
    engine.context("cannot start the engine")
}
