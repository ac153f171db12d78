//! What cascades cost the governor, for each execution: the ledger, the
//! fingerprint and the search among ancestors, the breaker; and the memory of
//! an open cascade. Beside it what a commit of the store costs is in `ingest`.
//!
//! `cascades [ROUNDS]`

#![allow(clippy::print_stdout, reason = "prints what it measured")]

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use ringfence_benches::{median, start, table};
use ringfence_governor::{BreakerConfig, Breakers, Cascades, Sign, revisit};
use ringfence_model::{
    Ancestry, CascadeId, Effect, Event, EventId, Execution, ExecutionId, Json, Ledger, Limits,
    Lineage, Log, Mode, NewEvent, RuleName, Status, TenantId, Usage, VersionId,
};

const ROUNDS: usize = 40;
/// Executions of one kind before the next kind has its turn.
const RUNS: usize = 20_000;
/// Cascades that are open while executions are counted.
const OPEN: usize = 10_000;
/// Cascades opened to see what one takes.
const WEIGHED: usize = 1_000_000;
/// Ancestors at the default depth, and as many as are kept.
const DEPTHS: [usize; 2] = [32, 1_024];
/// Of an event's data, about a kilobyte.
const MEMBERS: usize = 40;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().map_or(Ok(ROUNDS), |text| text.parse())?;
    ensure!(rounds > 0, "there must be a round");
    let mut bench = Bench::new()?;
    let kinds: [(&str, Measure); 6] = [
        ("ledger: admitted, ran, one follow-up", Bench::ledger),
        ("fingerprint of a run, 1 KB of data", Bench::fingerprint),
        ("search among 32 ancestors", |b| b.search(DEPTHS[0])),
        ("search among 1,024 ancestors", |b| b.search(DEPTHS[1])),
        ("one more ancestor, of 32", Bench::extend),
        ("breaker: a run that was fine", Bench::breaker),
    ];
    let mut figures = vec![Vec::with_capacity(rounds); kinds.len()];
    for round in 0..=rounds {
        for ((_, measure), figures) in kinds.iter().zip(&mut figures) {
            let figure = measure(&mut bench);
            // The first round warms up.
            if round > 0 {
                figures.push(figure);
            }
        }
    }
    let row = |((name, _), figures): (&(&str, _), &mut Vec<f64>)| {
        vec![(*name).to_owned(), format!("{:.0}", median(figures))]
    };
    let rows: Vec<_> = kinds.iter().zip(&mut figures).map(row).collect();
    table(&["ns", "median"], &rows);
    println!("an open cascade takes {} bytes", weigh(&bench.tenant)?);
    Ok(())
}

/// Nanoseconds for one of a kind.
type Measure = fn(&mut Bench) -> f64;

struct Bench {
    tenant: TenantId,
    rule: RuleName,
    version: VersionId,
    limits: Limits,
    cascades: Cascades,
    open: Vec<CascadeId>,
    run: Execution,
    event: Event,
    ancestries: [Ancestry; 2],
    breakers: Breakers,
    now_us: u64,
}

impl Bench {
    fn new() -> anyhow::Result<Self> {
        let tenant: TenantId = "acme".parse()?;
        let rule: RuleName = "tag-vip".parse()?;
        let mut cascades = Cascades::default();
        let open: Vec<CascadeId> = (0..OPEN).map(|n| id(&tenant, n)).collect();
        for cascade in &open {
            cascades.enter(&tenant, *cascade, Ledger::default());
        }
        let limits = Limits {
            cascade_executions: u64::MAX,
            cascade_fuel: u64::MAX,
            cascade_events: u64::MAX,
            cascade_bytes: u64::MAX,
            ..Limits::default()
        };
        let event = event(&tenant);
        let of = |depth: usize| (0..depth as u32).fold(Ancestry::default(), |all, n| all.with(n));
        Ok(Self {
            run: run(&event, &rule),
            version: VersionId::of(b"v"),
            rule,
            limits,
            cascades,
            open,
            event,
            ancestries: DEPTHS.map(of),
            breakers: Breakers::new(BreakerConfig::default()),
            now_us: 1_000_000_000_000_000,
            tenant,
        })
    }

    fn each(&mut self, mut one: impl FnMut(&mut Self, usize)) -> f64 {
        let begun = start();
        for at in 0..RUNS {
            one(self, at);
        }
        nanos(begun.elapsed()) / RUNS as f64
    }

    fn ledger(&mut self) -> f64 {
        self.each(|bench, at| {
            let (tenant, cascade) = (&bench.tenant, bench.open[at % OPEN]);
            let cascades = &mut bench.cascades;
            black_box(cascades.admit(tenant, cascade, None, &bench.limits));
            cascades.used(tenant, cascade, 40_000);
            black_box(cascades.follow_up(tenant, cascade, 1, 1_000, &bench.limits));
        })
    }

    fn fingerprint(&mut self) -> f64 {
        self.each(|bench, _| {
            black_box(revisit::fingerprint(&bench.run, &bench.event, &[]));
        })
    }

    fn search(&mut self, depth: usize) -> f64 {
        self.each(|bench, at| {
            let ancestry = &bench.ancestries[usize::from(depth > DEPTHS[0])];
            let fingerprint = u32::MAX - at as u32;
            black_box(ancestry.distances(black_box(fingerprint)).next());
        })
    }

    fn extend(&mut self) -> f64 {
        self.each(|bench, at| {
            black_box(bench.ancestries[0].with(at as u32));
        })
    }

    fn breaker(&mut self) -> f64 {
        self.each(|bench, _| {
            bench.now_us += 50;
            let (tenant, rule, version) = (&bench.tenant, &bench.rule, bench.version);
            let breakers = &mut bench.breakers;
            black_box(breakers.ran(tenant, rule, version, Sign::Fine, bench.now_us));
        })
    }
}

fn id(tenant: &TenantId, number: usize) -> EventId {
    EventId::root(tenant, "/bench", &number.to_string())
}

fn event(tenant: &TenantId) -> Event {
    let members: Vec<String> = (0..MEMBERS)
        .map(|n| format!("\"member-{n}\":\"value {n}\""))
        .collect();
    let id = id(tenant, 0);
    Event {
        id,
        tenant: tenant.clone(),
        ce_id: "0".into(),
        source: "/bench".into(),
        ty: "conversation.updated".into(),
        subject: Some("c-1".into()),
        time: String::new(),
        data: Json::trusted(format!("{{{}}}", members.join(","))),
        accepted_us: 0,
        lineage: Lineage::root(id),
        ancestry: Ancestry::default(),
    }
}

fn run(event: &Event, rule: &RuleName) -> Execution {
    let version = VersionId::of(b"v");
    let emit = Effect::Emit(NewEvent {
        ty: event.ty.clone(),
        subject: None,
        data: Json::null(),
    });
    Execution {
        id: ExecutionId::of(event, rule, version),
        tenant: event.tenant.clone(),
        rule: rule.clone(),
        version,
        event: event.id,
        lineage: event.lineage,
        mode: Mode::Enforce,
        status: Status::Ok,
        stop: None,
        usage: Usage::default(),
        limits: None,
        near_limits: Vec::new(),
        started_us: 0,
        config: Json::empty_object(),
        effects: vec![emit],
        recalled: Vec::new(),
        asked_now: false,
        asked_random: false,
        log: Log::default(),
        fingerprint: 0,
        cycle: Vec::new(),
    }
}

/// What an open cascade takes, by what the process has in memory, in bytes.
fn weigh(tenant: &TenantId) -> anyhow::Result<u64> {
    let ids: Vec<CascadeId> = (0..WEIGHED).map(|n| id(tenant, n)).collect();
    let before = resident()?;
    let mut cascades = Cascades::default();
    for id in &ids {
        cascades.enter(tenant, *id, Ledger::default());
    }
    let taken = resident()?.saturating_sub(before);
    black_box(&cascades);
    Ok(taken / WEIGHED as u64)
}

/// Resident memory of this process, in bytes.
fn resident() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let line = line.context("/proc/self/status has no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

fn nanos(time: Duration) -> f64 {
    time.as_nanos() as f64
}
