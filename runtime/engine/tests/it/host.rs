//! An engine to try, in a folder of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringfence_engine::{Engine, EngineConfig, NewActivation, Observer, SystemClock, TenantChange};
use ringfence_model::{
    Ancestry, Event, EventId, Json, LimitOverrides, Lineage, Mode, RuleName, TenantId, VersionId,
};
use ringfence_processes::{Program, Workers, WorkersConfig};
use ringfence_sandbox::{CompileHere, Sandbox, SandboxConfig};
use ringfence_store::{Append, Counts, Outgoing, Sqlite};

/// How often to look whether work is finished. There is no bound in time: the
/// test runner has one.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

struct Nobody;

impl Observer for Nobody {}

pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) tenant: TenantId,
}

pub(crate) fn config(window_events: usize) -> EngineConfig {
    EngineConfig {
        workers: 2,
        window_events,
        ..EngineConfig::default()
    }
}

fn sandbox_config() -> SandboxConfig {
    SandboxConfig {
        concurrent_runs: 6,
        memory_bytes_max: 32 << 20,
        cache_bytes: 64 << 20,
        artifact_bytes: 64 << 20,
        tenant_data: None,
        reserve_growth: true,
        artifact_key: [7; 32],
    }
}

impl Host {
    /// Starts an engine on what the folder holds, with rules run in worker
    /// processes that have little memory beyond that of runs.
    pub(crate) async fn start_in_workers(folder: &Path, headroom_bytes: u64) -> Self {
        let store = Arc::new(Sqlite::open(folder.join("db")).unwrap());
        let workers = WorkersConfig {
            headroom_bytes,
            ..WorkersConfig::new(32 << 20, 64 << 20)
        };
        let workers = Arc::new(Workers::start(Program::at(binary()), workers).unwrap());
        let compiler = Arc::new(CompileHere::new(&sandbox_config()).unwrap());
        let sandbox = sandbox_config();
        let sandbox = Sandbox::without_code(sandbox, None, compiler, workers.clone()).unwrap();
        let (clock, nobody) = (Arc::new(SystemClock::start()), Arc::new(Nobody));
        let engine = Engine::start_with(store, sandbox, workers, clock, nobody, config(100));
        Self {
            engine: engine.await.unwrap(),
            tenant: "acme".parse().unwrap(),
        }
    }

    /// Starts an engine on what the folder holds.
    pub(crate) async fn start(folder: &Path, config: EngineConfig) -> Self {
        let store = Sqlite::open(folder.join("db")).unwrap();
        let sandbox = Sandbox::new(sandbox_config(), None).unwrap();
        let clock = Arc::new(SystemClock::start());
        let engine = Engine::start(Arc::new(store), sandbox, clock, Arc::new(Nobody), config);
        Self {
            engine: engine.await.unwrap(),
            tenant: "acme".parse().unwrap(),
        }
    }

    pub(crate) async fn put_tenant(&self, limits: LimitOverrides) {
        let put = self.engine.put_tenant(
            &self.tenant,
            TenantChange {
                limits: Some(limits),
                ..TenantChange::default()
            },
        );
        put.await.unwrap();
    }

    /// Uploads an example rule and puts it in force.
    pub(crate) async fn activate(&self, name: &str) -> VersionId {
        let rule: RuleName = name.parse().unwrap();
        let component = guest(name);
        let place = self
            .engine
            .upload_place(&self.tenant, component.len() as u64);
        let place = place.unwrap();
        let upload = self.engine.upload(&self.tenant, &rule, component, place);
        let (record, _) = upload.await.unwrap();
        let new = NewActivation {
            version: record.version,
            config: Json::empty_object(),
            mode: Mode::Enforce,
            percent: 100,
            limits: LimitOverrides::default(),
            loops: None,
        };
        self.engine
            .activate(&self.tenant, &rule, new)
            .await
            .unwrap();
        record.version
    }

    pub(crate) fn event(&self, id: &str, ty: &str, subject: Option<&str>, data: &str) -> Event {
        let source = "/test";
        let root = EventId::root(&self.tenant, source, id);
        Event {
            id: root,
            tenant: self.tenant.clone(),
            ce_id: id.to_owned(),
            source: source.to_owned(),
            ty: ty.to_owned(),
            subject: subject.map(str::to_owned),
            time: "2026-01-01T00:00:00Z".to_owned(),
            data: Json::parse(data).unwrap(),
            accepted_us: self.engine.clock().now_us(),
            lineage: Lineage::root(root),
            ancestry: Ancestry::default(),
        }
    }

    pub(crate) async fn accept(&self, events: Vec<Event>) -> Vec<Append> {
        let receipts = self.engine.accept(&self.tenant, events).await.unwrap();
        receipts.iter().map(|receipt| receipt.append).collect()
    }

    pub(crate) async fn counts(&self) -> Counts {
        self.engine.store().counts(&self.tenant).await.unwrap()
    }

    /// Waits until nothing waits, on disk and as the engine counts it, which it
    /// does a moment later.
    pub(crate) async fn finished(&self) -> Counts {
        loop {
            let counts = self.counts().await;
            if counts.waiting == 0 && self.engine.stats().waiting == 0 {
                return counts;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// All actions for the host application, oldest first.
    pub(crate) async fn actions(&self) -> Vec<Outgoing> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let store = self.engine.store();
            let page = store.outgoing(&self.tenant, after, 500).await.unwrap();
            let Some(last) = page.items.last() else {
                return all;
            };
            after = last.seq;
            all.extend(page.items);
        }
    }

    pub(crate) async fn stop(self) {
        self.engine.drain().await;
        self.engine.store().close().await;
    }
}

/// The `ringfence` binary: `RINGFENCE_BIN`, or the one built beside this test.
fn binary() -> PathBuf {
    std::env::var_os("RINGFENCE_BIN").map_or_else(
        || {
            let test = std::env::current_exe().unwrap();
            let profile = test.parent().and_then(Path::parent);
            profile.unwrap().join("ringfence")
        },
        PathBuf::from,
    )
}

/// A built example rule.
fn guest(name: &str) -> Bytes {
    let folder = std::env::var_os("RINGFENCE_GUESTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests"),
        PathBuf::from,
    );
    let path = folder.join(format!("{name}.wasm"));
    let bytes = std::fs::read(&path);
    let bytes =
        bytes.unwrap_or_else(|error| panic!("{}: {error}; run `make guests`", path.display()));
    bytes.into()
}

/// A spam message, of which three from one sender block it.
pub(crate) fn spam(host: &Host, id: usize, subject: &str, from: &str) -> Event {
    let data = format!(r#"{{"from": "{from}", "spam": true}}"#);
    host.event(&format!("m{id}"), "message.received", Some(subject), &data)
}
