//! What became of every event, asked through the API.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use tokio::task::JoinSet;

use super::api::State;
use super::quarantine;
use super::sender::Sent;
use super::tenants::{Customer, Tenant};
use crate::console::{self, Grouped};

/// Pages of dead letters that are read, of each tenant.
const PAGES_MAX: usize = 400;

/// What became of one customer's events.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) tenant: &'static Tenant,
    /// Acknowledged events.
    pub(super) accepted: u64,
    /// Refused events, by the problem's code.
    pub(super) refused: BTreeMap<String, u64>,
    pub(super) done: u64,
    pub(super) waiting: u64,
    pub(super) dead_lettered: u64,
    pub(super) lost: u64,
    /// Events that slept in quarantine until they were discarded, follow-up
    /// events' included. They are in the dead letters now.
    pub(super) parked: u64,
    /// Dead letters by the stop's code, follow-up events' included.
    pub(super) stops: BTreeMap<String, u64>,
}

/// Waits for what waits, for some time, and then ends what sleeps in
/// quarantine; answers how much that is, tenant by tenant.
pub(super) async fn settle(customers: &[Arc<Customer>]) -> Result<BTreeMap<&'static str, u64>> {
    let tenants: Vec<_> = customers
        .iter()
        .map(|customer| (&customer.api, customer.tenant.storm))
        .collect();
    quarantine::settle(&tenants).await?;
    let mut parked = BTreeMap::new();
    for customer in customers {
        let Tenant { name, storm, .. } = customer.tenant;
        for (rule, events) in customer.api.discard_all_parked(storm).await? {
            console::say(format_args!(
                "{} events of {name} that slept for {rule}, which is in quarantine, are discarded",
                Grouped(events)
            ));
            *parked.entry(*name).or_default() += events;
        }
    }
    quarantine::settle(&tenants).await?;
    Ok(parked)
}

/// Asks for each acknowledged event, and for the dead letters; one customer
/// beside the other.
pub(super) async fn ask(
    customers: &[Arc<Customer>],
    sent: &BTreeMap<&'static str, Sent>,
    parked: &BTreeMap<&'static str, u64>,
) -> Result<Vec<Tally>> {
    console::say("asking the server for every event that it acknowledged");
    let mut questions = JoinSet::new();
    for (index, customer) in customers.iter().enumerate() {
        let Some(sent) = sent.get(customer.tenant.name) else {
            continue;
        };
        let (ids, refused) = (sent.ids.clone(), sent.refused.clone());
        let customer = customer.clone();
        questions.spawn(async move { Ok((index, ask_one(customer, ids, refused).await?)) });
    }
    let mut tallies = BTreeMap::new();
    while let Some(answered) = questions.join_next().await {
        let answered: Result<(usize, Tally)> = answered?;
        let (index, mut tally) = answered?;
        tally.parked = parked.get(tally.tenant.name).copied().unwrap_or_default();
        tallies.insert(index, tally);
    }
    Ok(tallies.into_values().collect())
}

async fn ask_one(
    customer: Arc<Customer>,
    ids: Vec<String>,
    refused: BTreeMap<String, u64>,
) -> Result<Tally> {
    let mut tally = Tally {
        tenant: customer.tenant,
        accepted: ids.len() as u64,
        refused,
        done: 0,
        waiting: 0,
        dead_lettered: 0,
        lost: 0,
        parked: 0,
        stops: BTreeMap::new(),
    };
    for id in ids {
        match customer.api.state(&id).await? {
            Some(State::Done) => tally.done += 1,
            Some(State::Waiting) => tally.waiting += 1,
            Some(State::DeadLettered) => tally.dead_lettered += 1,
            None => tally.lost += 1,
        }
    }
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let page = customer.api.dead_letters(cursor.as_deref()).await?;
        for letter in page.items {
            *tally.stops.entry(letter.stop.code).or_default() += 1;
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(tally)
}
