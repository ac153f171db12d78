//! A rule in a sandbox, and how long its runs take.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use ringfence_model::{
    Ancestry, Event, EventId, Json, Limits, Lineage, Manifest, RuleName, TenantId, Usage, VersionId,
};
use ringfence_sandbox::{
    NothingRemembered, Prepared, Recall, Run, RunReport, Sandbox, SandboxConfig, Task,
};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

/// The folder of guests: what `RINGFENCE_GUESTS` names, else `target/guests`.
pub fn guests() -> PathBuf {
    std::env::var_os("RINGFENCE_GUESTS").map_or_else(|| "target/guests".into(), PathBuf::from)
}

/// Reads a guest's component.
///
/// # Errors
/// When it is not there.
pub fn guest(name: &str) -> anyhow::Result<Vec<u8>> {
    let path = guests().join(format!("{name}.wasm"));
    std::fs::read(&path).with_context(|| format!("{}: run `make guests`", path.display()))
}

/// A sandbox as it is measured.
pub fn config() -> SandboxConfig {
    SandboxConfig {
        concurrent_runs: 8,
        memory_bytes_max: 256 << 20,
        cache_bytes: 256 << 20,
        artifact_bytes: 0,
        tenant_data: None,
        reserve_growth: true,
        artifact_key: [0; 32],
    }
}

/// A rule that is ready to run.
pub struct Rule {
    sandbox: Sandbox,
    prepared: Prepared,
    /// What it runs on.
    pub event: Event,
    tenant: TenantId,
    name: RuleName,
    /// Its configuration.
    pub config: Json,
    /// What compiling it took.
    pub compile_ms: u64,
    limits: Limits,
    recall: Arc<dyn Recall>,
}

impl Rule {
    /// Compiles it in a sandbox of its own.
    ///
    /// # Errors
    /// When it is refused.
    pub fn new(config: SandboxConfig, component: &[u8]) -> anyhow::Result<Self> {
        Self::within(&Sandbox::new(config, None)?, component, Limits::default())
    }

    /// Compiles it in this sandbox, within these limits.
    ///
    /// # Errors
    /// When it is refused.
    pub fn within(sandbox: &Sandbox, component: &[u8], limits: Limits) -> anyhow::Result<Self> {
        let inspected = sandbox.inspect(component, &limits)?;
        let mut rule = Self::kept(sandbox, inspected.version, &inspected.manifest, limits)?;
        rule.compile_ms = inspected.compile_ms;
        Ok(rule)
    }

    /// One that this sandbox has compiled before.
    ///
    /// # Errors
    /// When it does not have it any more.
    pub fn kept(
        sandbox: &Sandbox,
        version: VersionId,
        manifest: &Manifest,
        limits: Limits,
    ) -> anyhow::Result<Self> {
        let prepared = sandbox.prepare(version, manifest, &limits, &|| Ok(None))?;
        let tenant: TenantId = "acme".parse()?;
        Ok(Self {
            sandbox: sandbox.clone(),
            prepared,
            event: event(&tenant)?,
            tenant,
            name: "rule".parse()?,
            config: Json::empty_object(),
            compile_ms: 0,
            limits,
            recall: Arc::new(NothingRemembered),
        })
    }

    /// A run of it.
    pub fn task(&self) -> Task<'_> {
        Task {
            prepared: &self.prepared,
            run: Run {
                event: &self.event,
                tenant: &self.tenant,
                rule: &self.name,
                config: &self.config,
                limits: &self.limits,
                fuel: self.limits.fuel,
                recall: &self.recall,
            },
        }
    }

    /// Runs it once; how many effects it returned.
    ///
    /// # Errors
    /// When it is stopped.
    pub fn run(&self) -> anyhow::Result<usize> {
        match self.report()?.outcome {
            Ok(effects) => Ok(effects.len()),
            Err(stop) => bail!("{}: {}", stop.code, stop.message),
        }
    }

    /// Runs it once; what it used.
    ///
    /// # Errors
    /// When it is stopped.
    pub fn used(&self) -> anyhow::Result<Usage> {
        let report = self.report()?;
        match report.outcome {
            Ok(_) => Ok(report.usage),
            Err(stop) => bail!("{}: {}", stop.code, stop.message),
        }
    }

    fn report(&self) -> anyhow::Result<RunReport> {
        let task = self.task();
        Ok(self.sandbox.run(task.prepared, &task.run)?)
    }
}

/// How long some runs took.
pub struct Times {
    /// On the clock on the wall.
    pub wall: Duration,
    /// Of the thread that made them.
    pub cpu: Duration,
}

/// Takes the time of so many runs.
pub fn time(runs: u32, mut run: impl FnMut() -> usize) -> Times {
    let (wall, cpu) = (crate::start(), thread_cpu());
    for _ in 0..runs {
        std::hint::black_box(run());
    }
    Times {
        cpu: thread_cpu().saturating_sub(cpu),
        wall: wall.elapsed(),
    }
}

/// CPU time of this thread since it began.
///
/// # Panics
/// When the kernel tells a time before that.
pub fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let whole = u64::try_from(time.tv_sec).expect("a thread's time is not negative");
    let nanos = u32::try_from(time.tv_nsec).expect("a fraction is not negative");
    Duration::new(whole, nanos)
}

/// With 400 bytes of data.
fn event(tenant: &TenantId) -> anyhow::Result<Event> {
    let mut data = json!({
        "id": "c-4711",
        "priority": "urgent",
        "channel": "email",
        "customer": {"id": "u-12", "name": "Ada", "plan": "gold"},
        "tags": ["billing", "refund"],
        "subject": "Charged twice",
        "text": "",
    });
    let room = 400 - data.to_string().len();
    data["text"] = "x".repeat(room).into();
    let id = EventId::root(tenant, "/crm", "e1");
    Ok(Event {
        id,
        tenant: tenant.clone(),
        ce_id: "e1".into(),
        source: "/crm".into(),
        ty: "conversation.created".into(),
        subject: Some("c-4711".into()),
        time: "2026-01-01T00:00:00Z".into(),
        data: Json::parse(&data.to_string())?,
        accepted_us: 1_767_225_600_000_000,
        lineage: Lineage::root(id),
        ancestry: Ancestry::default(),
    })
}
