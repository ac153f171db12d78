//! How a sandbox is set up.

/// How much of the host the sandbox may use.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Runs at one moment: worker threads, and room for uploads' `describe`
    /// and for evaluation. A run beyond it waits for one to end.
    pub concurrent_runs: u32,
    /// The greatest `Limits::memory_bytes` of any plan.
    pub memory_bytes_max: u64,
    /// Compiled artifacts kept in memory, by their size in bytes.
    pub cache_bytes: u64,
    /// Whether what is compiled serves `memory.grow` from reserved pages,
    /// where that cannot be noticed. Off, growth costs system calls, which
    /// all threads wait for; for comparing, and for ruling it out.
    pub reserve_growth: bool,
    /// Authenticates compiled artifacts on disk.
    pub artifact_key: [u8; 32],
}

/// The sandbox itself could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox cannot be set up: {0}")]
pub struct SandboxError(pub String);
