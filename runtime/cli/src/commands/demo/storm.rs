//! `--scenario storm`: eight tenants, and a storm in three of them.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use ringfence_engine::{Clock, SystemClock};

use super::guests::Guests;
use super::recorder::Recorder;
use super::report::{self, Report};
use super::sender::Sender;
use super::server::Server;
use super::tenants::{self, Customer, TENANTS};
use super::{DemoArgs, progress, tally};
use crate::console;

/// How long the stream lasts where it is not said, in seconds.
const SECONDS: u64 = 14;
/// Events per second of each tenant where it is not said.
const RATE: u64 = 25;

/// The rules that it needs.
pub(super) fn rules() -> impl Iterator<Item = &'static str> {
    let rules = TENANTS
        .iter()
        .flat_map(|tenant| tenant.rules.iter().chain(tenant.storm));
    rules.copied()
}

/// Lets it happen.
pub(super) async fn show(args: &DemoArgs, guests: &Guests) -> Result<Report> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let recorder = Arc::new(Recorder::new(TENANTS.iter().map(|tenant| tenant.name))?);
    let server =
        Server::start(guests, clock.clone(), recorder.clone(), args.run_in, |_| {}).await?;
    console::say(format_args!("a server listens on {}", server.url()));

    let mut customers = Vec::new();
    for tenant in &TENANTS {
        customers.push(Arc::new(Customer::sign_up(&server, tenant, guests).await?));
    }
    console::say(format_args!(
        "{} tenants have signed up and activated the example rules",
        customers.len()
    ));

    let (before_s, storm_s) = args.phases(SECONDS);
    let rate = args.rate.unwrap_or(RATE);
    let sender = Sender::start(&customers, rate, before_s, storm_s, args.seed, &clock);
    progress::watch("calm", before_s, &recorder, &sender).await;
    for customer in &customers {
        customer.switch_on_storm().await?;
    }
    let storm_us = clock.now_us();
    console::say(tenants::storm_notice());
    progress::watch("storm", storm_s, &recorder, &sender).await;

    let sent = sender.finish().await.context("the stream was cut off")?;
    let parked = tally::settle(&customers).await?;
    let tallies = tally::ask(&customers, &sent, &parked).await?;
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
