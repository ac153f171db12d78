//! The sandbox: uploads in, runs out.

use std::sync::Arc;

use cap_std::fs::Dir;
use moka::sync::Cache;
use ringfence_model::{Limits, Manifest, VersionId};
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::artifact::{Artifact, Artifacts};
use crate::bindings::{self, Described, HandleParams, Handled};
use crate::counts::{CodeCounts, Counter};
use crate::failures::Failures;
use crate::instance::{Code, Compiled, Prepared};
use crate::interrupt::{OfThread, Signal};
use crate::raw::GivenUp;
use crate::state::RunState;
use crate::stopwatch::Stopwatch;
use crate::ticker::{Ticker, Ticks};
use crate::{
    Built, CompileHere, Compiler, Describer, Inspected, NothingRemembered, Recall, RecallError,
    Run, RunError, RunReport, SandboxConfig, SandboxError, UploadError, engine_config, host,
    manifest, raw, scan,
};

/// How much more time compiling a component again may take than its upload. A
/// busy host must not put a rule out of force that it has accepted.
const AGAIN: u64 = 4;

/// Compiles, inspects and runs components. Cheap to clone. Its deadline's
/// thread ends with the last clone.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    linker: Linker<RunState>,
    artifacts: Artifacts,
    compiler: Arc<dyn Compiler>,
    failures: Failures,
    cache: Cache<VersionId, Prepared>,
    /// Where code is run, if not in this process.
    describer: Option<Arc<dyn Describer>>,
    tenant_data: Option<Arc<Dir>>,
    ticks: Ticks,
    compiled: Counter,
    loaded: Counter,
    _ticker: Ticker,
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
    /// Sets up a sandbox that compiles and runs in this process. Compiled
    /// artifacts are kept in `artifacts`, or, if none is given, in memory
    /// only.
    ///
    /// # Errors
    /// When the host does not offer what the engine needs, or the folder
    /// cannot be read.
    pub fn new(config: SandboxConfig, artifacts: Option<Dir>) -> Result<Self, SandboxError> {
        let compiler = Arc::new(CompileHere::new(&config)?);
        Self::with_compiler(config, artifacts, compiler)
    }

    /// The same, with uploads compiled elsewhere.
    ///
    /// # Errors
    /// As [`Sandbox::new`].
    pub fn with_compiler(
        config: SandboxConfig,
        artifacts: Option<Dir>,
        compiler: Arc<dyn Compiler>,
    ) -> Result<Self, SandboxError> {
        Self::set_up(config, artifacts, compiler, None)
    }

    /// The same, with uploads compiled and all code run elsewhere: in this
    /// process nothing of it is even mapped, and [`Sandbox::run`] must not be
    /// called.
    ///
    /// # Errors
    /// As [`Sandbox::new`].
    pub fn without_code(
        config: SandboxConfig,
        artifacts: Option<Dir>,
        compiler: Arc<dyn Compiler>,
        describer: Arc<dyn Describer>,
    ) -> Result<Self, SandboxError> {
        Self::set_up(config, artifacts, compiler, Some(describer))
    }

    // By value: it is the one place that is told, and the key stays here.
    #[allow(clippy::needless_pass_by_value)]
    fn set_up(
        config: SandboxConfig,
        artifacts: Option<Dir>,
        compiler: Arc<dyn Compiler>,
        describer: Option<Arc<dyn Describer>>,
    ) -> Result<Self, SandboxError> {
        let failed = |error: &dyn std::fmt::Display| SandboxError(error.to_string());
        let engine =
            Engine::new(&engine_config(&config)).map_err(|error| failed(&format!("{error:#}")))?;
        let linker = host::linker(&engine).map_err(|error| failed(&format!("{error:#}")))?;
        let artifacts = Artifacts::open(
            &engine,
            artifacts,
            config.artifact_key,
            config.artifact_bytes,
        )
        .map_err(|error| failed(&error))?;
        let ticks = Ticks::default();
        let ticker = Ticker::start(engine.clone(), ticks.clone(), None);
        let ticker = ticker.map_err(|error| failed(&error))?;
        let cache = Cache::builder()
            .max_capacity(config.cache_bytes)
            .weigher(|_, prepared: &Prepared| {
                u32::try_from(prepared.code.weight()).unwrap_or(u32::MAX)
            })
            .build();
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                linker,
                artifacts,
                compiler,
                failures: Failures::new(),
                cache,
                describer,
                tenant_data: config.tenant_data,
                ticks,
                compiled: Counter::default(),
                loaded: Counter::default(),
                _ticker: ticker,
            }),
        })
    }

    /// Validates and compiles a core module (with the embedded WIT type) or a
    /// component, asks it for its manifest in a sandbox under `limits`, and
    /// keeps the compiled artifact. Slow: seconds for a large component. What
    /// failed before under the same limits fails at once.
    ///
    /// # Errors
    /// Says what is wrong with the upload; nothing of it is kept then.
    pub fn inspect(&self, bytes: &[u8], limits: &Limits) -> Result<Inspected, UploadError> {
        let size = bytes.len() as u64;
        if size > limits.component_bytes {
            let limit = limits.component_bytes;
            return Err(UploadError::ComponentTooLarge { size, limit });
        }
        let version = VersionId::of(bytes);
        if let Some(error) = self.inner.failures.known(version, limits) {
            return Err(error);
        }
        let inspected = self.inspect_anew(version, bytes, limits);
        match &inspected {
            Ok(_) => self.inner.failures.succeeded(version, limits),
            Err(error) => self.inner.failures.failed(version, limits, error),
        }
        inspected
    }

    fn inspect_anew(
        &self,
        version: VersionId,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<Inspected, UploadError> {
        let watch = Stopwatch::start();
        let (artifact, built) = self.build(bytes, limits)?;
        let compile_ms = u64::try_from(watch.wall().as_millis()).unwrap_or(u64::MAX);
        let code = self.load(&artifact)?;
        let manifest = self.describe(version, &code, limits)?;
        self.save(version, &artifact);
        let prepared = Prepared::new(version, code, manifest.clone());
        self.inner.cache.insert(version, prepared);
        self.inner.cache.run_pending_tasks();
        let mut warnings = Vec::new();
        if !built.has_names {
            warnings.push(
                "The functions have no names, so a backtrace shows their numbers; build without stripping the name section.".into(),
            );
        }
        Ok(Inspected {
            version,
            manifest,
            imports: built.imports,
            size: bytes.len() as u64,
            compile_ms,
            warnings,
        })
    }

    /// Makes a version ready: from memory, or from the artifact on disk, or
    /// by compiling what `component` answers. Several calls for one version
    /// at one moment do it once. What was accepted before may take the host
    /// longer now: compiling it again may take four times what `limits`
    /// say.
    ///
    /// # Errors
    /// When the component cannot be had, or is no longer accepted.
    pub fn prepare(
        &self,
        version: VersionId,
        manifest: &Manifest,
        limits: &Limits,
        component: &dyn Fn() -> Result<Option<Vec<u8>>, String>,
    ) -> Result<Prepared, PrepareError> {
        if let Some(prepared) = self.inner.cache.get(&version) {
            return Ok(prepared);
        }
        let prepared = self
            .inner
            .cache
            .try_get_with(version, || {
                self.make_ready(version, manifest, limits, component)
            })
            .map_err(|error| PrepareError::clone(&error));
        // Evicts at once: the bound holds between two uploads, not later.
        self.inner.cache.run_pending_tasks();
        prepared
    }

    fn make_ready(
        &self,
        version: VersionId,
        manifest: &Manifest,
        limits: &Limits,
        component: &dyn Fn() -> Result<Option<Vec<u8>>, String>,
    ) -> Result<Prepared, PrepareError> {
        let kept = self.inner.artifacts.load(version);
        if let Some(code) = kept.and_then(|artifact| self.load(&artifact).ok()) {
            self.inner.loaded.count();
            return Ok(Prepared::new(version, code, manifest.clone()));
        }
        let bytes = component()
            .map_err(PrepareError::Unreadable)?
            .ok_or(PrepareError::Missing(version))?;
        let limits = Limits {
            compile_ms: limits.compile_ms.saturating_mul(AGAIN),
            ..limits.clone()
        };
        let (artifact, code) = self.rebuild(&bytes, &limits).map_err(|error| match error {
            UploadError::Unavailable(cause) => PrepareError::Unreadable(cause),
            error => {
                let cause = error.to_string();
                PrepareError::Refused { version, cause }
            }
        })?;
        self.save(version, &artifact);
        Ok(Prepared::new(version, code, manifest.clone()))
    }

    fn rebuild(&self, bytes: &[u8], limits: &Limits) -> Result<(Artifact, Code), UploadError> {
        let (artifact, _) = self.build(bytes, limits)?;
        let code = self.load(&artifact)?;
        Ok((artifact, code))
    }

    /// What a cheap look refuses is not handed to the compiler.
    fn build(&self, bytes: &[u8], limits: &Limits) -> Result<(Artifact, Built), UploadError> {
        scan::scan(bytes)?;
        self.inner.compiled.count();
        let mut built = self.inner.compiler.build(bytes, limits)?;
        let artifact = Artifacts::fresh(built.layout, std::mem::take(&mut built.code));
        Ok((artifact, built))
    }

    fn load(&self, artifact: &Artifact) -> Result<Code, UploadError> {
        if self.inner.describer.is_some() {
            let sealed = artifact.seal().map_err(|error| {
                UploadError::Unavailable(format!("its code cannot be kept in memory: {error}"))
            })?;
            return Ok(Code::Sealed(Arc::new(sealed)));
        }
        let component = artifact
            .component(&self.inner.engine)
            .map_err(|error| UploadError::of_load(&error))?;
        let compiled = Compiled::link(
            &self.inner.linker,
            &component,
            artifact.layout(),
            self.inner.ticks.clone(),
            artifact.size(),
        )?;
        Ok(Code::Here(Arc::new(compiled)))
    }

    fn save(&self, version: VersionId, artifact: &Artifact) {
        let cache = &self.inner.cache;
        let is_hot = |version| cache.contains_key(&version);
        self.inner.artifacts.save(version, artifact, &is_hot);
    }

    /// How code came to be in memory, and how much of it is.
    pub fn counts(&self) -> CodeCounts {
        let inner = &self.inner;
        CodeCounts {
            compiled: inner.compiled.get(),
            loaded: inner.loaded.get(),
            versions: inner.cache.entry_count(),
            bytes: inner.cache.weighted_size(),
        }
    }

    /// Forgets a version that is no longer in the store: its artifact in
    /// memory and on disk. Who holds a [`Prepared`] of it can go on.
    pub fn forget(&self, version: VersionId) {
        self.inner.cache.invalidate(&version);
        self.inner.artifacts.remove(version);
    }

    fn describe(
        &self,
        version: VersionId,
        code: &Code,
        limits: &Limits,
    ) -> Result<Manifest, UploadError> {
        match (code, &self.inner.describer) {
            (Code::Here(compiled), _) => describe(compiled, limits),
            (Code::Sealed(sealed), Some(describer)) => {
                let manifest = describer.describe(version, sealed, limits)?;
                // Of a process that is not trusted.
                let check = manifest.check();
                check.map_err(|error| UploadError::of_manifest(&error))?;
                Ok(manifest)
            }
            (Code::Sealed(_), None) => unreachable!("code is sealed for a describer only"),
        }
    }

    /// Runs a rule on one event, in a fresh instance. Fails only when what
    /// the run recalls cannot be read.
    ///
    /// # Errors
    /// When remembered values cannot be read; the run has done nothing, and
    /// is to be repeated.
    ///
    /// # Panics
    /// In a sandbox [without code](Sandbox::without_code).
    pub fn run(&self, prepared: &Prepared, run: &Run<'_>) -> Result<RunReport, RecallError> {
        match self.run_unless(prepared, run, None) {
            Ok(report) => Ok(report),
            Err(GivenUp::Recall(error)) => Err(error),
            Err(GivenUp::Interrupted { .. }) => unreachable!("nobody can have asked for it"),
        }
    }

    /// The same, of a run that may be asked to end before.
    pub(crate) fn run_until(
        &self,
        prepared: &Prepared,
        run: &Run<'_>,
        signal: &Signal,
    ) -> Result<RunReport, RunError> {
        let report = self.run_unless(prepared, run, Some(signal));
        report.map_err(RunError::of_given_up)
    }

    /// What can ask for that.
    pub(crate) fn interrupter(&self) -> OfThread {
        OfThread::new(self.inner.engine.clone())
    }

    fn run_unless(
        &self,
        prepared: &Prepared,
        run: &Run<'_>,
        signal: Option<&Signal>,
    ) -> Result<RunReport, GivenUp> {
        let Code::Here(compiled) = &prepared.code else {
            panic!("what is to be run in another process was to be run in this one");
        };
        let raw = raw::run(compiled, run, self.inner.tenant_data.as_ref(), signal)?;
        Ok(raw.report(prepared.manifest(), run.limits, run.fuel))
    }
}

/// Asks compiled code for its manifest, in a sandbox under limits.
pub(crate) fn describe(compiled: &Compiled, limits: &Limits) -> Result<Manifest, UploadError> {
    let nothing: Arc<dyn Recall> = Arc::new(NothingRemembered);
    let ended = compiled.call(
        limits,
        limits.fuel,
        None,
        || RunState::of_describe(limits, Arc::clone(&nothing)),
        |store, instance| {
            // Whether both are of our types shows here, once, and not in
            // the first run.
            let handle =
                instance.get_typed_func::<HandleParams<'_>, Handled>(&mut *store, &compiled.handle);
            let describe =
                instance.get_typed_func::<(), Described>(&mut *store, &compiled.describe);
            let describe = match (handle, describe) {
                (Ok(_), Ok(describe)) => describe,
                (Err(error), _) => return Ok(Err(wrong_type("handle", &error))),
                (_, Err(error)) => return Ok(Err(wrong_type("describe", &error))),
            };
            let (manifest,) = describe.call(&mut *store, ())?;
            manifest::lifted(store, &manifest)?;
            Ok(Ok(manifest))
        },
    );
    let described = ended
        .result
        .map_err(|stop| UploadError::DescribeFailed(Box::new(stop)))??;
    manifest::check(described)
}

/// What `handle` is given.
pub(crate) fn params<'a>(run: &Run<'a>) -> HandleParams<'a> {
    let event = run.event;
    (
        bindings::Event {
            id: &event.ce_id,
            source: &event.source,
            ty: &event.ty,
            subject: event.subject.as_deref(),
            time: &event.time,
            data: event.data.as_str(),
        },
        bindings::Invocation {
            tenant: run.tenant.as_str(),
            rule: run.rule.as_str(),
            config: run.config.as_str(),
            depth: event.lineage.depth,
        },
    )
}

fn wrong_type(export: &str, error: &wasmtime::Error) -> UploadError {
    UploadError::WrongType(format!("export `{export}`: {}", error.root_cause()))
}
