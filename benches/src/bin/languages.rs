//! What a run costs by the language of its rule: the example rules in Rust,
//! in JavaScript (QuickJS) and in Python (CPython), each in a fresh instance,
//! the latter two with the stand-ins for WASI.
//!
//! The same run without fuel ends at its first instruction: what it takes is
//! what the instance takes, made and thrown away. Both have turns; what is
//! printed are medians of the running thread's CPU time.
//!
//! `languages [--rounds N]`; guests are looked for in the folder that
//! `RINGFENCE_GUESTS` names, else in `target/guests`.

#![allow(clippy::print_stdout, reason = "prints what it measured")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use ringfence_benches::{median, table};
use ringfence_model::{Event, EventId, Json, Limits, Lineage, StopCode, TenantId};
use ringfence_sandbox::{
    NothingRemembered, Prepared, Recall, Run, RunReport, Sandbox, SandboxConfig,
};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

/// Each guest and the event's type that it wants.
const GUESTS: [(&str, &str); 3] = [
    ("escalate-urgent", "conversation.created"),
    ("js-survey", "conversation.closed"),
    ("python-office-hours", "conversation.created"),
];
/// Runs of one kind before the other kind has its turn.
const RUNS_PER_ROUND: u32 = 20;
const ROUNDS: usize = 100;
/// CPython's component has 18 MB.
const COMPONENT_BYTES: u64 = 32 << 20;

fn main() -> anyhow::Result<()> {
    let mut rounds = ROUNDS;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rounds" => rounds = arguments.next().context("a value is missing")?.parse()?,
            other => bail!("`{other}` is not an option"),
        }
    }
    ensure!(rounds > 0, "`--rounds` must be more than 0");
    let config = SandboxConfig {
        concurrent_runs: 2,
        memory_bytes_max: 64 << 20,
        cache_bytes: 256 << 20,
        artifact_bytes: 0,
        tenant_data: None,
        reserve_growth: true,
        artifact_key: [0; 32],
    };
    let sandbox = Sandbox::new(config, None)?;
    let mut rows = Vec::new();
    for (name, ty) in GUESTS {
        rows.push(Guest::load(&sandbox, name, ty)?.measure(rounds)?);
    }
    table(
        &[
            "guest",
            "MB",
            "compiled, s",
            "us/run",
            "of it instance",
            "fuel/run",
            "MiB",
        ],
        &rows,
    );
    Ok(())
}

struct Guest<'a> {
    sandbox: &'a Sandbox,
    name: &'static str,
    prepared: Prepared,
    size: u64,
    compile_ms: u64,
    event: Event,
    limits: Limits,
    recall: Arc<dyn Recall>,
}

impl<'a> Guest<'a> {
    fn load(sandbox: &'a Sandbox, name: &'static str, ty: &str) -> anyhow::Result<Self> {
        let folder = std::env::var_os("RINGFENCE_GUESTS")
            .map_or_else(|| "target/guests".into(), PathBuf::from);
        let path = folder.join(format!("{name}.wasm"));
        let bytes = std::fs::read(&path).with_context(|| {
            format!(
                "{}: run `make guests` and `scripts/build-scripted-guests.sh`",
                path.display()
            )
        })?;
        let limits = Limits {
            component_bytes: COMPONENT_BYTES,
            ..Limits::default()
        };
        let inspected = sandbox.inspect(&bytes, &limits)?;
        let prepared = sandbox.prepare(inspected.version, &inspected.manifest, &limits, &|| {
            Ok(None)
        })?;
        Ok(Self {
            sandbox,
            name,
            prepared,
            size: inspected.size,
            compile_ms: inspected.compile_ms,
            event: event(ty)?,
            limits,
            recall: Arc::new(NothingRemembered),
        })
    }

    fn run(&self, fuel: u64) -> anyhow::Result<RunReport> {
        let report = self.sandbox.run(
            &self.prepared,
            &Run {
                event: &self.event,
                tenant: &self.event.tenant,
                rule: &self.name.parse()?,
                config: &Json::parse(r#"{"share": 1}"#)?,
                limits: &self.limits,
                fuel,
                recall: &self.recall,
            },
        )?;
        Ok(report)
    }

    /// A row of the table.
    fn measure(&self, rounds: usize) -> anyhow::Result<Vec<String>> {
        let report = self.run(self.limits.fuel)?;
        let effects = report.outcome.as_deref().map_or(0, <[_]>::len);
        ensure!(effects == 1, "{}: {:?}", self.name, report.outcome);
        let stopped = self.run(0)?.outcome.map_err(|stop| stop.code);
        ensure!(
            stopped == Err(StopCode::OutOfFuel),
            "{}: {stopped:?}",
            self.name
        );
        let (mut whole, mut instance) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            whole.push(self.time(self.limits.fuel)?);
            instance.push(self.time(0)?);
        }
        let (whole, instance) = (median(&mut whole), median(&mut instance));
        Ok(vec![
            self.name.into(),
            format!("{:.2}", self.size as f64 / 1e6),
            format!("{:.1}", self.compile_ms as f64 / 1e3),
            format!("{whole:.0}"),
            format!("{instance:.0} ({:.0} %)", instance / whole * 100.0),
            report.usage.fuel.to_string(),
            format!("{:.1}", report.usage.memory_bytes as f64 / 1024.0 / 1024.0),
        ])
    }

    /// In microseconds per run.
    fn time(&self, fuel: u64) -> anyhow::Result<f64> {
        let before = thread_cpu();
        for _ in 0..RUNS_PER_ROUND {
            std::hint::black_box(self.run(fuel)?);
        }
        let took = thread_cpu().saturating_sub(before);
        Ok(took.as_secs_f64() * 1e6 / f64::from(RUNS_PER_ROUND))
    }
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let whole = u64::try_from(time.tv_sec).expect("a thread's time is not negative");
    let nanos = u32::try_from(time.tv_nsec).expect("a fraction is not negative");
    Duration::new(whole, nanos)
}

/// An event that each of them acts on: urgent, closed, at night.
fn event(ty: &str) -> anyhow::Result<Event> {
    let tenant: TenantId = "acme".parse()?;
    let id = EventId::root(&tenant, "/crm", "e1");
    let data = json!({"contact": "ada@example.com", "priority": "urgent"});
    Ok(Event {
        id,
        tenant,
        ce_id: "e1".into(),
        source: "/crm".into(),
        ty: ty.into(),
        subject: Some("c-4711".into()),
        time: "2026-01-01T00:00:00Z".into(),
        data: Json::parse(&data.to_string())?,
        accepted_us: 1_767_225_600_000_000,
        lineage: Lineage::root(id),
    })
}
