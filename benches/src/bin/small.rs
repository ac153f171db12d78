//! Small beside large: how long a tenant with runs of some 50 us waits while
//! four others have always more runs of 20 ms, on two workers.
//!
//! The engine, with rules in worker processes, on events that come at a steady
//! rate whatever happens to those before (open loop): the time is from when an
//! event was to be sent until its end was durable. One after the other: alone;
//! then beside the others, first come first served; by start-time fair queueing;
//! with small and large runs spread over the workers (2DFQ); and with an express
//! lane, as the server does it. Then what the lane costs where there are small
//! runs only.
//!
//! `small [SECONDS [RATE [WHICH]]]`, where WHICH is the number of one of these
//! ways, from 0, to try that alone. The workers are the binary that
//! `RINGFENCE_BIN` names, and guests are looked for in `RINGFENCE_GUESTS`, else
//! in `target/guests`. The database is in the folder for temporary files: with
//! `TMPDIR=/dev/shm` the disk is not measured, which commits wait for.

#![allow(clippy::print_stdout, reason = "prints what it measured")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use parking_lot::Mutex;
use ringfence_benches::rule::guest;
use ringfence_benches::{median, start, table};
use ringfence_engine::{
    BreakerConfig, Clock, Engine, EngineConfig, EventDone, NewActivation, Observer, Order,
    SystemClock, TenantChange,
};
use ringfence_model::{
    Ancestry, Event, EventId, Json, LimitOverrides, Lineage, Mode, RuleName, TenantId,
};
use ringfence_processes::{Program, Workers, WorkersConfig};
use ringfence_sandbox::{CompileHere, Sandbox, SandboxConfig};
use ringfence_store::Sqlite;

const SECONDS: u64 = 3;
/// Small events in a second.
const RATE: u64 = 200;
const WORKERS: usize = 2;
const LARGE: usize = 4;
/// What a large run takes, in microseconds of CPU time.
const LARGE_US: u64 = 20_000;
/// Large events that wait at the beginning, of each tenant: more than can be
/// done meanwhile.
const BACKLOG_PER_SECOND: u64 = 60;

/// Small events at once, and how often, to see what the express lane costs.
const BURST: u64 = 10_000;
const ROUNDS: usize = 3;
const SMALL: &str = "conversation.created";
const URGENT: &str = r#"{"priority": "urgent"}"#;

/// Takes down how long small events took, in microseconds.
struct Seen {
    small: TenantId,
    times: Mutex<Vec<u64>>,
    /// Large ones that are done.
    large: Mutex<u64>,
}

impl Observer for Seen {
    fn done(&self, event: &EventDone<'_>) {
        if *event.tenant == self.small {
            let took = event.durable_us.saturating_sub(event.accepted_us);
            self.times.lock().push(took);
        } else {
            *self.large.lock() += 1;
        }
    }
}

#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    order: Order,
    express_lanes: usize,
    large: usize,
}

impl Kind {
    const fn beside(name: &'static str, order: Order, express_lanes: usize) -> Self {
        Self {
            name,
            order,
            express_lanes,
            large: LARGE,
        }
    }
}

const KINDS: [Kind; 5] = [
    Kind {
        large: 0,
        ..Kind::beside("alone", Order::Fair, 1)
    },
    Kind::beside("first come first served", Order::Fifo, 0),
    Kind::beside("start-time fair queueing", Order::StartTime, 0),
    Kind::beside("and spread over workers", Order::Fair, 0),
    Kind::beside("and an express lane", Order::Fair, 1),
];

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(SECONDS), |text| text.parse())?;
    let rate = arguments.next().map_or(Ok(RATE), |text| text.parse())?;
    ensure!(seconds > 0 && rate > 0, "there must be a second and events");
    let only: Option<usize> = arguments.next().map(|text| text.parse()).transpose()?;
    let mut rows = Vec::new();
    let mut alone = None;
    for (number, kind) in KINDS.into_iter().enumerate() {
        if only.is_some_and(|only| only != number) {
            continue;
        }
        let (mut times, large) = measure(kind, seconds, rate).await?;
        times.sort_unstable();
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize] as f64 / 1e3;
        let (half, most) = (at(0.5), at(0.99));
        let (alone_half, alone_most) = *alone.get_or_insert((half, most));
        rows.push(vec![
            kind.name.to_owned(),
            format!("{half:.2}"),
            format!("{most:.2}"),
            format!("{:.2}", at(0.999)),
            format!("{:.1}", half / alone_half),
            format!("{:.1}", most / alone_most),
            format!("{:.0}", large as f64 / seconds as f64),
        ]);
    }
    let head = [
        "ms, small beside large",
        "p50",
        "p99",
        "p99.9",
        "p50 / alone",
        "p99 / alone",
        "large/s",
    ];
    table(&head, &rows);
    if only.is_some() {
        return Ok(());
    }
    let mut done = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (express_lanes, done) in done.iter_mut().enumerate() {
            done.push(burst(express_lanes).await?);
        }
    }
    let [without, with] = done.map(|mut done| median(&mut done));
    println!(
        "{BURST} small events at once: {without:.0}/s without an express lane, {with:.0}/s with"
    );
    Ok(())
}

/// How many of many small events are done in a second, with nothing beside
/// them.
async fn burst(express_lanes: usize) -> Result<f64> {
    let kind = Kind {
        express_lanes,
        ..KINDS[0]
    };
    let folder = tempfile::tempdir()?;
    let (mut host, _, small) = Host::start(folder.path(), kind).await?;
    let begun = start();
    for _ in 0..BURST / 500 {
        host.send(&small, SMALL, URGENT, 500).await?;
    }
    host.quiet().await;
    let took = begun.elapsed().as_secs_f64();
    host.engine.drain().await;
    Ok(BURST as f64 / took)
}

/// How long small events took, in microseconds, and how many large ones were
/// done meanwhile.
async fn measure(kind: Kind, seconds: u64, rate: u64) -> Result<(Vec<u64>, u64)> {
    let folder = tempfile::tempdir()?;
    let (mut host, seen, small) = Host::start(folder.path(), kind).await?;
    let mut large = Vec::new();
    for index in 0..kind.large {
        let tenant: TenantId = format!("large-{index}").parse()?;
        host.set_up(&tenant, "use-up").await?;
        large.push(tenant);
    }
    if let Some(tenant) = large.first() {
        let turns = host.turns(tenant).await?;
        let backlog = (seconds + 1) * BACKLOG_PER_SECOND;
        for tenant in &large {
            let data = format!(r#"{{"turns": {turns}}}"#);
            host.send(tenant, "limits.use", &data, backlog).await?;
        }
        // Until they are under way, and it is known what they cost.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    seen.times.lock().clear();
    let done = *seen.large.lock();
    host.steadily(&small, seconds, rate).await?;
    let done = *seen.large.lock() - done;
    let count = (seconds * rate) as usize;
    while seen.times.lock().len() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    host.engine.drain().await;
    let times = std::mem::take(&mut *seen.times.lock());
    Ok((times, done))
}

struct Host {
    engine: Engine,
    clock: Arc<dyn Clock>,
    sent: u64,
}

impl Host {
    /// With a tenant that has small runs, of which some were made.
    async fn start(folder: &Path, kind: Kind) -> Result<(Self, Arc<Seen>, TenantId)> {
        let small: TenantId = "small".parse()?;
        let seen = Arc::new(Seen {
            small: small.clone(),
            times: Mutex::default(),
            large: Mutex::default(),
        });
        let engine = engine(folder, kind, Arc::clone(&seen)).await?;
        let mut host = Self {
            clock: Arc::clone(engine.clock()),
            engine,
            sent: 0,
        };
        host.set_up(&small, "escalate-urgent").await?;
        host.send(&small, SMALL, URGENT, 400).await?;
        host.quiet().await;
        Ok((host, seen, small))
    }

    async fn set_up(&self, tenant: &TenantId, name: &str) -> Result<()> {
        let limits = LimitOverrides {
            fuel: Some(400_000_000),
            cascade_fuel: Some(1_000_000_000),
            deadline_ms: Some(2_000),
            events_per_second: Some(1_000_000),
            events_burst: Some(1_000_000),
            ..LimitOverrides::default()
        };
        let change = TenantChange {
            limits: Some(limits),
            ..TenantChange::default()
        };
        self.engine.put_tenant(tenant, change).await?;
        let rule: RuleName = name.parse()?;
        let component = Bytes::from(guest(name)?);
        let place = self.engine.upload_place(tenant, component.len() as u64)?;
        let (version, _) = self.engine.upload(tenant, &rule, component, place).await?;
        let new = NewActivation {
            version: version.version,
            config: Json::empty_object(),
            mode: Mode::Enforce,
            percent: 100,
            limits: LimitOverrides::default(),
            loops: None,
        };
        self.engine.activate(tenant, &rule, new).await?;
        Ok(())
    }

    fn event(&mut self, tenant: &TenantId, ty: &str, data: &str, at_us: u64) -> Result<Event> {
        self.sent += 1;
        let number = self.sent.to_string();
        let id = EventId::root(tenant, "/bench", &number);
        Ok(Event {
            id,
            tenant: tenant.clone(),
            ce_id: number,
            source: "/bench".into(),
            ty: ty.to_owned(),
            subject: None,
            time: "2026-01-01T00:00:00Z".into(),
            data: Json::parse(data)?,
            accepted_us: at_us,
            lineage: Lineage::root(id),
            ancestry: Ancestry::default(),
        })
    }

    async fn send(&mut self, tenant: &TenantId, ty: &str, data: &str, count: u64) -> Result<()> {
        let now_us = self.clock.now_us();
        let events: Result<Vec<Event>> = (0..count)
            .map(|_| self.event(tenant, ty, data, now_us))
            .collect();
        self.engine.accept(tenant, events?).await?;
        Ok(())
    }

    /// Waits until nothing waits.
    async fn quiet(&self) {
        while self.engine.stats().waiting > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Turns of a loop that take as long as a large run is to take.
    async fn turns(&mut self, tenant: &TenantId) -> Result<u64> {
        const TURNS: u64 = 1_000_000;
        let data = format!(r#"{{"turns": {TURNS}}}"#);
        let mut took = u64::MAX;
        for _ in 0..5 {
            let now_us = self.clock.now_us();
            let event = self.event(tenant, "limits.use", &data, now_us)?;
            let place = self.engine.evaluation_place(tenant)?;
            let evaluated = self.engine.evaluate(place, event).await?;
            let part = evaluated.first().context("a rule wants the event")?;
            ensure!(part.outcome.is_ok(), "the rule was stopped");
            took = took.min(part.usage.cpu_us.max(1));
        }
        Ok(TURNS * LARGE_US / took)
    }

    /// Sends events one by one, each when its time has come, whatever happened
    /// to those before.
    async fn steadily(&mut self, tenant: &TenantId, seconds: u64, rate: u64) -> Result<()> {
        let begun_us = self.clock.now_us();
        let mut sending = tokio::task::JoinSet::new();
        for number in 0..seconds * rate {
            let at_us = begun_us + number * 1_000_000 / rate;
            let wait_us = at_us.saturating_sub(self.clock.now_us());
            tokio::time::sleep(Duration::from_micros(wait_us)).await;
            let event = self.event(tenant, SMALL, URGENT, at_us)?;
            let (engine, tenant) = (self.engine.clone(), tenant.clone());
            sending.spawn(async move { engine.accept(&tenant, vec![event]).await.map(drop) });
        }
        while let Some(sent) = sending.join_next().await {
            sent??;
        }
        Ok(())
    }
}

async fn engine(folder: &Path, kind: Kind, seen: Arc<Seen>) -> Result<Engine> {
    let binary = std::env::var_os("RINGFENCE_BIN").context("RINGFENCE_BIN is not set")?;
    let store = Arc::new(Sqlite::open(folder.join("ringfence.db"))?);
    let config = SandboxConfig {
        concurrent_runs: 8,
        memory_bytes_max: 32 << 20,
        cache_bytes: 64 << 20,
        artifact_bytes: 64 << 20,
        tenant_data: None,
        reserve_growth: true,
        artifact_key: [7; 32],
    };
    let settings = WorkersConfig::new(config.memory_bytes_max, config.cache_bytes);
    let workers = Workers::start(Program::at(PathBuf::from(binary)), settings)?;
    let workers = Arc::new(workers);
    let compiler = Arc::new(CompileHere::new(&config)?);
    let sandbox = Sandbox::without_code(config, None, compiler, workers.clone())?;
    let config = EngineConfig {
        workers: WORKERS,
        order: kind.order,
        express_lanes: kind.express_lanes,
        quarantine: BreakerConfig {
            runs: None,
            ..BreakerConfig::default()
        },
        ..EngineConfig::default()
    };
    let clock = Arc::new(SystemClock::start());
    let engine = Engine::start_with(store, sandbox, workers, clock, seen, config);
    Ok(engine.await?)
}
