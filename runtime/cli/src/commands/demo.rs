//! `ringfence demo`: a server on this machine, its tenants, and what goes
//! wrong in some of them.
//!
//! Everything is real: a server on a loopback port with a database on disk,
//! and customers who use its HTTP API.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::config::RunIn;
use crate::console;
use crate::error::Verdict;
use crate::host;

mod api;
mod guests;
mod incident;
mod progress;
mod quarantine;
mod recorder;
mod report;
mod sender;
mod server;
mod storm;
mod stream;
mod tally;
mod tenants;

use guests::Guests;
use incident::Protections;

/// Of the stream's time, how much is before it comes: three sevenths.
const BEFORE: (u64, u64) = (3, 7);

/// Starts a server, gives its tenants the example rules, sends a stream of
/// support-desk events, and lets something go wrong. Ends with what the tenants
/// saw, and what became of every accepted event.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// What goes wrong.
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Scenario::Storm)]
    scenario: Scenario,
    /// Of `feedback-loop`: with which protection, in turn; `all`, or some of
    /// `off`, `on`, `inferred` and `unlinked` with commas between.
    #[arg(long, value_name = "LIST", default_value = "off,on")]
    protection: Protections,
    /// Of `feedback-loop`: how many tenants, of which one loops.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(2..=200))]
    tenants: u64,
    /// Prints one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// How long the stream lasts, in seconds [default: 14; `feedback-loop`: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(4..=600))]
    seconds: Option<u64>,
    /// Events per second of each tenant [default: 25; `feedback-loop`: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=500))]
    rate: Option<u64>,
    /// Decides which events are sent.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where rules run [default: processes]
    #[arg(long, value_name = "WHERE", env = "RINGFENCE_RUN_IN")]
    run_in: Option<RunIn>,
    /// The folder with the example rules, built [default: target/guests]
    #[arg(long, value_name = "DIR", env = "RINGFENCE_GUESTS")]
    guests: Option<PathBuf>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Rules run away in three of eight tenants
    Storm,
    /// Two rules of one of 50 tenants undo each other through the host
    /// application, without protection and with it
    FeedbackLoop,
}

pub(crate) fn demo(args: &DemoArgs) -> Result<Verdict> {
    match args.scenario {
        Scenario::Storm => {
            let guests = Guests::find(args.guests.as_deref(), storm::rules())?;
            let report = interruptible(storm::show(args, &guests))?;
            if args.json {
                console::print_json(&report)?;
            } else {
                console::print(report.text())?;
            }
            Ok(Verdict::fine_if(report.lost == 0))
        }
        Scenario::FeedbackLoop => {
            let guests = Guests::find(args.guests.as_deref(), incident::rules())?;
            let report = interruptible(incident::show(args, &guests))?;
            if args.json {
                console::print_json(&report)?;
            } else {
                console::print(report.text())?;
            }
            Ok(Verdict::fine_if(report.lost() == 0))
        }
    }
}

fn interruptible<T>(show: impl Future<Output = Result<T>>) -> Result<T> {
    host::runtime()?.block_on(async {
        tokio::select! {
            report = show => report,
            // What the demonstration keeps on disk goes with its future.
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })
}

impl DemoArgs {
    /// How long before it comes, and from then on, in seconds.
    fn phases(&self, default_s: u64) -> (u64, u64) {
        let seconds = self.seconds.unwrap_or(default_s);
        let before_s = seconds * BEFORE.0 / BEFORE.1;
        (before_s, seconds - before_s)
    }
}

/// A moment's pause.
async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
