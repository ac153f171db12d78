//! False alarms: rules that make progress, at full speed, in random order and
//! on all cores; and how many of their runs are stopped, or taken for a loop,
//! a budget or an anomaly. There should be none.
//!
//! The useful examples on the events of their fixtures, `countdown` from random
//! heights, and actions that the host application answers with events of their
//! cascades, which settle.
//!
//! `progress [SECONDS [SEED]]`

#![allow(clippy::print_stdout, reason = "prints what it measured")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use parking_lot::Mutex;
use ringfence_benches::rule::guest;
use ringfence_benches::{start, table};
use ringfence_engine::{
    Engine, EngineConfig, EngineError, NewActivation, Observer, SystemClock, TenantChange,
};
use ringfence_model::{
    Ancestry, AnomalyKind, Event, EventId, Json, LimitOverrides, Lineage, Mode, Origin, RuleName,
    StopCode, TenantId, Usage,
};
use ringfence_sandbox::{Sandbox, SandboxConfig};
use ringfence_store::Sqlite;

const SECONDS: u64 = 60;
const SEED: u64 = 4;
const TENANTS: usize = 20;
const SUBJECTS: u64 = 300;
/// From how far `countdown` counts at most: far more than any bound on depth.
const HEIGHT: u64 = 2_000;
/// Events on their way at once.
const WAITING_MAX: u64 = 4_000;
const BATCH: usize = 50;
/// What tenants have in force, in turn: `escalate-urgent` and `tag-sync` want
/// the same events in different shapes.
const RULES: [&[&str]; 2] = [
    &[
        "countdown",
        "escalate-urgent",
        "label-issue",
        "sla-breach",
        "three-strikes",
    ],
    &[
        "countdown",
        "label-issue",
        "sla-breach",
        "tag-sync",
        "three-strikes",
    ],
];

/// Counts what comes of runs.
#[derive(Default)]
struct Seen {
    counts: Mutex<BTreeMap<String, u64>>,
}

impl Seen {
    fn count(&self, what: impl Into<String>) {
        *self.counts.lock().entry(what.into()).or_default() += 1;
    }
}

impl Observer for Seen {
    fn executed(&self, _: &TenantId, _: &RuleName, _: &Usage, stop: Option<StopCode>) {
        match stop {
            None => self.count("executions that were fine"),
            Some(code) => self.count(format!("executions stopped: {code}")),
        }
    }

    fn dead_lettered(&self, _: &TenantId, code: StopCode) {
        self.count(format!("dead letters: {code}"));
    }

    fn anomaly(&self, _: &TenantId, kind: AnomalyKind, ended: bool) {
        if !ended {
            self.count(format!("anomalies: {kind}"));
        }
    }
}

/// Xorshift (Marsaglia, 2003): the same events for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(SECONDS), |text| text.parse())?;
    let seed = arguments.next().map_or(Ok(SEED), |text| text.parse())?;
    ensure!(seconds > 0 && seed > 0, "there must be a second and a seed");
    let folder = tempfile::tempdir()?;
    let seen = Arc::new(Seen::default());
    let engine = engine(folder.path(), seen.clone()).await?;
    let tenants: Vec<TenantId> = (0..TENANTS)
        .map(|n| format!("t{n}").parse())
        .collect::<Result<_, _>>()?;
    for (tenant, rules) in tenants.iter().zip(RULES.iter().cycle()) {
        set_up(&engine, tenant, rules).await?;
    }
    let mut sender = Sender {
        engine: engine.clone(),
        random: Random(seed),
        samples: [samples(RULES[0])?, samples(RULES[1])?],
        sent: 0,
    };
    let begun = start();
    while begun.elapsed() < Duration::from_secs(seconds) {
        for (tenant, kind) in tenants.iter().zip((0..RULES.len()).cycle()) {
            sender.send(tenant, kind).await?;
            sender.answer(tenant).await?;
        }
        while engine.stats().waiting > WAITING_MAX {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    while engine.stats().waiting > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let sent = sender.sent;
    engine.drain().await;
    let counts = seen.counts.lock();
    let mut rows = vec![vec!["events from outside".to_owned(), sent.to_string()]];
    rows.extend(
        counts
            .iter()
            .map(|(what, count)| vec![what.clone(), count.to_string()]),
    );
    table(&["", "count"], &rows);
    let alarms: u64 = counts
        .iter()
        .filter(|(what, _)| !what.starts_with("executions that"))
        .map(|(_, count)| count)
        .sum();
    println!("false alarms: {alarms}");
    Ok(())
}

async fn engine(folder: &Path, seen: Arc<Seen>) -> Result<Engine> {
    let store = Arc::new(Sqlite::open(folder.join("ringfence.db"))?);
    let sandbox = SandboxConfig {
        concurrent_runs: 8,
        memory_bytes_max: 32 << 20,
        cache_bytes: 64 << 20,
        artifact_bytes: 64 << 20,
        tenant_data: None,
        reserve_growth: true,
        artifact_key: [7; 32],
    };
    let sandbox = Sandbox::new(sandbox, None)?;
    let clock = Arc::new(SystemClock::start());
    Ok(Engine::start(store, sandbox, clock, seen, EngineConfig::default()).await?)
}

async fn set_up(engine: &Engine, tenant: &TenantId, rules: &[&str]) -> Result<()> {
    let limits = LimitOverrides {
        cascade_depth: Some(HEIGHT),
        cascade_executions: Some(2 * HEIGHT),
        cascade_events: Some(2 * HEIGHT),
        cascade_fuel: Some(1_000_000_000),
        events_per_second: Some(1_000_000),
        events_burst: Some(1_000_000),
        ..LimitOverrides::default()
    };
    let change = TenantChange {
        limits: Some(limits),
        ..TenantChange::default()
    };
    engine.put_tenant(tenant, change).await?;
    for name in rules {
        let rule: RuleName = name.parse()?;
        let component = Bytes::from(guest(name)?);
        let place = engine.upload_place(tenant, component.len() as u64)?;
        let (version, _) = engine.upload(tenant, &rule, component, place).await?;
        let new = NewActivation {
            version: version.version,
            config: Json::empty_object(),
            mode: Mode::Enforce,
            percent: 100,
            limits: LimitOverrides::default(),
            loops: None,
        };
        engine.activate(tenant, &rule, new).await?;
    }
    Ok(())
}

/// Types and data that the examples' fixtures expect effects of.
fn samples(rules: &[&str]) -> Result<Vec<(String, Json)>> {
    let mut samples = Vec::new();
    for name in rules.iter().filter(|name| **name != "countdown") {
        let folder = format!("guest-examples/{name}/fixtures");
        for entry in std::fs::read_dir(&folder).context(folder)? {
            let text = std::fs::read_to_string(entry?.path())?;
            let fixture: serde_json::Value = serde_json::from_str(&text)?;
            let event = &fixture["event"];
            let is_plain = fixture["expect"]["effects"].is_array() && fixture["recall"].is_null();
            if let (true, Some(ty)) = (is_plain, event["type"].as_str()) {
                samples.push((ty.to_owned(), Json::from(&event["data"])));
            }
        }
    }
    ensure!(!samples.is_empty(), "there is no fixture");
    Ok(samples)
}

struct Sender {
    engine: Engine,
    random: Random,
    samples: [Vec<(String, Json)>; 2],
    sent: u64,
}

impl Sender {
    /// A batch of random events.
    async fn send(&mut self, tenant: &TenantId, kind: usize) -> Result<()> {
        let mut events = Vec::with_capacity(BATCH);
        for _ in 0..BATCH {
            let (ty, data) = if self.random.below(20) == 0 {
                let n = self.random.below(HEIGHT);
                let n = if self.random.below(10) == 0 {
                    n
                } else {
                    n % 40
                };
                let data = Json::parse(&format!(r#"{{"n": {n}}}"#))?;
                ("countdown.tick".to_owned(), data)
            } else {
                let at = self.random.below(self.samples[kind].len() as u64);
                self.samples[kind][usize::try_from(at)?].clone()
            };
            let subject = format!("s-{}", self.random.below(SUBJECTS));
            events.push(self.event(tenant, ty, subject, data, None));
        }
        self.accept(tenant, events).await
    }

    /// Answers actions, as the host application would: each record comes back
    /// changed, with the action's lineage.
    async fn answer(&mut self, tenant: &TenantId) -> Result<()> {
        let store = Arc::clone(self.engine.store());
        let page = store.outgoing(tenant, 0, 200).await?;
        let Some(last) = page.items.last() else {
            return Ok(());
        };
        let last = last.seq;
        let mut events = Vec::new();
        for outgoing in page.items {
            if !outgoing.action.name.ends_with(".update") {
                continue;
            }
            let lineage = Lineage {
                cascade: outgoing.cascade,
                depth: outgoing.depth + 1,
                parent: Some(outgoing.execution),
                origin: Origin::Returned,
            };
            let data = r#"{"tags": ["vip"], "customer": {"id": "u-1", "tags": ["vip"]}}"#;
            let ty = "conversation.updated".to_owned();
            let subject = format!("s-{}", self.random.below(SUBJECTS));
            events.push(self.event(tenant, ty, subject, Json::parse(data)?, Some(lineage)));
        }
        self.accept(tenant, events).await?;
        store.acknowledge(tenant, last).await?;
        Ok(())
    }

    fn event(
        &mut self,
        tenant: &TenantId,
        ty: String,
        subject: String,
        data: Json,
        lineage: Option<Lineage>,
    ) -> Event {
        self.sent += 1;
        let ce_id = self.sent.to_string();
        let id = EventId::root(tenant, "/bench", &ce_id);
        Event {
            id,
            tenant: tenant.clone(),
            ce_id,
            source: "/bench".into(),
            ty,
            subject: Some(subject),
            time: "2026-01-01T00:00:00Z".into(),
            data,
            accepted_us: self.engine.clock().now_us(),
            lineage: lineage.unwrap_or(Lineage::root(id)),
            ancestry: Ancestry::default(),
        }
    }

    async fn accept(&self, tenant: &TenantId, events: Vec<Event>) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        loop {
            match self.engine.accept(tenant, events.clone()).await {
                Ok(_) => return Ok(()),
                Err(EngineError::TooMuchWaiting { .. }) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
