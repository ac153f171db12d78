//! One case: a fresh server, the calm tenants alone on it, and then beside an
//! attack. Both are measured on the same server and in one stream, so that
//! what they are compared with is as near to them as can be.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use ringfence_engine::Clock;

use crate::attacks::{Attack, Gun, Tally};
use crate::calm::{self, Plan, Sent};
use crate::figures::Times;
use crate::host::{Host, Tenant};
use crate::options::{Options, Order};
use crate::pace::{Random, arrivals};
use crate::watch::{Look, watch};

/// Hostile tenants.
const HOSTILE: usize = 20;
/// Before the first measurement, so that code is loaded and costs are known.
const WARM_US: u64 = 1_500_000;
/// Between the beginning of an attack and what is measured beside it.
const LEAD_US: u64 = 1_000_000;
/// How long what is calm and not done is waited for, at the end.
const SETTLE_US: u64 = 15_000_000;
/// Events that are asked for one by one, if they are not done then.
const ASKED_MAX: usize = 1_000;

/// What happens beside the calm tenants.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Hostile tenants take turns with these.
    pub(crate) attacks: Vec<Attack>,
    /// Whether it is run with `fifo`, too.
    pub(crate) is_main: bool,
}

/// All of them. The first has no attack: what it shows is noise.
pub(crate) fn all() -> Vec<Case> {
    let none = Case {
        name: "none",
        attacks: Vec::new(),
        is_main: false,
    };
    let each = Attack::ALL.map(|attack| Case {
        name: attack.name(),
        attacks: vec![attack],
        is_main: matches!(attack, Attack::Loops | Attack::Memory | Attack::FanOut),
    });
    let together = Case {
        name: "all",
        attacks: Attack::ALL.to_vec(),
        is_main: true,
    };
    let cases = [none].into_iter().chain(each);
    cases.chain([together]).collect()
}

/// What calm tenants saw during a time.
#[derive(Debug, Default)]
pub(crate) struct Calm {
    /// From acceptance, before the event is on disk, to its durable end.
    pub(crate) accepted: Times,
    /// Where that time went: until it was durable and its subject's turn, until a
    /// worker took it, until it was run, until that was durable.
    pub(crate) stages: [Times; 4],
    /// From the moment that it was meant to be sent.
    pub(crate) meant: Times,
    /// From that moment until it was sent: what the bench itself is late.
    pub(crate) late: Times,
}

/// What came of a case.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) alone: Calm,
    pub(crate) beside: Calm,
    /// Calm events sent, those refused by their code, those that the server
    /// does not know, and those that were not done, or not even sent, at the end.
    pub(crate) sent: usize,
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) lost: usize,
    pub(crate) undone: usize,
    /// What was sent beside them.
    pub(crate) storm: Tally,
    /// Pieces of work that were stopped meanwhile, by code.
    pub(crate) stops: BTreeMap<String, u64>,
    pub(crate) resources: Resources,
    pub(crate) server_ended: bool,
    pub(crate) workers_ended: u64,
}

/// What was taken of the machine. CPU in cores, beside the attack.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    pub(crate) alone_bytes: u64,
    pub(crate) most_bytes: u64,
    pub(crate) most_server_bytes: u64,
    pub(crate) end_bytes: u64,
    pub(crate) server_cores: f64,
    pub(crate) children_cores: f64,
    pub(crate) calm_cores: f64,
    pub(crate) storm_cores: f64,
}

/// When what is, in microseconds since 1970.
struct Phases {
    begin_us: u64,
    alone_us: u64,
    storm_us: u64,
    beside_us: u64,
    end_us: u64,
}

impl Phases {
    fn new(options: &Options, now_us: u64) -> Self {
        // Until all threads are there.
        let begin_us = now_us + 200_000;
        let alone_us = begin_us + WARM_US;
        let storm_us = alone_us + (options.alone_s * 1e6) as u64;
        let beside_us = storm_us + LEAD_US;
        let end_us = beside_us + (options.beside_s * 1e6) as u64;
        Self {
            begin_us,
            alone_us,
            storm_us,
            beside_us,
            end_us,
        }
    }
}

/// Runs it, with so many calm events a second.
pub(crate) fn run(
    options: &Options,
    order: Order,
    case: &Case,
    rate: f64,
    clock: &dyn Clock,
) -> Result<Outcome> {
    let mut host = Host::start(&options.configuration(order))?;
    let calm = calm::sign_up(&mut host)?;
    let mut hostile = Vec::new();
    if !case.attacks.is_empty() {
        for number in 0..HOSTILE {
            let attack = case.attacks[number % case.attacks.len()];
            hostile.push((attack, attack.sign_up(&mut host, number)?));
        }
    }
    let stops = host.counter(DEAD_LETTERS, "code")?;
    let phases = Phases::new(options, clock.now_us());
    let mut random = Random(options.seed);
    let all_us = phases.end_us - phases.begin_us;
    let at_us = arrivals(rate, all_us, &mut random).into_iter();
    let plan = Plan {
        at_us: at_us.map(|at_us| phases.begin_us + at_us).collect(),
        until_us: phases.end_us + SETTLE_US,
        seed: options.seed,
    };
    let (sent, calm_cpu_us, storm, looks) = act(&host, &calm, &hostile, &plan, &phases, clock)?;
    let undone = settle(&host, &sent, clock);
    let lost = lost(&mut host, &calm, &undone)?;
    let mut outcome = Outcome {
        name: case.name,
        alone: calm_times(&host, &sent, &(phases.alone_us..phases.storm_us), clock),
        beside: calm_times(&host, &sent, &(phases.beside_us..phases.end_us), clock),
        sent: sent.len(),
        refused: refused(&sent),
        lost,
        // What there was no time to send was not done either.
        undone: undone.len() + plan.at_us.len() - sent.len(),
        stops: since(host.counter(DEAD_LETTERS, "code")?, &stops),
        resources: resources(&looks, &phases),
        storm,
        server_ended: !host.is_alive(),
        workers_ended: host.journal().workers_ended(),
    };
    outcome.resources.calm_cores = calm_cpu_us as f64 / all_us as f64;
    let storm_us = phases.end_us - phases.storm_us;
    outcome.resources.storm_cores = outcome.storm.cpu_us as f64 / storm_us as f64;
    Ok(outcome)
}

const DEAD_LETTERS: &str = "ringfence_dead_letters_total";

type Acted = (Vec<Sent>, u64, Tally, Vec<Look>);

/// Sends, attacks and watches at the same time.
fn act(
    host: &Host,
    calm: &[Tenant],
    hostile: &[(Attack, Tenant)],
    plan: &Plan,
    phases: &Phases,
    clock: &dyn Clock,
) -> Result<Acted> {
    let (address, server) = (host.address(), host.id());
    thread::scope(|scope| {
        let watching = scope.spawn(|| watch(server, clock, phases.end_us));
        let mut attackers = Vec::new();
        for (number, (attack, tenant)) in hostile.iter().enumerate() {
            for thread in 0..attack.threads() {
                let gun = Gun {
                    host: address,
                    tenant,
                    number,
                    thread,
                    clock,
                    from_us: phases.storm_us,
                    until_us: phases.end_us,
                };
                attackers.push(scope.spawn(move || attack.attack(&gun)));
            }
        }
        let (sent, cpu_us) = calm::send(address, calm, plan, clock)?;
        let mut storm = Tally::default();
        for attacker in attackers {
            storm.add(&attacker.join().expect("an attacker panicked"));
        }
        let looks = watching.join().expect("who watches panicked");
        Ok((sent, cpu_us, storm, looks))
    })
}

/// Waits for what was accepted and is not done; answers what is not done then.
fn settle<'a>(host: &Host, sent: &'a [Sent], clock: &dyn Clock) -> Vec<&'a Sent> {
    let until_us = clock.now_us() + SETTLE_US;
    let accepted = sent.iter().filter(|sent| sent.refused.is_none());
    let mut undone: Vec<&Sent> = accepted.collect();
    loop {
        undone.retain(|sent| host.journal().done(sent.event).is_none());
        if undone.is_empty() || clock.now_us() > until_us {
            return undone;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// How many of them the server does not know.
fn lost(host: &mut Host, calm: &[Tenant], undone: &[&Sent]) -> Result<usize> {
    let mut lost = 0;
    for sent in undone.iter().take(ASKED_MAX) {
        let path = calm[sent.tenant].path(&format!("/events/{}", sent.event));
        lost += usize::from(!host.exists(&path)?);
    }
    Ok(lost)
}

/// Times of the events that were meant to be sent within this time. Those that
/// are not done have taken until now at least.
fn calm_times(
    host: &Host,
    sent: &[Sent],
    within: &std::ops::Range<u64>,
    clock: &dyn Clock,
) -> Calm {
    let (mut accepted, mut meant, mut late) = (Vec::new(), Vec::new(), Vec::new());
    let mut stages: [Vec<u64>; 4] = Default::default();
    for sent in sent.iter().filter(|sent| within.contains(&sent.meant_us)) {
        late.push(sent.sent_us.saturating_sub(sent.meant_us));
        if sent.refused.is_some() {
            continue;
        }
        let (from_us, to_us) = match host.journal().done(sent.event) {
            Some(done) => {
                for (stage, took_us) in stages.iter_mut().zip(done.stages_us()) {
                    stage.push(took_us);
                }
                (done.accepted_us, done.durable_us)
            }
            None => (sent.answered_us, clock.now_us()),
        };
        accepted.push(to_us.saturating_sub(from_us));
        meant.push(to_us.saturating_sub(sent.meant_us));
    }
    Calm {
        accepted: Times::of(accepted),
        stages: stages.map(Times::of),
        meant: Times::of(meant),
        late: Times::of(late),
    }
}

fn refused(sent: &[Sent]) -> BTreeMap<String, u64> {
    let mut refused = BTreeMap::new();
    for code in sent.iter().filter_map(|sent| sent.refused.as_ref()) {
        *refused.entry(code.clone()).or_default() += 1;
    }
    refused
}

/// By how much counters have grown, of those that have.
fn since(now: Vec<(String, u64)>, before: &[(String, u64)]) -> BTreeMap<String, u64> {
    let grown = now.into_iter().map(|(code, now)| {
        let before = before.iter().find(|before| before.0 == code);
        let grown = now - before.map_or(0, |before| before.1);
        (code, grown)
    });
    grown.filter(|(_, grown)| *grown > 0).collect()
}

fn resources(looks: &[Look], phases: &Phases) -> Resources {
    let within = |from_us: u64, to_us: u64| {
        let looks = looks.iter();
        looks.filter(move |look| (from_us..to_us).contains(&look.at_us))
    };
    let alone = within(phases.alone_us, phases.storm_us);
    let beside = || within(phases.storm_us, phases.end_us);
    let mut resources = Resources {
        alone_bytes: alone.map(|look| look.all_bytes).max().unwrap_or(0),
        most_bytes: beside().map(|look| look.all_bytes).max().unwrap_or(0),
        most_server_bytes: beside().map(|look| look.server_bytes).max().unwrap_or(0),
        end_bytes: looks.last().map_or(0, |look| look.all_bytes),
        ..Resources::default()
    };
    if let (Some(first), Some(last)) = (beside().next(), beside().next_back())
        && last.at_us > first.at_us
    {
        let cores = |cpu: fn(&Look) -> u64| {
            let taken = cpu(last).saturating_sub(cpu(first));
            taken as f64 / (last.at_us - first.at_us) as f64
        };
        resources.server_cores = cores(|look| look.server_cpu_us);
        resources.children_cores = cores(|look| look.children_cpu_us);
    }
    resources
}

/// How many calm events a second the host can carry to their end, if they are
/// sent as fast as they are accepted.
pub(crate) fn capacity(options: &Options, seconds: f64, clock: &dyn Clock) -> Result<f64> {
    let mut host = Host::start(&options.configuration(Order::Fair))?;
    let calm = calm::sign_up(&mut host)?;
    let begin_us = clock.now_us();
    let from_us = begin_us + WARM_US;
    let until_us = from_us + (seconds * 1e6) as u64;
    let plan = Plan {
        // More than any host takes in that time.
        at_us: vec![begin_us; 1_000_000],
        until_us,
        seed: options.seed,
    };
    calm::send(host.address(), &calm, &plan, clock)?;
    let done = host.journal().done_within(from_us, until_us);
    Ok(done as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_by_what_they_grew() {
        let counts =
            |trap, deadline| vec![("trap".to_owned(), trap), ("deadline".into(), deadline)];
        let grown = since(counts(5, 2), &counts(3, 2));
        assert_eq!(grown, BTreeMap::from([("trap".to_owned(), 2)]));
    }

    #[test]
    fn what_is_taken_is_seen_per_phase() {
        let phases = Phases {
            begin_us: 0,
            alone_us: 0,
            storm_us: 1_000,
            beside_us: 1_100,
            end_us: 3_000,
        };
        let look = |at_us, all_bytes, server_cpu_us| Look {
            at_us,
            all_bytes,
            server_cpu_us,
            ..Look::default()
        };
        let looks = [look(500, 10, 0), look(1_000, 30, 100), look(2_000, 20, 600)];
        let taken = resources(&looks, &phases);
        assert_eq!((taken.alone_bytes, taken.most_bytes), (10, 30));
        assert_eq!(taken.end_bytes, 20);
        assert!((taken.server_cores - 0.5).abs() < 1e-9);
    }

    #[test]
    fn names_of_cases_are_unique() {
        let names: Vec<_> = all().iter().map(|case| case.name).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
    }
}
