//! `ringfence demo`: a server, eight tenants, a storm in three of them.
//!
//! Everything is real: a server on a loopback port with a database on disk,
//! and customers who use its HTTP API.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ringfence_engine::{Clock, SystemClock};

use crate::config::RunIn;
use crate::console;
use crate::error::Verdict;
use crate::host;

mod api;
mod guests;
mod progress;
mod recorder;
mod report;
mod sender;
mod server;
mod stream;
mod tally;
mod tenants;

use guests::Guests;
use recorder::Recorder;
use report::Report;
use sender::Sender;
use server::Server;
use tenants::{Customer, TENANTS};

/// Of the stream's time, how much is before the storm: three sevenths.
const BEFORE: (u64, u64) = (3, 7);

/// Starts a server, gives eight tenants the example rules, sends a stream of
/// support-desk events, and switches on a storm in three tenants. Ends with
/// what each tenant saw, and what became of every accepted event.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Prints one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// How long the stream lasts, in seconds.
    #[arg(long, value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u64).range(4..=600))]
    seconds: u64,
    /// Events per second of each tenant.
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u64).range(1..=500))]
    rate: u64,
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

pub(crate) fn demo(args: &DemoArgs) -> Result<Verdict> {
    let guests = Guests::find(args.guests.as_deref())?;
    let runtime = host::runtime()?;
    let report = runtime.block_on(async {
        tokio::select! {
            report = show(args, &guests) => report,
            // What the demonstration keeps on disk goes with its future.
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })?;
    if args.json {
        console::print_json(&report)?;
    } else {
        console::print(report.text())?;
    }
    Ok(Verdict::fine_if(report.lost == 0))
}

async fn show(args: &DemoArgs, guests: &Guests) -> Result<Report> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let recorder = Arc::new(Recorder::new(TENANTS.iter().map(|tenant| tenant.name))?);
    let server = Server::start(guests, clock.clone(), recorder.clone(), args.run_in).await?;
    console::say(format_args!("a server listens on {}", server.url()));

    let mut customers = Vec::new();
    for tenant in &TENANTS {
        customers.push(Arc::new(Customer::sign_up(&server, tenant, guests).await?));
    }
    console::say(format_args!(
        "{} tenants have signed up and activated the example rules",
        customers.len()
    ));

    let before_s = args.seconds * BEFORE.0 / BEFORE.1;
    let storm_s = args.seconds - before_s;
    let sender = Sender::start(&customers, args.rate, before_s, storm_s, args.seed, &clock);
    progress::watch("calm", before_s, &recorder, &sender).await;
    for customer in &customers {
        customer.switch_on_storm().await?;
    }
    let storm_us = clock.now_us();
    console::say(tenants::storm_notice());
    progress::watch("storm", storm_s, &recorder, &sender).await;

    let sent = sender.finish().await.context("the stream was cut off")?;
    tally::settle(&customers).await?;
    let tallies = tally::ask(&customers, &sent).await?;
    server.stop().await?;
    Ok(Report::new(
        report::Timing {
            before_s,
            storm_s,
            storm_us,
        },
        &recorder,
        tallies,
    ))
}

/// A moment's pause.
async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
