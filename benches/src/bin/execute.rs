//! A fresh-instance run of `escalate-urgent` on a 400-byte event through
//! `Sandbox::run`, beside a bare wasmtime loop: same component, same engine
//! settings, fresh store, generated bindings, and nothing checked.
//!
//! Both are measured in rounds that take turns, first on one thread, then on
//! two; what is printed are medians over the rounds: wall-clock time, and CPU
//! time of the running threads, which other work on the machine disturbs less.
//!
//! `execute [--json] [--rounds N] [--guest NAME]`; guests are looked for in
//! the folder that `RINGFENCE_GUESTS` names, else in `target/guests`.

#![allow(clippy::print_stdout, reason = "prints what it measured")]

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use ringfence_benches::options::Options;
use ringfence_benches::rule::{Rule, Times, config, guest, time};
use serde_json::json;

/// Runs of one kind before the other kind has its turn, on each thread.
const RUNS_PER_ROUND: u32 = 500;
const ROUNDS: usize = 60;

fn main() -> anyhow::Result<()> {
    let options = Options::parse(ROUNDS, "--guest")?;
    let bench = Bench::new(&guest(
        options.name.as_deref().unwrap_or("escalate-urgent"),
    )?)?;
    bench.check()?;
    let one = bench.measure(1, options.rounds);
    let two = bench.measure(2, options.rounds);
    if options.json {
        println!(
            "{}",
            json!({"one_thread": one.json(), "two_threads": two.json()})
        );
        return Ok(());
    }
    println!(
        "{:<12} {:<5} {:>10} {:>14} {:>6}",
        "us/run", "", "sandbox", "bare wasmtime", "ratio"
    );
    for (name, result) in [("one thread", &one), ("two threads", &two)] {
        for (clock, pair) in [("wall", result.wall), ("cpu", result.cpu)] {
            let ratio = pair.ratio();
            println!(
                "{name:<12} {clock:<5} {:>10.2} {:>14.2} {ratio:>6.2}",
                pair.sandbox_us, pair.bare_us
            );
        }
    }
    let gain = |one: Pair, two: Pair| {
        let gain = |one: f64, two: f64| 2.0 * one / two;
        let (sandbox, bare) = (
            gain(one.sandbox_us, two.sandbox_us),
            gain(one.bare_us, two.bare_us),
        );
        format!("{sandbox:.2} times the runs of one (bare wasmtime: {bare:.2})")
    };
    println!("two threads do {}", gain(one.wall, two.wall));
    println!("by CPU time, {}", gain(one.cpu, two.cpu));
    Ok(())
}

/// Medians of one clock, in microseconds that one thread takes for one run.
#[derive(Clone, Copy)]
struct Pair {
    sandbox_us: f64,
    bare_us: f64,
}

struct Measured {
    wall: Pair,
    cpu: Pair,
}

impl Pair {
    fn of(rounds: &[Round], clock: impl Fn(&Times) -> Duration) -> Self {
        Self {
            sandbox_us: median(rounds.iter().map(|round| clock(&round.sandbox))),
            bare_us: median(rounds.iter().map(|round| clock(&round.bare))),
        }
    }

    fn ratio(self) -> f64 {
        self.sandbox_us / self.bare_us
    }

    fn json(self) -> serde_json::Value {
        json!({"sandbox_us": self.sandbox_us, "bare_us": self.bare_us, "ratio": self.ratio()})
    }
}

impl Measured {
    fn json(&self) -> serde_json::Value {
        json!({"wall": self.wall.json(), "cpu": self.cpu.json()})
    }
}

/// How long one round of each kind took.
struct Round {
    sandbox: Times,
    bare: Times,
}

struct Bench {
    rule: Rule,
    bare: bare::Bare,
}

impl Bench {
    fn new(guest: &[u8]) -> anyhow::Result<Self> {
        let config = config();
        let bare = bare::Bare::new(&ringfence_sandbox::engine_config(&config), guest)
            .map_err(|error| anyhow!("{error:#}"))?;
        let rule = Rule::new(config, guest)?;
        Ok(Self { rule, bare })
    }

    /// Both must do the work before it is measured.
    fn check(&self) -> anyhow::Result<()> {
        let effects = self.rule.run()?;
        ensure!(effects == 1, "the sandbox's run returned {effects} effects");
        let effects = self.run_bare().map_err(|error| anyhow!("{error:#}"))?;
        ensure!(effects == 1, "the bare run returned {effects} effects");
        Ok(())
    }

    fn run_bare(&self) -> wasmtime::Result<usize> {
        self.bare.run(&self.rule.event, self.rule.config.as_str())
    }

    fn measure(&self, threads: usize, rounds: usize) -> Measured {
        let barrier = Barrier::new(threads);
        let all = thread::scope(|scope| {
            let handles: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| self.rounds(rounds, &barrier)))
                .collect();
            let joined = handles.into_iter().map(thread::ScopedJoinHandle::join);
            joined
                .flat_map(|rounds| rounds.expect("a measuring thread panicked"))
                .collect::<Vec<_>>()
        });
        Measured {
            wall: Pair::of(&all, |times| times.wall),
            cpu: Pair::of(&all, |times| times.cpu),
        }
    }

    /// The first round warms up and does not count.
    fn rounds(&self, rounds: usize, barrier: &Barrier) -> Vec<Round> {
        let round = || {
            barrier.wait();
            let sandbox = time(RUNS_PER_ROUND, || {
                self.rule.run().expect("it was checked before")
            });
            barrier.wait();
            let bare = time(RUNS_PER_ROUND, || {
                self.run_bare().expect("it was checked before")
            });
            Round { sandbox, bare }
        };
        round();
        (0..rounds).map(|_| round()).collect()
    }
}

/// In microseconds per run.
fn median(rounds: impl Iterator<Item = Duration>) -> f64 {
    let mut times: Vec<_> = rounds.collect();
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6 / f64::from(RUNS_PER_ROUND)
}

/// What one would write with wasmtime alone.
mod bare {
    use ringfence_model::Event;
    use wasmtime::component::{Component, HasSelf, Linker};
    use wasmtime::{Config, Engine, Store};

    #[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
    mod generated {
        wasmtime::component::bindgen!({ path: "../wit" });
    }

    use generated::ringfence::rule::{host, types};

    struct Host;

    impl types::Host for Host {}

    impl host::Host for Host {
        fn log(&mut self, _level: host::Level, _message: String) {}

        fn recall(&mut self, _key: String) -> Option<String> {
            None
        }

        fn now(&mut self) -> u64 {
            0
        }

        fn random(&mut self) -> u32 {
            0
        }
    }

    pub(super) struct Bare {
        engine: Engine,
        pre: generated::RulePre<Host>,
    }

    impl Bare {
        pub(super) fn new(config: &Config, component: &[u8]) -> wasmtime::Result<Self> {
            let engine = Engine::new(config)?;
            let component = Component::new(&engine, component)?;
            let mut linker = Linker::new(&engine);
            generated::Rule::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
            let pre = generated::RulePre::new(linker.instantiate_pre(&component)?)?;
            Ok(Self { engine, pre })
        }

        /// One run; how many effects it returned.
        pub(super) fn run(&self, event: &Event, config: &str) -> wasmtime::Result<usize> {
            let mut store = Store::new(&self.engine, Host);
            store.set_fuel(10_000_000)?;
            store.set_epoch_deadline(1);
            let rule = self.pre.instantiate(&mut store)?;
            let event = types::Event {
                id: event.ce_id.clone(),
                source: event.source.clone(),
                type_: event.ty.clone(),
                subject: event.subject.clone(),
                time: event.time.clone(),
                data: event.data.as_str().to_owned(),
            };
            let invocation = types::Invocation {
                tenant: "acme".to_owned(),
                rule: "escalate-urgent".to_owned(),
                config: config.to_owned(),
                depth: 0,
            };
            let result = rule.call_handle(&mut store, &event, &invocation)?;
            result
                .map(|effects| effects.len())
                .map_err(|failure| wasmtime::format_err!("{failure:?}"))
        }
    }
}
