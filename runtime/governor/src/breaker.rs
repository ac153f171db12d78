//! Quarantine: rule versions most of whose runs are stopped are not run for a
//! while.
//!
//! A circuit breaker (Nygard, Release It!, 2007): closed, it counts runs in a
//! sliding window; it opens when most were stopped or when loops were; open,
//! nothing is run until a time that doubles from turn to turn; then one run is
//! the probe, and closes it or opens it again. Only what a rule itself did
//! counts: no budget that others used up, no neighbour's fault, no event that
//! is wrong.

use std::collections::HashMap;

use ringfence_model::{Execution, RuleName, StopCode, TenantId, VersionId};

/// When a rule version is quarantined, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Runs that must have been seen, before their part that was stopped
    /// counts. None: nothing is quarantined.
    pub runs: Option<u64>,
    /// Of those, more than this part stopped, in percent.
    pub stopped_percent: u64,
    /// Loops stopped.
    pub loops: u64,
    /// The window for both, in microseconds.
    pub window_us: u64,
    /// The first quarantine, in microseconds; doubles each time in a row.
    pub first_us: u64,
    /// The longest, in microseconds.
    pub longest_us: u64,
}

impl Default for BreakerConfig {
    /// 20 runs and more than half of them stopped, or 3 loops, in 60 s; 30 s,
    /// doubling to an hour.
    fn default() -> Self {
        Self {
            runs: Some(20),
            stopped_percent: 50,
            loops: 3,
            window_us: 60_000_000,
            first_us: 30_000_000,
            longest_us: 3_600_000_000,
        }
    }
}

/// What a run says about its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It was fine, or what was not is no fault of the rule.
    Fine,
    /// It was stopped for what the rule did.
    Stopped,
    /// It was stopped as a loop.
    Loop,
}

impl Sign {
    /// Of this run.
    pub fn of(run: &Execution) -> Self {
        let Some(stop) = &run.stop else {
            return Self::Fine;
        };
        match stop.code {
            StopCode::Revisit => Self::Loop,
            // A host that has too much to do lets runs reach their deadline
            // that hardly had a core: that is no fault of theirs.
            StopCode::Deadline if run.usage.cpu_us * 2 < run.usage.wall_us => Self::Fine,
            StopCode::OutOfFuel
            | StopCode::Deadline
            | StopCode::OutOfMemory
            | StopCode::StackOverflow
            | StopCode::OutputTooLarge
            | StopCode::TooManyEffects
            | StopCode::StateTooLarge
            | StopCode::Trap
            | StopCode::UndeclaredEffect
            | StopCode::InvalidEffect => Self::Stopped,
            // What a rule refuses, it refuses. Budgets are the cascade's,
            // conflicts and sizes are others' doing, and who ends worker
            // processes is quarantined for good.
            StopCode::RuleFailed
            | StopCode::InputTooLarge
            | StopCode::CascadeDepth
            | StopCode::CascadeExecutions
            | StopCode::CascadeFuel
            | StopCode::CascadeEvents
            | StopCode::CascadeBytes
            | StopCode::Quarantined
            | StopCode::Paused
            | StopCode::StateConflict
            | StopCode::CrashedWorker
            | StopCode::VersionUnavailable => Self::Fine,
        }
    }
}

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The rule is to be in quarantine until then (microseconds since 1970),
    /// for the so-many-th time in a row.
    Quarantined {
        /// Until when.
        until_us: u64,
        /// From 1.
        times: u32,
    },
    /// The probe was fine: the quarantine has ended.
    Recovered,
}

/// Whether a rule may be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Run,
    /// It may, once: the quarantine's end depends on it.
    Probe,
    /// Not now.
    Wait,
}

/// Parts of the window.
const PARTS: usize = 12;

#[derive(Debug, Clone, Copy, Default)]
struct Part {
    /// Which part of time it counts.
    number: u64,
    runs: u64,
    stopped: u64,
    loops: u64,
}

/// One rule version's breaker.
#[derive(Debug)]
struct Breaker {
    version: VersionId,
    parts: [Part; PARTS],
    /// Until when it is open; none while it is closed.
    until_us: Option<u64>,
    /// When the probe was let in, if one was.
    probe_us: Option<u64>,
    times: u32,
    /// When it recovered last.
    recovered_us: u64,
}

impl Breaker {
    fn new(version: VersionId) -> Self {
        Self {
            version,
            parts: [Part::default(); PARTS],
            until_us: None,
            probe_us: None,
            times: 0,
            recovered_us: 0,
        }
    }

    fn count(&mut self, sign: Sign, now_us: u64, window_us: u64) -> Part {
        let length_us = (window_us / PARTS as u64).max(1);
        let number = now_us / length_us;
        let part = &mut self.parts[(number % PARTS as u64) as usize];
        if part.number != number {
            *part = Part {
                number,
                ..Part::default()
            };
        }
        part.runs += 1;
        part.stopped += u64::from(sign != Sign::Fine);
        part.loops += u64::from(sign == Sign::Loop);
        let oldest = number.saturating_sub(PARTS as u64 - 1);
        let recent = self.parts.iter().filter(|part| part.number >= oldest);
        recent.fold(Part::default(), |sum, part| Part {
            number,
            runs: sum.runs + part.runs,
            stopped: sum.stopped + part.stopped,
            loops: sum.loops + part.loops,
        })
    }

    fn open(&mut self, now_us: u64, config: &BreakerConfig) -> Change {
        // Who was fine for as long as the last quarantine begins anew.
        let last_us = config.length_us(self.times);
        if self.times > 0 && self.until_us.is_none() && now_us > self.recovered_us + last_us {
            self.times = 0;
        }
        self.times = self.times.saturating_add(1);
        let until_us = now_us.saturating_add(config.length_us(self.times));
        self.until_us = Some(until_us);
        self.probe_us = None;
        self.parts = [Part::default(); PARTS];
        Change::Quarantined {
            until_us,
            times: self.times,
        }
    }
}

impl BreakerConfig {
    fn length_us(&self, times: u32) -> u64 {
        let doubled = 1u64
            .checked_shl(times.saturating_sub(1))
            .unwrap_or(u64::MAX);
        self.first_us.saturating_mul(doubled).min(self.longest_us)
    }
}

/// The breakers of all rules that have run. Bounded by the rules in force:
/// whoever ends an activation forgets its breaker.
#[derive(Debug, Default)]
pub struct Breakers {
    config: BreakerConfig,
    tenants: HashMap<TenantId, HashMap<RuleName, Breaker>>,
}

/// How long a probe may take before another one is let in.
const PROBE_US: u64 = 60_000_000;

impl Breakers {
    /// Without any rule.
    pub fn new(config: BreakerConfig) -> Self {
        Self {
            config,
            tenants: HashMap::new(),
        }
    }

    /// A run of a rule version is over.
    pub fn ran(
        &mut self,
        tenant: &TenantId,
        rule: &RuleName,
        version: VersionId,
        sign: Sign,
        now_us: u64,
    ) -> Option<Change> {
        let config = self.config;
        let breaker = self.breaker(tenant, rule, version);
        if let Some(until_us) = breaker.until_us {
            if breaker.probe_us.is_none() || now_us < until_us {
                // It had begun before.
                return None;
            }
            // Where nothing is quarantined any more, any end is an end.
            if sign != Sign::Fine && config.runs.is_some() {
                return Some(breaker.open(now_us, &config));
            }
            (breaker.until_us, breaker.probe_us) = (None, None);
            breaker.recovered_us = now_us;
            return Some(Change::Recovered);
        }
        let runs = config.runs?;
        let seen = breaker.count(sign, now_us, config.window_us);
        let most = seen.stopped * 100 > seen.runs * config.stopped_percent;
        // A run that was fine is no reason, whatever those before it were.
        let is_enough = (seen.runs >= runs && most) || seen.loops >= config.loops;
        if is_enough && sign != Sign::Fine {
            return Some(breaker.open(now_us, &config));
        }
        None
    }

    /// Whether a rule version may be run now.
    pub fn admit(
        &mut self,
        tenant: &TenantId,
        rule: &RuleName,
        version: VersionId,
        now_us: u64,
    ) -> Admission {
        let breaker = self.breaker(tenant, rule, version);
        let Some(until_us) = breaker.until_us else {
            return Admission::Run;
        };
        let is_probing = breaker
            .probe_us
            .is_some_and(|probe_us| now_us < probe_us.saturating_add(PROBE_US));
        if now_us < until_us || is_probing {
            return Admission::Wait;
        }
        breaker.probe_us = Some(now_us);
        Admission::Probe
    }

    /// The probe did not take place after all.
    pub fn not_probed(&mut self, tenant: &TenantId, rule: &RuleName) {
        let rules = self.tenants.get_mut(tenant);
        if let Some(breaker) = rules.and_then(|rules| rules.get_mut(rule)) {
            breaker.probe_us = None;
        }
    }

    /// A rule is in quarantine, as is known elsewhere: from before the process
    /// began, or because it was decided about another run of it.
    pub fn restore(
        &mut self,
        tenant: &TenantId,
        rule: &RuleName,
        version: VersionId,
        until_us: u64,
        times: u32,
    ) {
        let breaker = self.breaker(tenant, rule, version);
        breaker.until_us = Some(until_us);
        breaker.times = times;
    }

    /// The rule's quarantine is lifted, or the rule is another one now, or
    /// gone.
    pub fn forget(&mut self, tenant: &TenantId, rule: &RuleName) {
        if let Some(rules) = self.tenants.get_mut(tenant) {
            rules.remove(rule);
        }
    }

    /// The tenant is gone.
    pub fn forget_tenant(&mut self, tenant: &TenantId) {
        self.tenants.remove(tenant);
    }

    fn breaker(&mut self, tenant: &TenantId, rule: &RuleName, version: VersionId) -> &mut Breaker {
        let rules = self.tenants.entry(tenant.clone()).or_default();
        let breaker = rules
            .entry(rule.clone())
            .or_insert_with(|| Breaker::new(version));
        if breaker.version != version {
            *breaker = Breaker::new(version);
        }
        breaker
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
