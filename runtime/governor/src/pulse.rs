//! The pulse: whether a tenant's runs set off more runs than there are, and
//! whether its events come far faster than they used to.
//!
//! For each tenant and rule, executions and the executions that they set off
//! are counted, recent ones more than old ones. The reproduction number R of a
//! rule is caused / (executions + 1); that of a tenant is the spectral radius
//! of the matrix of those numbers by pairs of rules, so that calm traffic of
//! other rules does not hide what grows. What is set off is counted when a run
//! commits it, not when it runs: growth shows before queues do.
//! `docs/anomalies.md` derives the defaults.

mod counts;
mod decay;
mod graph;
mod rates;
mod watch;

use std::collections::HashMap;

use ringfence_model::{Reproduction, RuleName, TenantId};

use counts::{Counts, rounded};
pub use rates::{RateChange, RateConfig, Rates};
use watch::{Change, Level, Watch};

/// A tenant without news for so many half-lives is forgotten: what was counted
/// weighs a thousandth of a thousandth then.
const FORGOTTEN_HALF_LIVES: u64 = 20;

/// How long a number has to be below the threshold before its anomaly ends,
/// and how long nothing has to be set off before it counts as below, in
/// half-lives.
const CALM_HALF_LIVES: u64 = 1;

/// From which part of the threshold on a tenant's number is worth showing.
const NEAR: f64 = 0.8;

/// When runs that set off runs are an anomaly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PulseConfig {
    /// What is so old counts half, in microseconds.
    pub half_life_us: u64,
    /// The reproduction number from which on it is one.
    pub threshold: f64,
    /// Recent executions of the cycle's rules that it takes, weighted by age.
    pub executions: u64,
    /// How long the number has to stay there, in microseconds.
    pub sustained_us: u64,
}

impl Default for PulseConfig {
    fn default() -> Self {
        Self {
            half_life_us: 5_000_000,
            threshold: 1.0,
            executions: 64,
            sustained_us: 1_000_000,
        }
    }
}

/// The counts of all tenants that ran something lately. What one tenant takes
/// is bounded by its rules, 2,048 pairs of them, and 4 event types for each.
#[derive(Debug)]
pub struct Pulse {
    config: PulseConfig,
    tenants: HashMap<TenantId, Tenant>,
}

#[derive(Debug)]
struct Tenant {
    counts: Counts,
    watch: Watch,
    /// What grew when it began, with the greatest number since.
    found: Option<Reproduction>,
    /// The number at the latest look.
    number: f64,
    has_news: bool,
    latest_us: u64,
}

/// That growth of a tenant's runs began or ended.
#[derive(Debug, Clone, PartialEq)]
pub struct PulseChange {
    /// Whose.
    pub tenant: TenantId,
    /// When it began, in microseconds since 1970.
    pub since_us: u64,
    /// Whether it ended.
    pub ended: bool,
    /// What grows, as it was seen first; `peak` is the greatest since.
    pub found: Reproduction,
}

/// One rule's executions, weighted by age.
#[derive(Debug, Clone, PartialEq)]
pub struct RulePulse {
    /// Which rule.
    pub rule: RuleName,
    /// Its executions.
    pub executions: f64,
    /// The executions that those set off, of any rule.
    pub caused: f64,
    /// Its reproduction number.
    pub number: f64,
}

/// That executions of one rule set off such of another, weighted by age.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgePulse {
    /// Which rule.
    pub rule: RuleName,
    /// By events of this type.
    pub event_type: String,
    /// What is run on them.
    pub causes: RuleName,
    /// How many times.
    pub caused: f64,
    /// How many of it one execution sets off.
    pub number: f64,
}

/// A tenant's pulse now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PulseView {
    /// The tenant's reproduction number; 0 where no cycle of rules was seen.
    pub number: f64,
    /// Since when its runs are known to grow, in microseconds since 1970.
    pub supercritical_since_us: Option<u64>,
    /// Its rules, those with the most executions first; at most 100.
    pub rules: Vec<RulePulse>,
    /// What sets off what, the most first; at most 100.
    pub edges: Vec<EdgePulse>,
    /// Whether there is more of either.
    pub truncated: bool,
}

impl Pulse {
    /// Without counts.
    pub fn new(config: PulseConfig) -> Self {
        Self {
            config,
            tenants: HashMap::new(),
        }
    }

    /// A run of a rule is durable.
    pub fn ran(&mut self, tenant: &TenantId, rule: &RuleName, now_us: u64) {
        self.tenant(tenant, now_us).counts.ran(rule, now_us);
    }

    /// A run of a rule set off an event of this type, for which `caused` are
    /// to be run. `ran_us` is when that run was: what comes back from the host
    /// application later is counted with the weight of the run that caused it;
    /// where it is not known, `now_us`.
    pub fn caused<'a>(
        &mut self,
        tenant: &TenantId,
        rule: &RuleName,
        event_type: &str,
        caused: impl IntoIterator<Item = &'a RuleName>,
        ran_us: u64,
        now_us: u64,
    ) {
        let counts = &mut self.tenant(tenant, now_us).counts;
        counts.caused(rule, event_type, caused, ran_us, now_us);
    }

    fn tenant(&mut self, tenant: &TenantId, now_us: u64) -> &mut Tenant {
        let half_life_us = self.config.half_life_us;
        let known = self
            .tenants
            .entry(tenant.clone())
            .or_insert_with(|| Tenant {
                counts: Counts::new(half_life_us, now_us),
                watch: Watch::default(),
                found: None,
                number: 0.0,
                has_news: false,
                latest_us: now_us,
            });
        known.has_news = true;
        known.latest_us = known.latest_us.max(now_us);
        known
    }

    /// The rule is another one now, or gone: what its runs set off before says
    /// nothing any more.
    pub fn forget(&mut self, tenant: &TenantId, rule: &RuleName) {
        if let Some(known) = self.tenants.get_mut(tenant) {
            known.counts.forget(rule);
            known.has_news = true;
        }
    }

    /// The tenant is gone.
    pub fn forget_tenant(&mut self, tenant: &TenantId) {
        self.tenants.remove(tenant);
    }

    /// Looks at the tenants with news, and at those with growth; to be called
    /// a few times a second.
    pub fn look(&mut self, now_us: u64) -> Vec<PulseChange> {
        let config = self.config;
        let mut changes = Vec::new();
        self.tenants.retain(|id, tenant| {
            let has_news = std::mem::take(&mut tenant.has_news);
            let quiet_us = now_us.saturating_sub(tenant.latest_us);
            if !has_news && tenant.watch.is_calm() && tenant.number == 0.0 {
                return quiet_us < config.half_life_us.saturating_mul(FORGOTTEN_HALF_LIVES);
            }
            let has_counts = tenant.counts.tidy(now_us);
            if let Some(change) = tenant.look(id, &config, now_us) {
                changes.push(change);
            }
            has_counts || !tenant.watch.is_calm()
        });
        changes
    }

    /// A tenant's pulse now.
    pub fn view(&self, tenant: &TenantId, now_us: u64) -> PulseView {
        let Some(known) = self.tenants.get(tenant) else {
            return PulseView::default();
        };
        PulseView {
            supercritical_since_us: known.watch.since_us(),
            ..known.counts.view(&self.config, now_us)
        }
    }

    /// The tenants whose number was near the threshold or above it at the
    /// latest look, the greatest first; at most `limit`.
    pub fn near_threshold(&self, limit: usize) -> Vec<(TenantId, f64)> {
        let near = self.tenants.iter().filter(|(_, tenant)| {
            tenant.number >= NEAR * self.config.threshold || tenant.watch.since_us().is_some()
        });
        let mut near: Vec<_> = near
            .map(|(id, tenant)| (id.clone(), rounded(tenant.number)))
            .collect();
        near.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        near.truncate(limit);
        near
    }

    /// Tenants with counts.
    pub fn len(&self) -> usize {
        self.tenants.len()
    }

    /// Whether no tenant has any.
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }
}

impl Tenant {
    fn look(&mut self, id: &TenantId, config: &PulseConfig, now_us: u64) -> Option<PulseChange> {
        let calm_us = config.half_life_us.saturating_mul(CALM_HALF_LIVES);
        let found = self.counts.look(config, now_us);
        let level = found.as_ref().map_or(Level::Low, |found| {
            let Reproduction {
                number,
                at_least,
                executions,
                ..
            } = found.reproduction;
            let is_quiet = now_us.saturating_sub(found.latest_us) >= calm_us;
            if number < config.threshold || is_quiet {
                Level::Low
            } else if at_least >= config.threshold && executions >= config.executions {
                Level::High
            } else {
                Level::Between
            }
        });
        let number = found.as_ref().map(|found| found.reproduction.number);
        self.number = number.unwrap_or(0.0);
        if let Some(seen) = &mut self.found {
            seen.peak = seen.peak.max(rounded(self.number));
        }
        let change = self.watch.look(level, now_us, config.sustained_us, calm_us);
        let (since_us, ended, found) = match change {
            Change::None => return None,
            Change::Began => {
                let found = shown(found?.reproduction);
                self.found = Some(found.clone());
                (self.watch.since_us().unwrap_or(now_us), false, found)
            }
            Change::Ended { since_us } => (since_us, true, self.found.take()?),
        };
        Some(PulseChange {
            tenant: id.clone(),
            since_us,
            ended,
            found,
        })
    }
}

/// With its numbers rounded.
fn shown(found: Reproduction) -> Reproduction {
    Reproduction {
        number: rounded(found.number),
        at_least: rounded(found.at_least),
        peak: rounded(found.peak),
        ..found
    }
}

#[cfg(test)]
#[path = "pulse/tests.rs"]
mod tests;
