//! From an upload to native code: the one step that hostile bytes can make
//! slow or hungry, so it is kept apart and can happen in another process.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ringfence_model::Limits;
use serde::{Deserialize, Serialize};
use wasmtime::{Config, Engine, InstanceAllocationStrategy};

use crate::componentize::componentize;
use crate::rewrite::rewrite;
use crate::{Layout, SandboxConfig, SandboxError, UploadError, engine_config};

/// An upload, compiled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// What it imports, by name.
    pub imports: Vec<String>,
    /// Whether its functions have names.
    pub has_names: bool,
    /// What must be known of the code besides.
    pub layout: Layout,
    /// Native code, as wasmtime writes it.
    #[serde(skip)]
    pub code: Vec<u8>,
}

/// Where uploads are compiled.
pub trait Compiler: Send + Sync + 'static {
    /// Compiles an upload that was looked at before, within the limits on
    /// compiling. Blocks, for seconds if it must.
    ///
    /// # Errors
    /// What is wrong with the upload, or which limit it went beyond.
    fn build(&self, upload: &[u8], limits: &Limits) -> Result<Built, UploadError>;
}

/// Compiles in this process, without limits on time and memory: for tests, and
/// for the process that was started to compile.
pub struct CompileHere {
    engine: Engine,
    reserve_growth: bool,
}

impl CompileHere {
    /// Sets up a compiler whose code the sandbox can load that is set up in
    /// the same way. It cannot run anything, and reserves no memory for it.
    ///
    /// # Errors
    /// When the host does not offer what the engine needs.
    pub fn new(config: &SandboxConfig) -> Result<Self, SandboxError> {
        let failed = |error: wasmtime::Error| SandboxError(format!("{error:#}"));
        let engine = Engine::new(&compiler_config(config)).map_err(failed)?;
        Ok(Self {
            engine,
            reserve_growth: config.reserve_growth,
        })
    }
}

/// Where instances would be put changes nothing in the code.
fn compiler_config(config: &SandboxConfig) -> Config {
    let mut engine = engine_config(config);
    engine.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    engine
}

impl Compiler for CompileHere {
    fn build(&self, upload: &[u8], _limits: &Limits) -> Result<Built, UploadError> {
        let component = componentize(upload)?;
        let rewritten = rewrite(&component.bytes, self.reserve_growth)?;
        let code = compile(&self.engine, &rewritten.bytes).map_err(UploadError::CompileFailed)?;
        Ok(Built {
            imports: component.scan.imports,
            has_names: component.scan.has_names,
            layout: rewritten.layout,
            code,
        })
    }
}

fn compile(engine: &Engine, component: &[u8]) -> Result<Vec<u8>, String> {
    // Wasmtime's own state is behind `&`, and is not left half-changed.
    catch_unwind(AssertUnwindSafe(|| engine.precompile_component(component)))
        .map_err(|_| "the compiler failed on it".to_owned())?
        .map_err(|error| format!("{error:#}"))
}
