//! What a decision of the scheduler costs, against the number of tenants: one
//! piece of work is added, taken, run and released.
//!
//! In `backlogged`, every tenant has work waiting all the time, so that every
//! decision is one among all of them. In `idle`, hardly any tenant has: work
//! comes at random for one of them and is soon taken, so that every decision
//! is about a tenant whose state is in no near cache. `subjects` is the same
//! with work that has a subject. Printed is the best of the rounds, for what
//! else the machine does only ever adds; `--json` has the medians beside it.
//!
//! `schedule [--json] [--rounds N] [--tenants N]`

#![allow(clippy::print_stdout, reason = "prints what it measured")]

use std::collections::VecDeque;

use anyhow::{Context as _, ensure};
use ringfence_benches::options::Options;
use ringfence_benches::{median, start, table};
use ringfence_governor::{Dispatch, Lane, Needs, Scheduler, Share};
use ringfence_model::TenantId;
use serde_json::json;

const TENANTS: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
const ROUNDS: usize = 5;
/// Decisions in one round.
const DECISIONS: usize = 100_000;
/// Runs under way: those of some workers, and what waits for the disk.
const UNDER_WAY: usize = 16;
/// Work of a backlogged tenant that waits.
const BACKLOG: usize = 4;
/// Who take turns to take work.
const WORKERS: u32 = 8;
/// Subjects of a tenant.
const SUBJECTS: [&str; 4] = ["contact-1", "contact-2", "contact-3", "contact-4"];

/// Who has work waiting, and whether it has a subject.
#[derive(Debug, Clone, Copy)]
struct Case {
    name: &'static str,
    is_backlogged: bool,
    has_subjects: bool,
}

const CASES: [Case; 4] = [
    case("backlogged", true, false),
    case("backlogged, subjects", true, true),
    case("idle", false, false),
    case("idle, subjects", false, true),
];

const fn case(name: &'static str, is_backlogged: bool, has_subjects: bool) -> Case {
    Case {
        name,
        is_backlogged,
        has_subjects,
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse(ROUNDS, "--tenants")?;
    let sizes = match &options.name {
        Some(text) => vec![text.parse().context("`--tenants` is a number")?],
        None => TENANTS.to_vec(),
    };
    let mut rows = Vec::new();
    let mut figures = Vec::new();
    for tenants in sizes {
        ensure!(tenants > 0, "there must be a tenant");
        let mut row = vec![tenants.to_string()];
        for case in CASES {
            let mut ns = measure(case, tenants, options.rounds)?;
            let best = ns.iter().copied().fold(f64::INFINITY, f64::min);
            row.push(format!("{best:.0}"));
            figures.push(json!({
                "case": case.name, "tenants": tenants, "best_ns": best, "median_ns": median(&mut ns),
            }));
        }
        rows.push(row);
    }
    if options.json {
        println!("{}", json!({ "decisions": figures }));
        return Ok(());
    }
    let head: Vec<&str> = ["ns, tenants"]
        .into_iter()
        .chain(CASES.iter().map(|case| case.name))
        .collect();
    table(&head, &rows);
    Ok(())
}

/// Nanoseconds per decision, of each round.
fn measure(case: Case, tenants: usize, rounds: usize) -> anyhow::Result<Vec<f64>> {
    let mut bench = Bench::new(case, tenants)?;
    let mut figures = Vec::with_capacity(rounds);
    for round in 0..=rounds {
        let begun = start();
        for _ in 0..DECISIONS {
            bench.decide()?;
        }
        // The first round warms up.
        if round > 0 {
            figures.push(begun.elapsed().as_secs_f64() * 1e9 / DECISIONS as f64);
        }
    }
    Ok(figures)
}

struct Bench {
    case: Case,
    scheduler: Scheduler<u32>,
    tenants: Vec<TenantId>,
    under_way: VecDeque<Dispatch<u32>>,
    now_us: u64,
    worker: u32,
    random: u64,
}

impl Bench {
    fn new(case: Case, tenants: usize) -> anyhow::Result<Self> {
        let names = (0..tenants).map(|at| format!("tenant-{at}").parse());
        let mut bench = Self {
            case,
            scheduler: Scheduler::default(),
            tenants: names.collect::<Result<_, _>>()?,
            under_way: VecDeque::with_capacity(UNDER_WAY),
            now_us: 1_000_000_000_000_000,
            worker: 0,
            random: 0x9e37_79b9_7f4a_7c15,
        };
        for (at, tenant) in bench.tenants.iter().enumerate() {
            let share = Share {
                weight: 1 + at as u64 % 4,
                concurrent: 4,
                memory: u64::MAX,
                unreleased: 64,
            };
            bench.scheduler.set_share(tenant, share);
        }
        if case.is_backlogged {
            for _ in 0..BACKLOG {
                for at in 0..tenants as u32 {
                    bench.push(at)?;
                }
            }
        }
        for _ in 0..UNDER_WAY {
            if bench.under_way.len() < UNDER_WAY {
                bench.begin()?;
            }
        }
        Ok(bench)
    }

    /// One piece of work comes, one is taken, and one is over.
    fn decide(&mut self) -> anyhow::Result<()> {
        self.now_us += 1;
        self.begin()?;
        let mut over = self.under_way.pop_front().context("none is under way")?;
        // What runs of a tenant cost differs, and is expected about right.
        let fuel = (30_000 + self.random() % 20_000) << (over.item % 6);
        self.scheduler.ran(&mut over.ticket, fuel, 0);
        self.scheduler.release(over.ticket, None, self.now_us);
        if self.case.is_backlogged {
            self.push(over.item)?;
        }
        Ok(())
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        if !self.case.is_backlogged {
            let tenant = self.random() % self.tenants.len() as u64;
            self.push(tenant as u32)?;
        }
        // With few tenants, all may have as many runs at once as they may.
        while let Some(next) = self.take() {
            self.under_way.push_back(next);
            if self.under_way.len() >= UNDER_WAY {
                break;
            }
        }
        Ok(())
    }

    /// As a worker takes a batch of one.
    fn take(&mut self) -> Option<Dispatch<u32>> {
        self.worker = (self.worker + 1) % WORKERS;
        let mut batch = self.scheduler.begin_batch(Lane::Worker {
            index: self.worker,
            of: WORKERS,
        });
        self.scheduler.dispatch_into(&mut batch, |at| Needs {
            memory: 1 << 20,
            expected: Some(40_000 << (at % 6)),
            wanted: true,
        })
    }

    fn push(&mut self, at: u32) -> anyhow::Result<()> {
        let subject = SUBJECTS[self.random() as usize % SUBJECTS.len()];
        let subject = self.case.has_subjects.then_some(subject);
        let tenant = &self.tenants[at as usize];
        let pushed = self.scheduler.push_at(tenant, subject, 0, self.now_us, at);
        ensure!(pushed.is_ok(), "there is no such tenant");
        Ok(())
    }

    /// xorshift64 (Marsaglia, 2003).
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
