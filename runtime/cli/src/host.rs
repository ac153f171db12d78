//! Starts what a server consists of.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use ringfence_engine::{Clock, Engine, Observer};
use ringfence_model::Limits;
use ringfence_processes::{ChildCompiler, Program, Workers, WorkersConfig};
use ringfence_sandbox::{Sandbox, SandboxConfig};

use crate::config::{Config, RunIn};
use crate::console;
use crate::data::{self, DataFolder};
use crate::error::Hint as _;

/// Runs to spare beside those of workers, express lanes and uploads'
/// `describe`.
const RUNS_BESIDE: u64 = 1;
/// Threads that answer requests, at least. They share the cores with the
/// workers and need less.
const HTTP_THREADS_MIN: usize = 2;
/// Threads for what blocks: uploads, large bodies.
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

/// The engine with its store, its sandbox, and the processes that it runs rules
/// in. It recovers what waits and goes on with it.
pub(crate) async fn start(
    folder: DataFolder,
    config: &Config,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Engine> {
    let lanes = config.engine.workers + config.engine.express_lanes;
    let runs = lanes as u64 + config.engine.uploads.at_once + RUNS_BESIDE;
    let sandbox = SandboxConfig {
        concurrent_runs: match config.run_in {
            RunIn::Processes => 1,
            RunIn::Threads => u32::try_from(runs).context("too many workers and uploads")?,
        },
        memory_bytes_max: memory_bytes_max(),
        cache_bytes: config.code_bytes,
        artifact_bytes: config.artifact_bytes,
        tenant_data: data::open_tenants(config.tenant_data.as_deref())?,
        reserve_growth: true,
        artifact_key: folder.artifact_key()?,
    };
    let artifacts = Some(folder.artifacts()?);
    let store = Arc::new(folder.store);
    let engine = config.engine.clone();
    let engine = match config.run_in {
        RunIn::Processes => {
            let workers = Arc::new(workers(&sandbox)?);
            let sandbox =
                Sandbox::without_code(sandbox, artifacts, compiler(), Arc::clone(&workers) as _)?;
            Engine::start_with(store, sandbox, workers, clock, observer, engine).await
        }
        RunIn::Threads => {
            console::say(format_args!(
                "rules run on threads of this process: what a bug in the sandbox lets out is in \
                 the process that holds the tokens and the database"
            ));
            let sandbox = Sandbox::with_compiler(sandbox, artifacts, compiler())?;
            Engine::start(store, sandbox, clock, observer, engine).await
        }
    };
    engine.context("cannot start the engine")
}

/// Rules run in children of this process.
fn workers(sandbox: &SandboxConfig) -> Result<Workers> {
    let config = WorkersConfig {
        tenant_data: sandbox.tenant_data.clone(),
        reserve_growth: sandbox.reserve_growth,
        ..WorkersConfig::new(sandbox.memory_bytes_max, sandbox.cache_bytes)
    };
    let workers = Workers::start(Program::own(), config)
        .context("rules cannot be run, because the processes for them do not run")
        .hint("Run them on threads of the server with `--run-in threads`, which holds less.")?;
    let layers = workers.layers();
    console::say(format_args!(
        "rules run in processes of their own: {layers}"
    ));
    Ok(workers)
}
