//! The hostile corpus, measured: how each attack ends and after how long; what
//! a calm rule beside the attackers notices; how far beyond its deadline an
//! attack can get; and what is left in memory after a hundred thousand of them.
//!
//! `hostile [corpus|calm|overrun|memory]`, all by default; `hostile catalogue`
//! prints the first as `docs/hostile.md` has it. Uploads are compiled
//! by the binary that `RINGFENCE_BIN` names, and the calm rule is looked for in
//! `RINGFENCE_GUESTS`, else in `target/guests`.

#![allow(clippy::print_stdout, reason = "prints what it measured")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use ringfence_benches::{start, table};
use ringfence_hostile::{Attack, Calm, Stage, built, corpus};
use ringfence_model::Limits;
use ringfence_sandbox::Prepared;

/// Runs of each attack, of which the middle one counts.
const RUNS: usize = 5;
/// Turns of the calm rule on each thread.
const TURNS: usize = 20_000;
/// Runs of each attack against its deadline, of which the longest counts.
const OVERRUNS: usize = 20;
/// The deadline that they are run against.
const DEADLINE_MS: u64 = 20;
/// Hostile runs after which memory is looked at.
const FEW: usize = 1_000;
const MANY: usize = 100_000;

/// An attack that was accepted, and can be run.
type Ready = (Attack, Prepared);

fn main() -> Result<()> {
    let only = std::env::args().nth(1);
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    let stage = Stage::new(2);
    let (mut rows, ready) = upload(&stage);
    if wanted("corpus") || wanted("catalogue") {
        run(&stage, &mut rows, &ready);
    }
    if only.as_deref() == Some("catalogue") {
        print_catalogue(&rows);
    } else if wanted("corpus") {
        print_corpus(&rows);
    }
    if wanted("calm") {
        print_calm(&stage, &ready)?;
    }
    if wanted("overrun") {
        print_overrun(&stage, &ready);
    }
    if wanted("memory") {
        print_memory(&stage, &ready)?;
    }
    Ok(())
}

/// An attack, measured.
struct Row {
    name: String,
    deed: String,
    end: String,
    upload: Duration,
    /// How long a run took, and the fuel that it was charged.
    run: Option<(Duration, u64)>,
}

/// Uploads all attacks.
fn upload(stage: &Stage) -> (Vec<Row>, Vec<Ready>) {
    let (mut rows, mut ready) = (Vec::new(), Vec::new());
    for attack in corpus() {
        let began = start();
        let uploaded = stage.upload(&attack.upload, &attack.limits);
        let upload = began.elapsed();
        if let Err(fault) = attack.judge_upload(&uploaded) {
            println!("{}: {fault}", attack.name);
        }
        rows.push(Row {
            name: attack.name.clone(),
            deed: attack.deed.clone(),
            end: attack.end.to_string(),
            upload,
            run: None,
        });
        ready.extend(uploaded.ok().map(|prepared| (attack, prepared)));
    }
    (rows, ready)
}

/// Runs those that can be run.
fn run(stage: &Stage, rows: &mut [Row], ready: &[Ready]) {
    let mut ready = ready.iter().peekable();
    for row in rows {
        let Some((attack, prepared)) = ready.next_if(|(attack, _)| attack.name == row.name) else {
            continue;
        };
        let run = |_| {
            let began = start();
            let report = stage.attack(attack, prepared);
            let took = began.elapsed();
            if let Err(fault) = attack.judge_run(&report) {
                println!("{}: {fault}", attack.name);
            }
            (took, report.usage.fuel)
        };
        let mut runs: Vec<_> = (0..RUNS).map(run).collect();
        runs.sort_unstable();
        row.run = Some(runs[RUNS / 2]);
    }
}

fn print_corpus(rows: &[Row]) {
    let line = |row: &Row| {
        let (took, fuel) = row.run.map_or(("-".into(), "-".into()), |(took, fuel)| {
            (micros(took), fuel.to_string())
        });
        let (name, end) = (row.name.clone(), row.end.clone());
        vec![name, end, micros(row.upload), took, fuel]
    };
    let lines: Vec<_> = rows.iter().map(line).collect();
    table(&["attack", "ends", "upload us", "run us", "fuel"], &lines);
    println!();
}

/// For what is refused, how long that took.
fn print_catalogue(rows: &[Row]) {
    println!("| attack | what it does | ends | us |\n|---|---|---|---|");
    for row in rows {
        let took = row.run.map_or(row.upload, |(took, _)| took);
        let (name, deed, end) = (&row.name, &row.deed, &row.end);
        println!("| `{name}` | {deed} | {end} | {} |", micros(took));
    }
}

/// The calm rule on both cores: alone, and taking turns with attackers.
fn print_calm(stage: &Stage, ready: &[Ready]) -> Result<()> {
    let calm = stage.calm();
    let neighbours = neighbours(stage)?;
    let mut lines = Vec::new();
    for (name, attackers) in [
        ("alone", &[][..]),
        ("beside rules that behave", &neighbours),
        ("beside the corpus", ready),
    ] {
        // Twice: what comes first is not at a disadvantage.
        turns(stage, &calm, attackers, TURNS / 10)?;
        let mut times = turns(stage, &calm, attackers, TURNS)?;
        times.sort_unstable();
        let at = |part: usize| micros(times[(times.len() - 1) * part / 1000]);
        lines.push(vec![name.into(), at(500), at(990), at(999), at(1000)]);
    }
    let head = ["calm rule, us", "p50", "p99", "p99.9", "longest"];
    table(&head, &lines);
    println!();
    Ok(())
}

/// Rules that behave, for comparison: whoever runs beside it, the calm rule
/// finds the processor's caches full of others' bytes.
fn neighbours(stage: &Stage) -> Result<Vec<Ready>> {
    let names = [
        "assign-by-skill",
        "countdown",
        "fan-out",
        "label-issue",
        "ping",
        "sla-breach",
        "tag-sync",
        "three-strikes",
    ];
    let template = corpus().swap_remove(0);
    let ready = |name: &str| {
        let attack = Attack {
            name: name.into(),
            upload: built(name),
            limits: Limits::default(),
            ..template.clone()
        };
        let prepared = stage.upload(&attack.upload, &attack.limits);
        let prepared = prepared.with_context(|| format!("{name} is not a rule"))?;
        Ok((attack, prepared))
    };
    names.into_iter().map(ready).collect()
}

/// Turns of the calm rule on two threads, each after a run of another.
fn turns(stage: &Stage, calm: &Calm, ready: &[Ready], turns: usize) -> Result<Vec<Duration>> {
    let thread = |number: usize| {
        let mut times = Vec::with_capacity(turns);
        for turn in 0..turns {
            if !ready.is_empty() {
                // The two are half the corpus apart.
                let at = turn + number * ready.len() / 2;
                brief(stage, &ready[at % ready.len()]);
            }
            let began = start();
            if let Err(fault) = calm.turn(stage, turn) {
                bail!("the calm rule: {fault}");
            }
            times.push(began.elapsed());
        }
        Ok(times)
    };
    let times: Result<Vec<Vec<_>>> = thread::scope(|scope| {
        let threads = [0, 1].map(|number| scope.spawn(move || thread(number)));
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .map(|times| times.expect("a thread panicked"))
            .collect()
    });
    Ok(times?.concat())
}

/// An attack with little fuel, so that many fit into a measurement.
fn brief(stage: &Stage, (attack, prepared): &Ready) {
    let limits = Limits {
        fuel: 100_000,
        deadline_ms: DEADLINE_MS,
        ..attack.limits.clone()
    };
    let attack = Attack {
        limits,
        ..attack.clone()
    };
    std::hint::black_box(stage.attack(&attack, prepared));
}

/// Each attack with more fuel than there is time for.
fn print_overrun(stage: &Stage, ready: &[Ready]) {
    let deadline = Duration::from_millis(DEADLINE_MS);
    let mut over = Vec::new();
    for (attack, prepared) in ready {
        let mut attack = attack.clone();
        attack.limits.fuel = 10_000_000_000;
        attack.limits.deadline_ms = DEADLINE_MS;
        let run = || {
            let began = start();
            std::hint::black_box(stage.attack(&attack, prepared));
            began.elapsed()
        };
        let mut times: Vec<_> = (0..OVERRUNS).map(|_| run()).collect();
        times.sort_unstable();
        let beyond = |time: Duration| time.saturating_sub(deadline);
        let (middle, longest) = (times[OVERRUNS / 2], times[OVERRUNS - 1]);
        if longest > deadline {
            over.push((beyond(longest), beyond(middle), attack.name));
        }
    }
    over.sort_unstable();
    let ran = over.len();
    let lines = over.into_iter().rev().take(15);
    let lines = lines.map(|(longest, middle, name)| vec![name, micros(middle), micros(longest)]);
    let lines: Vec<_> = lines.collect();
    table(&["beyond the deadline, us", "median", "longest"], &lines);
    println!("({ran} attacks ran into a deadline of {DEADLINE_MS} ms; the worst are shown)\n");
}

/// The process's memory after few hostile runs, and after many.
fn print_memory(stage: &Stage, ready: &[Ready]) -> Result<()> {
    let run_until = |from: usize, count: usize| {
        let done = AtomicUsize::new(from);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        let turn = done.fetch_add(1, Ordering::Relaxed);
                        if turn >= count {
                            break;
                        }
                        brief(stage, &ready[turn % ready.len()]);
                    }
                });
            }
        });
    };
    run_until(0, FEW);
    let few = resident()?;
    run_until(FEW, MANY);
    let many = resident()?;
    let line = |runs: usize, bytes: u64| {
        vec![
            runs.to_string(),
            format!("{:.1}", bytes as f64 / f64::from(1 << 20)),
        ]
    };
    table(
        &["hostile runs", "resident MiB"],
        &[line(FEW, few), line(MANY, many)],
    );
    Ok(())
}

fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.context("no VmRSS")?.parse::<u64>()? * 1024)
}

fn micros(time: Duration) -> String {
    format!("{:.0}", time.as_secs_f64() * 1e6)
}
