//! What hostile tenants do. Each attack is bounded in connections and in
//! requests a second, so that the machine which measures does not become what
//! is measured; how much of it was sent is in the report.

mod events;
mod payloads;
mod slow;
mod work;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::Result;
use ringfence_benches::rule::thread_cpu;
use ringfence_engine::Clock;
use serde_json::{Value, json};

use crate::calm::micros;
use crate::host::{Host, Tenant};
use crate::http::{Answer, Client};
use crate::pace::{Ticks, wait_until};

/// Something that a hostile tenant does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attack {
    Loops,
    Memory,
    SelfTrigger,
    FanOut,
    Flood,
    Uploads,
    Evaluations,
    Giants,
    Slow,
}

impl Attack {
    pub(crate) const ALL: [Self; 9] = [
        Self::Loops,
        Self::Memory,
        Self::SelfTrigger,
        Self::FanOut,
        Self::Flood,
        Self::Uploads,
        Self::Evaluations,
        Self::Giants,
        Self::Slow,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Loops => "loops",
            Self::Memory => "memory",
            Self::SelfTrigger => "self-trigger",
            Self::FanOut => "fan-out",
            Self::Flood => "flood",
            Self::Uploads => "uploads",
            Self::Evaluations => "evaluate",
            Self::Giants => "giants",
            Self::Slow => "slow",
        }
    }

    /// What is said of the tenant that it comes from.
    fn tenant(self, number: usize) -> Value {
        match self {
            Self::Flood => events::flood_limits(number),
            // Nobody stops it but the budgets and the shares.
            Self::SelfTrigger => json!({"loops": "allow"}),
            _ => json!({}),
        }
    }

    /// The rule that it needs.
    const fn rule(self) -> Option<&'static str> {
        match self {
            Self::Loops | Self::Evaluations => Some("infinite-loop"),
            Self::Memory => Some("memory-bomb"),
            Self::SelfTrigger => Some("self-trigger"),
            Self::FanOut => Some("fan-out"),
            Self::Flood | Self::Slow => Some("escalate-urgent"),
            Self::Uploads | Self::Giants => None,
        }
    }

    /// Threads of one tenant.
    pub(crate) const fn threads(self) -> usize {
        match self {
            Self::Flood | Self::Evaluations => 4,
            Self::Uploads => 2,
            _ => 1,
        }
    }

    /// Makes a tenant that is ready for it.
    pub(crate) fn sign_up(self, host: &mut Host, number: usize) -> Result<Tenant> {
        let tenant = host.tenant(&format!("storm-{number}"), &self.tenant(number))?;
        if let Some(rule) = self.rule() {
            host.activate(&tenant, rule)?;
        }
        if self == Self::Slow {
            slow::prepare(host.address(), &tenant)?;
        }
        Ok(tenant)
    }

    /// Does it until it is time to stop.
    pub(crate) fn attack(self, gun: &Gun<'_>) -> Tally {
        let mut tally = Tally::default();
        wait_until(gun.clock, gun.from_us);
        match self {
            Self::Loops => events::loops(gun, &mut tally),
            Self::Memory => events::memory(gun, &mut tally),
            Self::SelfTrigger => events::self_trigger(gun, &mut tally),
            Self::FanOut => events::fan_out(gun, &mut tally),
            Self::Flood => events::flood(gun, &mut tally),
            Self::Uploads => work::uploads(gun, &mut tally),
            Self::Evaluations => work::evaluations(gun, &mut tally),
            Self::Giants => payloads::giants(gun, &mut tally),
            Self::Slow => slow::slow(gun, &mut tally),
        }
        tally.cpu_us = micros(thread_cpu());
        tally
    }
}

/// Where an attack comes from and goes to, and when.
pub(crate) struct Gun<'a> {
    pub(crate) host: SocketAddr,
    pub(crate) tenant: &'a Tenant,
    /// Its number among the hostile ones.
    pub(crate) number: usize,
    /// Which of the tenant's threads this is.
    pub(crate) thread: usize,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) from_us: u64,
    pub(crate) until_us: u64,
}

/// What was sent, and what was said to it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) events: u64,
    /// Of the events.
    pub(crate) accepted: u64,
    /// Answers by the problem's code, or by their status; and what became of
    /// connections that were not to be answered.
    pub(crate) answers: BTreeMap<String, u64>,
    pub(crate) cpu_us: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.events += other.events;
        self.accepted += other.accepted;
        self.cpu_us += other.cpu_us;
        for (answer, count) in &other.answers {
            *self.answers.entry(answer.clone()).or_default() += count;
        }
    }

    fn count(&mut self, what: &str) {
        *self.answers.entry(what.to_owned()).or_default() += 1;
    }

    /// Takes the answer to a request with so many events.
    fn answered(&mut self, answer: std::io::Result<Answer>, events: u64) {
        self.requests += 1;
        self.events += events;
        match answer {
            Ok(answer) => {
                if answer.status == 202 {
                    self.accepted += events;
                }
                self.count(&answer.code());
            }
            Err(error) => self.count(&format!("no answer: {:?}", error.kind())),
        }
    }
}

impl Gun<'_> {
    /// Fires at an even pace, each time after the answer to the time before.
    fn paced(&self, every_us: u64, mut fire: impl FnMut(&mut Client, u64)) {
        let mut client = Client::new(self.host);
        let mut ticks = Ticks::new(self.from_us, every_us);
        for turn in 0.. {
            wait_until(self.clock, ticks.next(self.clock.now_us()));
            if self.clock.now_us() >= self.until_us {
                break;
            }
            fire(&mut client, turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up() {
        let answer = |status, body: &str| {
            Ok(Answer {
                status,
                body: body.as_bytes().to_vec(),
            })
        };
        let mut tally = Tally::default();
        tally.answered(answer(202, "{}"), 10);
        tally.answered(answer(429, r#"{"code":"too-fast"}"#), 10);
        let mut sum = Tally::default();
        sum.add(&tally);
        sum.add(&tally);
        assert_eq!((sum.requests, sum.events, sum.accepted), (4, 40, 20));
        assert_eq!((sum.answers["202"], sum.answers["too-fast"]), (2, 2));
    }
}
