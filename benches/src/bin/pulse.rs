//! What it costs to count what runs set off: for each run that becomes
//! durable, and for each look at the counts. Beside it what else the governor
//! does for a run.
//!
//! Tenants take turns, so that their counts are not all in the nearest cache.
//!
//! `pulse [ROUNDS [TENANTS]]`

#![allow(clippy::print_stdout, reason = "prints what it measured")]

use std::hint::black_box;
use std::time::Duration;

use anyhow::ensure;
use ringfence_benches::{median, start, table};
use ringfence_governor::{Costs, Pulse, PulseConfig, Scheduler, Share};
use ringfence_model::{RuleName, TenantId};

const ROUNDS: usize = 40;
const TENANTS: usize = 1_000;
/// Counts of one kind before the next kind has its turn.
const COUNTS: usize = 20_000;
/// Rules of a tenant in force.
const RULES: usize = 8;
/// Time between two runs.
const STEP_US: u64 = 50;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().map_or(Ok(ROUNDS), |text| text.parse())?;
    let tenants = arguments.next().map_or(Ok(TENANTS), |text| text.parse())?;
    ensure!(
        rounds > 0 && tenants > 0,
        "there must be a round and a tenant"
    );
    let mut bench = Bench::new(tenants)?;
    let kinds: [(&str, Measure); 6] = [
        ("a run that sets off nothing", Bench::calm),
        ("a run that sets off one", Bench::one),
        ("a run that sets off four rules by one event", Bench::four),
        ("a look, per tenant with news", Bench::look),
        ("beside it: what the run cost (Costs::ran)", Bench::costs),
        ("beside it: queued, dispatched, released", Bench::scheduled),
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
    Ok(())
}

/// Nanoseconds for one of a kind.
type Measure = fn(&mut Bench) -> f64;

struct Bench {
    tenants: Vec<TenantId>,
    rules: Vec<RuleName>,
    pulse: Pulse,
    costs: Costs,
    scheduler: Scheduler<u64>,
    now_us: u64,
}

impl Bench {
    fn new(tenants: usize) -> anyhow::Result<Self> {
        let tenants: Vec<TenantId> = (0..tenants)
            .map(|at| format!("tenant-{at}").parse())
            .collect::<Result<_, _>>()?;
        let mut scheduler = Scheduler::default();
        for tenant in &tenants {
            let share = Share {
                weight: 1,
                concurrent: 4,
                memory: u64::MAX,
                unreleased: 64,
            };
            scheduler.set_share(tenant, share);
        }
        let rules = (0..RULES).map(|at| format!("rule-{at}").parse());
        Ok(Self {
            tenants,
            rules: rules.collect::<Result<_, _>>()?,
            pulse: Pulse::new(PulseConfig::default()),
            costs: Costs::default(),
            scheduler,
            now_us: 1_000_000_000_000_000,
        })
    }

    /// Nanoseconds for each of many.
    fn each(&mut self, mut count: impl FnMut(&mut Self, usize, usize)) -> f64 {
        let begun = start();
        for at in 0..COUNTS {
            self.now_us += STEP_US;
            count(self, at % self.tenants.len(), at % RULES);
        }
        nanos(begun.elapsed()) / COUNTS as f64
    }

    fn calm(&mut self) -> f64 {
        self.each(|bench, tenant, rule| {
            let (tenant, rule) = (&bench.tenants[tenant], &bench.rules[rule]);
            bench.pulse.ran(tenant, rule, bench.now_us);
        })
    }

    fn one(&mut self) -> f64 {
        self.caused(1)
    }

    fn four(&mut self) -> f64 {
        self.caused(4)
    }

    fn caused(&mut self, rules: usize) -> f64 {
        self.each(|bench, tenant, rule| {
            let (tenant, rule, now_us) = (&bench.tenants[tenant], &bench.rules[rule], bench.now_us);
            bench.pulse.ran(tenant, rule, now_us);
            let caused = &bench.rules[..rules];
            bench
                .pulse
                .caused(tenant, rule, "record.updated", caused, now_us, now_us);
        })
    }

    /// All tenants have news, and eight rules of which each sets off four.
    fn look(&mut self) -> f64 {
        let begun = start();
        black_box(self.pulse.look(self.now_us));
        nanos(begun.elapsed()) / self.tenants.len() as f64
    }

    fn costs(&mut self) -> f64 {
        self.each(|bench, tenant, rule| {
            let (tenant, rule) = (&bench.tenants[tenant], &bench.rules[rule]);
            bench.costs.ran(tenant, rule, 40_000);
        })
    }

    fn scheduled(&mut self) -> f64 {
        self.each(|bench, tenant, _| {
            let pushed = bench.scheduler.push(&bench.tenants[tenant], None, 1);
            if pushed.is_ok()
                && let Some(mut next) = bench.scheduler.dispatch(|_| 0)
            {
                bench.scheduler.ran(&mut next.ticket, 40_000, 0);
                bench.scheduler.release(next.ticket, None, 0);
            }
        })
    }
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}
