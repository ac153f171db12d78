//! Sandboxes that run here and in workers, and rules to run in them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use ringfence_model::{
    Ancestry, Effect, Event, EventId, Json, Limits, Lineage, RuleName, TenantId,
};
use ringfence_processes::{Program, Workers, WorkersConfig};
use ringfence_sandbox::{
    CompileHere, Prepared, Progress, Recall, RecallError, Run, RunError, RunReport, Sandbox,
    SandboxConfig, Task,
};

const MEMORY_BYTES: u64 = 32 << 20;
const CODE_BYTES: u64 = 64 << 20;

/// A built guest's bytes. That it is not there is a failure: a test that is
/// skipped promises nothing.
pub(crate) fn built(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("RINGFENCE_GUESTS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/guests"),
        PathBuf::from,
    );
    let path = folder.join(format!("{name}.wasm"));
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `make guests`", path.display()))
}

/// The `ringfence` binary: `RINGFENCE_BIN`, or the one built beside this test.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("RINGFENCE_BIN").map_or_else(
        || {
            let test = std::env::current_exe().expect("a running program has a path");
            let profile = test.parent().and_then(std::path::Path::parent);
            profile
                .expect("tests are built below the binary")
                .join("ringfence")
        },
        PathBuf::from,
    )
}

pub(crate) fn config() -> SandboxConfig {
    SandboxConfig {
        concurrent_runs: 2,
        memory_bytes_max: MEMORY_BYTES,
        cache_bytes: CODE_BYTES,
        artifact_bytes: 0,
        tenant_data: None,
        reserve_growth: true,
        artifact_key: [7; 32],
    }
}

pub(crate) fn workers_config() -> WorkersConfig {
    WorkersConfig::new(MEMORY_BYTES, CODE_BYTES)
}

pub(crate) fn workers(config: WorkersConfig) -> Arc<Workers> {
    let workers = Workers::start(Program::at(binary()), config);
    Arc::new(workers.expect("workers can be started"))
}

pub(crate) fn sandbox_with(workers: &Arc<Workers>) -> Sandbox {
    let compiler = Arc::new(CompileHere::new(&config()).unwrap());
    Sandbox::without_code(config(), None, compiler, workers.clone()).unwrap()
}

pub(crate) fn prepare(sandbox: &Sandbox, component: &[u8]) -> Prepared {
    let limits = Limits::default();
    let inspected = sandbox.inspect(component, &limits).unwrap();
    let again = || Ok(Some(component.to_vec()));
    let prepared = sandbox.prepare(inspected.version, &inspected.manifest, &limits, &again);
    prepared.unwrap()
}

/// One run's input.
pub(crate) struct Given {
    pub(crate) event: Event,
    pub(crate) rule: RuleName,
    pub(crate) config: Json,
    pub(crate) limits: Limits,
    pub(crate) recall: Arc<dyn Recall>,
}

impl Given {
    pub(crate) fn new(number: usize, ty: &str, data: &str) -> Self {
        let tenant: TenantId = "acme".parse().unwrap();
        let ce_id = format!("e-{number}");
        let id = EventId::root(&tenant, "/test", &ce_id);
        Self {
            event: Event {
                id,
                tenant,
                ce_id,
                source: "/test".into(),
                ty: ty.into(),
                subject: number.is_multiple_of(2).then(|| "c-1".into()),
                time: "2026-01-01T00:00:00Z".into(),
                data: Json::parse(data).unwrap(),
                accepted_us: 1_767_225_600_000_000,
                lineage: Lineage::root(id),
                ancestry: Ancestry::default(),
            },
            rule: "the-rule".parse().unwrap(),
            config: Json::empty_object(),
            limits: Limits {
                memory_bytes: MEMORY_BYTES,
                deadline_ms: 10_000,
                ..Limits::default()
            },
            recall: Arc::new(Notes::default()),
        }
    }

    pub(crate) fn task<'a>(&'a self, prepared: &'a Prepared) -> Task<'a> {
        let run = Run {
            event: &self.event,
            tenant: &self.event.tenant,
            rule: &self.rule,
            config: &self.config,
            limits: &self.limits,
            fuel: self.limits.fuel,
            recall: &self.recall,
        };
        Task { prepared, run }
    }
}

/// Remembered values in memory.
#[derive(Default)]
pub(crate) struct Notes(pub(crate) Mutex<HashMap<String, Json>>);

impl Recall for Notes {
    fn recall(&self, key: &str) -> Result<Option<Json>, RecallError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }
}

/// Keeps what it is told, and remembers what runs ask to have remembered.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) results: Vec<Result<RunReport, RunError>>,
    pub(crate) notes: Arc<Notes>,
    /// Called after each.
    pub(crate) after: Option<Box<dyn FnMut(usize)>>,
}

impl Progress for Told {
    fn ended(&mut self, index: usize, result: Result<RunReport, RunError>) {
        assert_eq!(index, self.results.len(), "each is told once, in order");
        if let Ok(RunReport {
            outcome: Ok(effects),
            ..
        }) = &result
        {
            let mut notes = self.notes.0.lock().unwrap();
            for effect in effects {
                if let Effect::Remember(entry) = effect
                    && let Some(value) = &entry.value
                {
                    notes.insert(entry.key.clone(), value.clone());
                }
            }
        }
        self.results.push(result);
        if let Some(after) = &mut self.after {
            after(index);
        }
    }

    fn is_wanted(&mut self, _index: usize) -> bool {
        true
    }
}
