//! `--scenario feedback-loop`: two rules of one tenant undo each other through
//! the host application, without protection and with it.
//!
//! Each run is a process of its own with a server of its own, so that none has
//! the memory of the one before.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::DemoArgs;
use super::guests::Guests;
use crate::console;

mod api;
mod cast;
mod conversation;
mod desk;
mod ending;
mod memory;
mod people;
mod protection;
mod report;
mod run;
mod text;
mod watch;

pub(super) use cast::rules;
use protection::Protection;
pub(super) use protection::Protections;
pub(super) use report::Report;

/// How long the stream lasts where it is not said, in seconds.
const SECONDS: u64 = 16;
/// Events per second of each tenant where it is not said.
const RATE: u64 = 5;

/// Lets it happen once for each protection.
pub(super) async fn show(args: &DemoArgs, guests: &Guests) -> Result<Report> {
    if let [protection] = args.protection.each() {
        let run = run::run(args, *protection, guests).await?;
        return Ok(Report { runs: vec![run] });
    }
    let mut runs = Vec::new();
    for protection in args.protection.each() {
        let mut command = again(args, *protection);
        let output = tokio::task::spawn_blocking(move || command.output()).await?;
        let output = output.context("this program cannot be started a second time")?;
        ensure!(
            !output.stdout.is_empty(),
            "the run with protection {protection} ended early ({})",
            output.status
        );
        let report: Report = serde_json::from_slice(&output.stdout)
            .context("what the run said is not understood")?;
        runs.extend(report.runs);
    }
    Ok(Report { runs })
}

/// This command, for one protection.
fn again(args: &DemoArgs, protection: Protection) -> Command {
    let mut command = Command::new(Path::new("/proc/self/exe"));
    command.args(["demo", "--scenario", "feedback-loop", "--json"]);
    command.args(["--protection", protection.name()]);
    let numbers = [
        ("--tenants", Some(args.tenants)),
        ("--seconds", args.seconds),
        ("--rate", args.rate),
        ("--seed", Some(args.seed)),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            command.args([name, &number.to_string()]);
        }
    }
    if let Some(run_in) = args.run_in {
        command.args(["--run-in", run_in.name()]);
    }
    if let Some(guests) = &args.guests {
        command.arg("--guests").arg(guests);
    }
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    command
}

/// What is going on, for people.
fn say(text: impl std::fmt::Display) {
    console::say(text);
}
