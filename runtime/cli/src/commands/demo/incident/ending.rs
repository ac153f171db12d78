//! What was stopped, what sleeps, and what became of every event.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::super::api::State;
use super::super::quarantine;
use super::api::EventCounts;
use super::cast::{Member, PAIR};
use super::desk::{Desk, Sent};
use super::say;
use crate::console::Grouped;

/// Pages of dead letters that are read.
const PAGES_MAX: usize = 400;
/// Questions about events at one moment.
const QUESTIONS: usize = 8;

/// The first thing that was stopped.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FirstStop {
    /// When, in microseconds since 1970.
    #[serde(skip)]
    pub(super) at_us: u64,
    /// Why, for programs.
    pub(super) code: String,
    /// Why, in a sentence.
    pub(super) message: String,
}

/// What became of events from outside: each is in one of the last four.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Accounts {
    /// Acknowledged.
    pub(super) accepted: u64,
    /// Finished without a dead letter.
    pub(super) done: u64,
    /// Finished with one.
    pub(super) dead_lettered: u64,
    /// Not finished.
    pub(super) waiting: u64,
    /// Unknown to the server.
    pub(super) lost: u64,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Ending {
    /// The looping tenant's events, follow-ups included.
    pub(super) looping: EventCounts,
    /// Actions that were done for it.
    pub(super) actions: u64,
    /// Its dead letters by the stop's code, without what was discarded.
    pub(super) stops: BTreeMap<String, u64>,
    /// The first of them.
    pub(super) first_stop: Option<FirstStop>,
    /// The rules in quarantine.
    pub(super) quarantined: Vec<String>,
    /// Events that slept, by rule, until they were discarded.
    pub(super) parked: BTreeMap<String, u64>,
    /// Events from outside, the looping tenant's.
    pub(super) accounts_looping: Accounts,
    /// The others'.
    pub(super) accounts_others: Accounts,
    /// Refused events, by the problem's code.
    pub(super) refused: BTreeMap<String, u64>,
}

/// Ends what sleeps, and asks what became of every event.
pub(super) async fn account(desks: &[Arc<Desk>], onset_us: u64) -> Result<Ending> {
    let mut ending = Ending {
        looping: EventCounts::default(),
        actions: 0,
        stops: BTreeMap::new(),
        first_stop: None,
        quarantined: Vec::new(),
        parked: BTreeMap::new(),
        accounts_looping: Accounts::default(),
        accounts_others: Accounts::default(),
        refused: BTreeMap::new(),
    };
    if let Some(desk) = desks.iter().find(|desk| desk.member.loops()) {
        ending.actions = desk.actions();
        read_stops(&desk.member, onset_us, &mut ending).await?;
        end_quarantine(&desk.member, &mut ending).await?;
        settle(desks).await?;
        ending.looping = desk.member.api.counts().await?;
    }
    say("  asking the server for every event that it acknowledged");
    let mut questions = JoinSet::new();
    for desk in desks {
        let (member, sent) = (desk.member.clone(), desk.take_sent());
        for (code, count) in &sent.refused {
            *ending.refused.entry(code.clone()).or_default() += count;
        }
        questions.spawn(async move { anyhow::Ok((member.loops(), ask(member, sent).await?)) });
    }
    while let Some(answered) = questions.join_next().await {
        let (loops, accounts) = answered??;
        if loops {
            ending.accounts_looping = accounts;
        } else {
            ending.accounts_others.add(&accounts);
        }
    }
    Ok(ending)
}

impl Accounts {
    /// Together with others.
    pub(super) fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.done += other.done;
        self.dead_lettered += other.dead_lettered;
        self.waiting += other.waiting;
        self.lost += other.lost;
    }
}

/// Waits until no more waits than sleeps, for some time.
pub(super) async fn settle(desks: &[Arc<Desk>]) -> Result<()> {
    let tenants: Vec<_> = desks
        .iter()
        .map(|desk| (&desk.member.api, desk.member.pair_rules()))
        .collect();
    quarantine::settle(&tenants).await
}

/// Newest first, so the last one that is read is the first.
async fn read_stops(member: &Member, onset_us: u64, ending: &mut Ending) -> Result<()> {
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let page = member.api.dead_letters(cursor.as_deref()).await?;
        for letter in page.items {
            if letter.since_us < onset_us {
                continue;
            }
            *ending.stops.entry(letter.stop.code.clone()).or_default() += 1;
            ending.first_stop = Some(FirstStop {
                at_us: letter.since_us,
                code: letter.stop.code,
                message: letter.stop.message,
            });
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(())
}

/// What sleeps is given up, and one of the pair is taken out of force: the
/// other alone does no harm.
async fn end_quarantine(member: &Member, ending: &mut Ending) -> Result<()> {
    for rule in PAIR {
        let found = member.api.rule(rule).await?;
        if found.is_quarantined() {
            ending.quarantined.push(rule.to_owned());
        }
    }
    if ending.quarantined.is_empty() {
        return Ok(());
    }
    ending.parked = member.api.discard_all_parked(&PAIR).await?;
    for (rule, events) in &ending.parked {
        say(format_args!(
            "  {} events that slept for {rule} are discarded",
            Grouped(*events)
        ));
    }
    let [_, last] = PAIR;
    member.api.deactivate(last).await
}

/// Asks for each acknowledged event, several at a time.
async fn ask(member: Arc<Member>, sent: Sent) -> Result<Accounts> {
    let mut accounts = Accounts {
        accepted: sent.ids.len() as u64,
        ..Accounts::default()
    };
    let mut states = JoinSet::new();
    let mut ids = sent.ids.into_iter();
    loop {
        while states.len() < QUESTIONS
            && let Some(id) = ids.next()
        {
            let member = member.clone();
            states.spawn(async move { member.api.state(&id).await });
        }
        let Some(state) = states.join_next().await else {
            return Ok(accounts);
        };
        match state?? {
            Some(State::Done) => accounts.done += 1,
            Some(State::Waiting) => accounts.waiting += 1,
            Some(State::DeadLettered) => accounts.dead_lettered += 1,
            None => accounts.lost += 1,
        }
    }
}
