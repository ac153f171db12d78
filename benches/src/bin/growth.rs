//! What it brings to serve `memory.grow` from reserved pages: runs of an
//! ordinary Rust guest, whose allocator grows the memory in each, with growth
//! rewritten and without. Beside it a guest whose runs do not grow, which must
//! not get slower.
//!
//! Both are measured in rounds that take turns, first on one thread, then on
//! two; what is printed are medians over the rounds: wall-clock time, and CPU
//! time of the running threads.
//!
//! `growth [ROUNDS [GUEST...]]`

#![allow(clippy::print_stdout, reason = "prints what it measured")]

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use anyhow::ensure;
use ringfence_benches::rule::{Rule, Times, config, guest, time};
use ringfence_benches::{median, table};
use ringfence_sandbox::SandboxConfig;

/// Runs of one kind before the other kind has its turn, on each thread.
const RUNS_PER_ROUND: u32 = 500;
const ROUNDS: usize = 60;

/// The ordinary one, and the one with the SDK's allocator.
const GUESTS: [&str; 2] = ["without-sdk", "escalate-urgent"];

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().map_or(Ok(ROUNDS), |text| text.parse())?;
    ensure!(rounds > 0, "there must be a round");
    let mut guests: Vec<String> = arguments.collect();
    if guests.is_empty() {
        guests = GUESTS.map(String::from).into();
    }
    let mut rows = Vec::new();
    for name in guests {
        let bench = Bench::new(&guest(&name)?)?;
        for threads in [1, 2] {
            let measured = bench.measure(threads, rounds);
            for (clock, times) in [
                ("wall", pair(&measured, |times| times.wall)),
                ("cpu", pair(&measured, |times| times.cpu)),
            ] {
                let [before, after] = times;
                rows.push(vec![
                    format!("{name}, {threads} threads, {clock}"),
                    format!("{before:.2}"),
                    format!("{after:.2}"),
                    format!("{:.2}", before / after),
                ]);
            }
        }
    }
    table(&["us per run", "as it was", "rewritten", "ratio"], &rows);
    Ok(())
}

struct Bench {
    before: Rule,
    after: Rule,
}

/// How long one round of each kind took.
type Round = [Times; 2];

impl Bench {
    fn new(component: &[u8]) -> anyhow::Result<Self> {
        let before = SandboxConfig {
            reserve_growth: false,
            ..config()
        };
        let bench = Self {
            before: Rule::new(before, component)?,
            after: Rule::new(config(), component)?,
        };
        // Both must do the work before it is measured.
        bench.before.run()?;
        bench.after.run()?;
        Ok(bench)
    }

    fn measure(&self, threads: usize, rounds: usize) -> Vec<Round> {
        let barrier = Barrier::new(threads);
        thread::scope(|scope| {
            let handles: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| self.rounds(rounds, &barrier)))
                .collect();
            let joined = handles.into_iter().map(thread::ScopedJoinHandle::join);
            joined
                .flat_map(|rounds| rounds.expect("a measuring thread panicked"))
                .collect()
        })
    }

    /// The first round warms up and does not count.
    fn rounds(&self, rounds: usize, barrier: &Barrier) -> Vec<Round> {
        let round = || {
            [&self.before, &self.after].map(|rule| {
                barrier.wait();
                time(RUNS_PER_ROUND, || {
                    rule.run().expect("it was checked before")
                })
            })
        };
        round();
        (0..rounds).map(|_| round()).collect()
    }
}

/// Medians before and after, in microseconds that one thread takes for one
/// run.
fn pair(rounds: &[Round], clock: impl Fn(&Times) -> Duration) -> [f64; 2] {
    [0, 1].map(|kind| {
        let times = rounds.iter().map(|round| clock(&round[kind]).as_secs_f64());
        let mut times: Vec<_> = times
            .map(|time| time * 1e6 / f64::from(RUNS_PER_ROUND))
            .collect();
        median(&mut times)
    })
}
