//! Runs in worker processes beside runs on threads: what the channel costs a
//! run, and what separate processes bring where guests grow their memory; and
//! how long it takes to replace a worker that was killed.
//!
//! Both kinds are measured in rounds that take turns, first with one lane and
//! then with two; what is printed are medians over the rounds, of the time that
//! one lane takes for one run: by the clock on the wall, and of CPU, which other
//! work on the machine disturbs less. That of a worker counts with its lane's.
//!
//! `workers [ROUNDS]`; the workers are the binary that `RINGFENCE_BIN` names,
//! and guests are looked for in `RINGFENCE_GUESTS`, else in `target/guests`.

#![allow(clippy::print_stdout, reason = "prints what it measured")]

use std::path::PathBuf;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ringfence_benches::rule::{Rule, Times, config, guest, time};
use ringfence_benches::{median, start, table};
use ringfence_model::Limits;
use ringfence_processes::{Program, Workers, WorkersConfig};
use ringfence_sandbox::{
    CompileHere, Progress, RunError, RunReport, Runner, Runners as _, Sandbox, SandboxConfig,
    Threads,
};
use rustix::process::{Pid, Signal, kill_process};

/// Runs handed over together, as the engine does where runs are cheap and
/// there are many of them; and where there are few.
const BATCH: usize = 32;
const ALONE: usize = 1;
/// Runs of one kind before the other kind has its turn, on each lane.
const RUNS_PER_ROUND: usize = 512;
const ROUNDS: usize = 60;
const KILLS: usize = 20;

/// Guests: with the SDK's allocator, which does not grow; with std's, whose
/// growth is served from reserved pages; and the same as it was written, which
/// grows by system calls in each run.
const GUESTS: [(&str, bool, usize); 4] = [
    ("escalate-urgent", true, BATCH),
    ("escalate-urgent", true, ALONE),
    ("without-sdk", true, BATCH),
    ("without-sdk", false, BATCH),
];

fn main() -> Result<()> {
    let rounds = std::env::args().nth(1);
    let rounds = rounds.map_or(Ok(ROUNDS), |text| text.parse())?;
    ensure!(rounds > 0, "there must be a round");
    let mut rows = Vec::new();
    for (name, reserve_growth, batch) in GUESTS {
        let bench = Bench::new(&guest(name)?, reserve_growth, batch)?;
        for lanes in [1, 2] {
            let measured = bench.measure(lanes, rounds)?;
            let grows = if reserve_growth { "" } else { " (grows)" };
            let alone = if batch == ALONE {
                " (batches of 1)"
            } else {
                ""
            };
            for (clock, [threads, processes]) in ["wall", "cpu"].into_iter().zip(measured) {
                rows.push(vec![
                    format!("{name}{grows}{alone}, {lanes}, {clock}"),
                    format!("{threads:.2}"),
                    format!("{processes:.2}"),
                    format!("{:+.2}", processes - threads),
                    format!("{:.2}", threads / processes),
                ]);
            }
        }
    }
    let head = [
        "us per run, lanes",
        "threads",
        "processes",
        "added",
        "ratio",
    ];
    table(&head, &rows);
    let mut replaced = replacements()?;
    let worst = replaced.iter().copied().fold(0.0, f64::max);
    println!(
        "a killed worker is replaced, and the run made, in {:.1} ms (worst of {KILLS}: {worst:.1})",
        median(&mut replaced)
    );
    Ok(())
}

struct Bench {
    threads: Rule,
    processes: Rule,
    in_threads: Threads,
    workers: Arc<Workers>,
    batch: usize,
}

impl Bench {
    fn new(component: &[u8], reserve_growth: bool, batch: usize) -> Result<Self> {
        let config = SandboxConfig {
            reserve_growth,
            ..config()
        };
        let workers = workers(&config)?;
        let compiler = Arc::new(CompileHere::new(&config)?);
        let apart = Sandbox::without_code(config.clone(), None, compiler, workers.clone())?;
        let here = Sandbox::new(config, None)?;
        Ok(Self {
            threads: Rule::within(&here, component, Limits::default())?,
            processes: Rule::within(&apart, component, Limits::default())?,
            in_threads: Threads(here),
            workers,
            batch,
        })
    }

    /// Medians of both kinds by each clock, in microseconds.
    fn measure(&self, lanes: usize, rounds: usize) -> Result<[[f64; 2]; 2]> {
        let mut runners = Vec::new();
        for _ in 0..lanes {
            let before = children()?;
            let runner = self.workers.runner()?;
            let worker = children()?.into_iter().find(|id| !before.contains(id));
            runners.push((runner, worker.context("a lane has a worker")?));
        }
        let barrier = Barrier::new(lanes);
        let all = thread::scope(|scope| {
            let lanes: Vec<_> = runners
                .into_iter()
                .map(|(runner, worker)| {
                    let barrier = &barrier;
                    scope.spawn(move || self.rounds(runner, worker, rounds, barrier))
                })
                .collect();
            let joined = lanes.into_iter().map(thread::ScopedJoinHandle::join);
            joined
                .flat_map(|rounds| rounds.expect("a measuring thread panicked"))
                .collect::<Vec<_>>()
        });
        let runs = RUNS_PER_ROUND as f64;
        let clock = |clock: fn(&Times) -> Duration| {
            [0, 1].map(|kind| {
                let times = all.iter().map(|round| clock(&round[kind]).as_secs_f64());
                let mut times: Vec<_> = times.map(|time| time * 1e6 / runs).collect();
                median(&mut times)
            })
        };
        Ok([clock(|times| times.wall), clock(|times| times.cpu)])
    }

    /// The first round warms up and does not count.
    fn rounds(
        &self,
        mut lane: Box<dyn Runner>,
        worker: i32,
        rounds: usize,
        barrier: &Barrier,
    ) -> Vec<[Times; 2]> {
        let mut threads = self.in_threads.runner().expect("this process has threads");
        let mut round = || {
            let in_threads = batches(barrier, &mut *threads, &self.threads, self.batch);
            let before = cpu_of(worker);
            let mut in_process = batches(barrier, &mut *lane, &self.processes, self.batch);
            in_process.cpu += cpu_of(worker) - before;
            [in_threads, in_process]
        };
        round();
        (0..rounds).map(|_| round()).collect()
    }
}

fn batches(barrier: &Barrier, runner: &mut dyn Runner, rule: &Rule, batch: usize) -> Times {
    let tasks: Vec<_> = (0..batch).map(|_| rule.task()).collect();
    let batches = u32::try_from(RUNS_PER_ROUND / batch).expect("a round is short");
    barrier.wait();
    time(batches, || {
        runner.run(&tasks, &mut MustWork);
        batch
    })
}

/// CPU time of a process's first thread.
fn cpu_of(process: i32) -> Duration {
    let times = std::fs::read_to_string(format!("/proc/{process}/schedstat"));
    let times = times.expect("the worker lives");
    let nanos = times
        .split_whitespace()
        .next()
        .and_then(|ns| ns.parse().ok());
    Duration::from_nanos(nanos.expect("the kernel tells CPU times"))
}

/// A bench of runs that fail measures nothing.
struct MustWork;

impl Progress for MustWork {
    fn ended(&mut self, _index: usize, result: Result<RunReport, RunError>) {
        let effects = result.expect("the run took place").outcome;
        assert_eq!(effects.expect("the run was not stopped").len(), 1);
    }

    fn is_wanted(&mut self, _index: usize) -> bool {
        true
    }
}

fn workers(config: &SandboxConfig) -> Result<Arc<Workers>> {
    let binary = std::env::var_os("RINGFENCE_BIN").context("RINGFENCE_BIN is not set")?;
    let settings = WorkersConfig {
        reserve_growth: config.reserve_growth,
        ..WorkersConfig::new(config.memory_bytes_max, config.cache_bytes)
    };
    let workers = Workers::start(Program::at(PathBuf::from(binary)), settings)?;
    Ok(Arc::new(workers))
}

/// How long it takes from a kill to the end of the next run, in milliseconds.
fn replacements() -> Result<Vec<f64>> {
    let bench = Bench::new(&guest("escalate-urgent")?, true, ALONE)?;
    let tasks = [bench.processes.task()];
    let others = children()?;
    let mut lane = bench.workers.runner()?;
    let mut times = Vec::new();
    for _ in 0..KILLS {
        lane.run(&tasks, &mut MustWork);
        for worker in children()? {
            if !others.contains(&worker) {
                let worker = Pid::from_raw(worker).context("a process has an id")?;
                kill_process(worker, Signal::KILL)?;
            }
        }
        let began = start();
        lane.run(&tasks, &mut MustWork);
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

fn children() -> Result<Vec<i32>> {
    let own = format!("\nPPid:\t{}\n", std::process::id());
    let mut children = Vec::new();
    for process in std::fs::read_dir("/proc")?.flatten() {
        let status = std::fs::read_to_string(process.path().join("status"));
        if status.is_ok_and(|status| status.contains(&own))
            && let Some(id) = process.file_name().to_str().and_then(|id| id.parse().ok())
        {
            children.push(id);
        }
    }
    Ok(children)
}
