//! A sandbox without a server: the same engine, limits and metering as in
//! production, for one component at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use ringfence_model::{Json, LimitOverrides, Limits, RuleName};
use ringfence_sandbox::{
    Inspected, Prepared, Recall, RecallError, Run, RunReport, Sandbox, SandboxConfig,
};

use crate::build::{RuleFolder, build};
use crate::case::Case;
use crate::error::Hint as _;
use crate::{console, data, files, host};

/// The largest component that any plan may allow, in bytes.
const COMPONENT_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// How long compiling may take, in milliseconds: the largest take 20 s on a
/// machine that has nothing else to do.
const COMPILE_MS: u64 = 120_000;
/// Compiled components kept, in bytes; there is one at a time.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// The sandbox.
pub(crate) struct Lab {
    sandbox: Sandbox,
}

/// A component that is ready to run.
pub(crate) struct Loaded {
    /// What it is and declares.
    pub(crate) inspected: Inspected,
    prepared: Prepared,
    rule: RuleName,
}

/// What somebody named on the command line.
pub(crate) struct Named {
    /// The component.
    pub(crate) component: PathBuf,
    /// Its rule's folder, where that was named.
    pub(crate) folder: Option<RuleFolder>,
}

impl Named {
    /// A component, or a rule's folder, which is then built.
    pub(crate) fn find(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            return Ok(Self {
                component: path.to_owned(),
                folder: None,
            });
        }
        let folder = RuleFolder::open(path)?;
        console::say(format_args!("building {}", folder.name));
        Ok(Self {
            component: build(path, None)?.path,
            folder: Some(folder),
        })
    }
}

impl Lab {
    /// Sets it up for runs within these limits, which may read the data of
    /// the tenant `local` in this folder.
    pub(crate) fn new(limits: &Limits, tenant_data: Option<&Path>) -> Result<Self> {
        let config = SandboxConfig {
            concurrent_runs: 1,
            memory_bytes_max: limits.memory_bytes,
            cache_bytes: CACHE_BYTES,
            artifact_bytes: 0,
            tenant_data: data::open_tenants(tenant_data)?,
            // Nothing is kept on disk that it would authenticate.
            reserve_growth: true,
            artifact_key: [0; 32],
        };
        let sandbox = Sandbox::with_compiler(config, None, host::compiler())?;
        Ok(Self { sandbox })
    }

    /// Compiles a component and asks it for its manifest.
    pub(crate) fn load(&self, path: &Path) -> Result<Loaded> {
        let bytes = files::read(path, COMPONENT_BYTES_MAX)
            .hint("Give the path of a component, or of a rule's folder to build it first.")?;
        let limits = Limits::default().with(&LimitOverrides {
            component_bytes: Some(COMPONENT_BYTES_MAX),
            compile_ms: Some(COMPILE_MS),
            ..LimitOverrides::default()
        });
        let inspected = self.sandbox.inspect(&bytes, &limits).or_else(|error| {
            let hint = error
                .hint()
                .unwrap_or("Build it again with `ringfence build`.");
            let code = error.code();
            Err(error)
                .with_context(|| format!("{} cannot be used ({code})", path.display()))
                .hint(hint)
        })?;
        let again = || Ok(Some(bytes.clone()));
        let prepared =
            self.sandbox
                .prepare(inspected.version, &inspected.manifest, &limits, &again)?;
        Ok(Loaded {
            inspected,
            prepared,
            rule: rule_name(path)?,
        })
    }

    /// Runs it once, in a fresh instance.
    pub(crate) fn run(
        &self,
        loaded: &Loaded,
        case: &Case,
        config: &Json,
        limits: &Limits,
    ) -> Result<RunReport> {
        let bytes = case.event.data.size();
        ensure!(
            bytes <= limits.event_bytes,
            "the event has {bytes} bytes of data; at most {} are allowed",
            limits.event_bytes
        );
        let recall: Arc<dyn Recall> = Arc::new(Remembered(case.recall.clone()));
        let run = Run {
            event: &case.event,
            tenant: &case.event.tenant,
            rule: &loaded.rule,
            config,
            limits,
            fuel: limits.fuel,
            recall: &recall,
        };
        Ok(self.sandbox.run(&loaded.prepared, &run)?)
    }
}

/// A rule is called like its file, as far as that is a name.
fn rule_name(path: &Path) -> Result<RuleName> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let named = stem.and_then(|stem| stem.parse().ok());
    match named {
        Some(name) => Ok(name),
        None => Ok("rule".parse()?),
    }
}

/// What a fixture says is remembered.
struct Remembered(BTreeMap<String, Json>);

impl Recall for Remembered {
    fn recall(&self, key: &str) -> Result<Option<Json>, RecallError> {
        Ok(self.0.get(key).cloned())
    }
}
