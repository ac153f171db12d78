//! Store, sandbox, engine and server, put together.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ringfence_engine::{Engine, EngineConfig, Observer, SystemClock};
use ringfence_model::Limits;
use ringfence_sandbox::{Sandbox, SandboxConfig};
use ringfence_store::Sqlite;

use crate::config::Config;
use crate::data::DataFolder;

/// Compiled rules kept in memory, in bytes.
const CACHE_BYTES: u64 = 512 * 1024 * 1024;

/// The greatest `memory_bytes` that a tenant may be given.
pub fn memory_bytes_max() -> u64 {
    let limits = Limits::ALL.iter();
    let memory = limits.filter(|limit| limit.name == "memory_bytes");
    memory.map(|limit| limit.max).sum()
}

/// Opens the data folder and starts the engine on it.
pub async fn start(
    data: &DataFolder,
    config: &Config,
    observer: Arc<dyn Observer>,
) -> Result<Engine> {
    let mut engine = EngineConfig {
        plans: config.plans(),
        retention_s: config.retention_days * 24 * 60 * 60,
        ..EngineConfig::default()
    };
    engine.workers = config.workers.unwrap_or(engine.workers);
    let sandbox = SandboxConfig {
        // As many again for uploads and evaluations.
        concurrent_runs: u32::try_from(2 * engine.workers + 1)?,
        memory_bytes_max: memory_bytes_max(),
        cache_bytes: CACHE_BYTES,
        artifact_key: data.artifact_key()?,
    };
    let artifacts = Dir::open_ambient_dir(data.artifacts()?, ambient_authority())
        .context("cannot open the folder of compiled artifacts")?;
    let sandbox = Sandbox::new(sandbox, Some(artifacts))?;
    let store = Sqlite::open(&data.database())?;
    let clock = Arc::new(SystemClock::start());
    Ok(Engine::start(Arc::new(store), sandbox, clock, observer, engine).await?)
}
