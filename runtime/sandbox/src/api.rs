//! The interface; split into files as it is built.

use std::sync::Arc;

use ringfence_model::{
    Effect, Event, Json, Limits, Log, Manifest, Recalled, RuleName, Stop, TenantId, Usage,
    VersionId,
};

/// How much of the host the sandbox may use.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Runs at one moment: worker threads, and room for uploads' `describe`
    /// and for evaluation.
    pub concurrent_runs: u32,
    /// The greatest `Limits::memory_bytes` of any plan.
    pub memory_bytes_max: u64,
    /// Compiled artifacts kept in memory, by their size in bytes.
    pub cache_bytes: u64,
    /// Authenticates compiled artifacts on disk.
    pub artifact_key: [u8; 32],
}

/// Compiles, inspects and runs components. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    _inner: Arc<()>,
}

/// What an upload turned out to be.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// The digest of the bytes as uploaded.
    pub version: VersionId,
    /// What the rule declares.
    pub manifest: Manifest,
    /// What it imports, by name.
    pub imports: Vec<String>,
    /// Size as uploaded, in bytes.
    pub size: u64,
    /// How long compiling took, in milliseconds.
    pub compile_ms: u64,
    /// What its author should know.
    pub warnings: Vec<String>,
}

/// A version that is ready to run. Cheap to clone.
#[derive(Clone)]
pub struct Prepared {
    _inner: Arc<()>,
}

/// Where a run's remembered values come from.
pub trait Recall {
    /// The value under this key.
    fn recall(&self, key: &str) -> Result<Option<Json>, RecallError>;
}

/// Remembered values cannot be read now. The run is not to blame; it is to be
/// repeated later.
#[derive(Debug, Clone, thiserror::Error)]
#[error("remembered values cannot be read: {0}")]
pub struct RecallError(pub String);

/// One run: which event, for whom, with what, within which limits.
pub struct Run<'a> {
    /// The event.
    pub event: &'a Event,
    /// Whose rule.
    pub tenant: &'a TenantId,
    /// Which rule.
    pub rule: &'a RuleName,
    /// The activation's configuration.
    pub config: &'a Json,
    /// The limits.
    pub limits: &'a Limits,
    /// Fuel that this run may use; at most `limits.fuel`, less where its
    /// cascade has less left.
    pub fuel: u64,
    /// Its remembered values.
    pub recall: &'a dyn Recall,
}

/// How a run went.
#[derive(Debug)]
pub struct RunReport {
    /// Its effects (within limits, declared and well-formed) or why it was
    /// stopped.
    pub outcome: Result<Vec<Effect>, Stop>,
    /// What it used.
    pub usage: Usage,
    /// The remembered values that it asked for, each key once.
    pub recalled: Vec<Recalled>,
    /// Whether it asked for the clock.
    pub asked_now: bool,
    /// Whether it asked for randomness.
    pub asked_random: bool,
    /// What it logged.
    pub log: Log,
}

/// The sandbox itself could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox cannot be set up: {0}")]
pub struct SandboxError(pub String);

/// An upload is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UploadError {
    /// Not wasm, or not valid wasm.
    #[error("the body is not a WebAssembly module or component: {0}")]
    NotWasm(String),
}

impl UploadError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotWasm(_) => "not-wasm",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<&'static str> {
        None
    }
}

/// A version cannot be made ready.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PrepareError {
    /// Its bytes are gone.
    #[error("the component {0} is not in the store")]
    Missing(VersionId),
    /// It was accepted before, and this host does not compile it.
    #[error("the component {version} can no longer be compiled: {cause}")]
    Refused {
        /// Which.
        version: VersionId,
        /// Why.
        cause: String,
    },
    /// Its bytes cannot be read now.
    #[error("the component cannot be read: {0}")]
    Unreadable(String),
}

impl Sandbox {
    /// Sets up the engine. Compiled artifacts are kept in `artifacts`, or, if
    /// none is given, in memory only.
    pub fn new(
        _config: SandboxConfig,
        _artifacts: Option<cap_std::fs::Dir>,
    ) -> Result<Self, SandboxError> {
        unimplemented!()
    }

    /// Validates and compiles a core module (with the embedded WIT type) or a
    /// component, asks it for its manifest in a sandbox under `limits`, and
    /// keeps the compiled artifact. Slow: seconds for a large component.
    pub fn inspect(&self, _bytes: &[u8], _limits: &Limits) -> Result<Inspected, UploadError> {
        unimplemented!()
    }

    /// Makes a version ready: from memory, or from the artifact on disk, or
    /// by compiling what `component` answers.
    pub fn prepare(
        &self,
        _version: VersionId,
        _manifest: &Manifest,
        _component: &dyn Fn() -> Result<Option<Vec<u8>>, String>,
    ) -> Result<Prepared, PrepareError> {
        unimplemented!()
    }

    /// Runs a rule on one event, in a fresh instance. Fails only when what
    /// the run recalls cannot be read.
    pub fn run(&self, _prepared: &Prepared, _run: &Run<'_>) -> Result<RunReport, RecallError> {
        unimplemented!()
    }
}
