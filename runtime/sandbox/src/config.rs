//! How a sandbox is set up.

use std::sync::Arc;

use cap_std::fs::Dir;

/// How much of the host the sandbox may use.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Runs at one moment: worker threads, and room for uploads' `describe`.
    /// A run beyond it waits for one to end.
    pub concurrent_runs: u32,
    /// The greatest `Limits::memory_bytes` of any plan.
    pub memory_bytes_max: u64,
    /// Compiled artifacts kept in memory, by their size in bytes.
    pub cache_bytes: u64,
    /// Compiled artifacts kept on disk, in bytes of files.
    pub artifact_bytes: u64,
    /// Where tenants' data are, each in the folder with its name: their rules
    /// may read them, by way of WASI. Opened before the first run, and the
    /// only folder that runs can reach.
    pub tenant_data: Option<Arc<Dir>>,
    /// Whether what is compiled serves `memory.grow` from reserved pages,
    /// where that cannot be noticed. Off, growth costs system calls, which
    /// all threads wait for; for comparing, and for ruling it out.
    pub reserve_growth: bool,
    /// Authenticates compiled artifacts on disk.
    pub artifact_key: [u8; 32],
}

impl SandboxConfig {
    /// For a process that only compiles: nothing is run or kept there.
    pub fn to_compile() -> Self {
        Self {
            concurrent_runs: 1,
            memory_bytes_max: 0,
            cache_bytes: 0,
            artifact_bytes: 0,
            tenant_data: None,
            reserve_growth: true,
            artifact_key: [0; 32],
        }
    }
}

/// The sandbox itself could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox cannot be set up: {0}")]
pub struct SandboxError(pub String);
