//! The neighbour promise, measured: what calm tenants notice of hostile ones.
//!
//! Twenty calm tenants send events at half of what the host can do, as many
//! independent senders would: when each is sent is decided beforehand, and its
//! time runs from then, whoever is late. Beside them, after some seconds, twenty
//! hostile tenants attack, in each case with something else, and in the last
//! with all of it. The server is the real binary with its worker processes, on a
//! loopback port, with a database on disk, fresh for each case.
//!
//! `neighbours [--order fair,fifo] [--case NAME,..] [--seconds N] [--rate N]
//! [--seed N] [--quarantine] [--config FILE] [--json FILE]`. The binary is what
//! `RINGFENCE_BIN` names; guests are looked for in `RINGFENCE_GUESTS`, else in
//! `target/guests`. What it measures and how: `docs/neighbours.md`.

#![allow(clippy::print_stdout)] // a bench's report is its output

mod attacks;
mod calm;
mod case;
mod figures;
mod host;
mod http;
mod journal;
mod options;
mod pace;
mod report;
mod watch;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use ringfence_engine::SystemClock;

use options::Options;
use report::Run;

/// How long the host's capacity is measured, in seconds.
const CAPACITY_S: f64 = 4.0;
/// The part of it that calm tenants use.
const LOAD: f64 = 0.5;

fn main() -> Result<ExitCode> {
    let options = Options::parse(std::env::args().skip(1))?;
    let clock = SystemClock::start();
    let (rate, capacity) = match options.rate {
        Some(rate) => (rate, None),
        None => {
            let capacity = case::capacity(&options, CAPACITY_S, &clock)?;
            println!("the host carries {capacity:.0} calm events a second to their end");
            (capacity * LOAD, Some(capacity))
        }
    };
    println!("calm tenants send {rate:.0} a second");
    let mut runs: Vec<Run> = Vec::new();
    for &order in &options.orders {
        let mut run = Run {
            order,
            outcomes: Vec::new(),
        };
        for case in options.cases(order) {
            let outcome = case::run(&options, order, &case, rate, &clock);
            let outcome = outcome.with_context(|| format!("case {}", case.name))?;
            let kept = if outcome.is_kept() {
                "kept"
            } else {
                "not kept"
            };
            println!("{}, {}: {kept}", order.name(), case.name);
            run.outcomes.push(outcome);
        }
        println!("\norder: {}", order.name());
        report::print_calm(&run);
        println!();
        report::print_stages(&run);
        println!();
        report::print_storm(&run);
        println!();
        runs.push(run);
    }
    report::print_orders(&runs);
    if let Some(path) = &options.json {
        let json = report::json(&options, rate, capacity, &runs);
        std::fs::write(path, format!("{json:#}\n"))?;
    }
    // What is slow is a figure; what is lost, or dead, is a fault.
    let outcomes = || runs.iter().flat_map(|run| &run.outcomes);
    let whole = outcomes().all(|outcome| outcome.lost == 0 && !outcome.server_ended);
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
