//! How fast a tenant's events come, against how fast they used to.
//!
//! Two averages with exponential decay, one over seconds and one over half an
//! hour, as the load averages of a system and the fast and slow windows of
//! burn-rate alerts (Beyer et al., "The Site Reliability Workbook", chapter 5).

use std::collections::HashMap;
use std::f64::consts::LN_2;

use ringfence_model::{EventRate, TenantId};

use super::counts::rounded;
use super::watch::{Change, Level, Watch};

/// The short window: what is so old counts half, in microseconds.
const FAST_US: f64 = 10_000_000.0;

/// The long one.
const SLOW_US: f64 = 1_800_000_000.0;

/// How long the rate has to be below before an anomaly ends, in microseconds.
const CALM_US: u64 = 10_000_000;

/// The factor from which on it is not over: this part of the one that begins.
const CALM_FACTOR: f64 = 0.5;

/// Events that a baseline is made of, at least, weighted by age. A tenant that
/// sent less has none.
const BASELINE_EVENTS: f64 = 50.0;

/// A tenant without events for so long is forgotten, with its baseline, in
/// microseconds: four half-lives.
const FORGOTTEN_US: u64 = 7_200_000_000;

/// When a tenant's events are an anomaly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateConfig {
    /// How many times as many as before.
    pub factor: f64,
    /// Recent events that it takes, weighted by age.
    pub events: u64,
    /// How long a tenant has to be known before it has a baseline, in
    /// microseconds.
    pub history_us: u64,
    /// How long the rate has to stay there, in microseconds.
    pub sustained_us: u64,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self {
            factor: 10.0,
            events: 500,
            history_us: 600_000_000,
            sustained_us: 1_000_000,
        }
    }
}

/// The rates of all tenants that sent something in the last two hours.
#[derive(Debug)]
pub struct Rates {
    config: RateConfig,
    tenants: HashMap<TenantId, Tenant>,
}

#[derive(Debug)]
struct Tenant {
    first_us: u64,
    latest_us: u64,
    /// Events weighted by age, as of the latest.
    fast: f64,
    slow: f64,
    /// Whether there is a baseline: at some look in calm times enough events
    /// had been seen for long enough.
    has_baseline: bool,
    watch: Watch,
    found: Option<EventRate>,
    has_news: bool,
}

/// That a tenant's events began or ceased to come far too fast.
#[derive(Debug, Clone, PartialEq)]
pub struct RateChange {
    /// Whose.
    pub tenant: TenantId,
    /// When it began, in microseconds since 1970.
    pub since_us: u64,
    /// Whether it ended.
    pub ended: bool,
    /// How fast, as it was seen first; `peak` is the greatest since.
    pub found: EventRate,
}

impl Rates {
    /// Without counts.
    pub fn new(config: RateConfig) -> Self {
        Self {
            config,
            tenants: HashMap::new(),
        }
    }

    /// Events from outside were accepted.
    pub fn accepted(&mut self, tenant: &TenantId, events: u64, now_us: u64) {
        let known = self.tenants.entry(tenant.clone()).or_insert(Tenant {
            first_us: now_us,
            latest_us: now_us,
            fast: 0.0,
            slow: 0.0,
            has_baseline: false,
            watch: Watch::default(),
            found: None,
            has_news: false,
        });
        let (fast, slow) = known.counts(now_us);
        known.fast = fast + events as f64;
        known.slow = slow + events as f64;
        known.latest_us = known.latest_us.max(now_us);
        known.has_news = true;
    }

    /// The tenant is gone.
    pub fn forget_tenant(&mut self, tenant: &TenantId) {
        self.tenants.remove(tenant);
    }

    /// Looks at the tenants with new events, and at those with an anomaly; to
    /// be called a few times a second.
    pub fn look(&mut self, now_us: u64) -> Vec<RateChange> {
        let config = self.config;
        let mut changes = Vec::new();
        self.tenants.retain(|id, tenant| {
            let has_news = std::mem::take(&mut tenant.has_news);
            if !has_news && tenant.watch.is_calm() {
                return now_us.saturating_sub(tenant.latest_us) < FORGOTTEN_US;
            }
            if let Some(change) = tenant.look(id, &config, now_us) {
                changes.push(change);
            }
            true
        });
        changes
    }
}

impl Tenant {
    /// Both counts as of now.
    fn counts(&self, now_us: u64) -> (f64, f64) {
        let since = now_us.saturating_sub(self.latest_us) as f64;
        (
            self.fast * (-since / FAST_US).exp2(),
            self.slow * (-since / SLOW_US).exp2(),
        )
    }

    fn look(&mut self, id: &TenantId, config: &RateConfig, now_us: u64) -> Option<RateChange> {
        let (fast, slow) = self.counts(now_us);
        let age_us = now_us.saturating_sub(self.first_us);
        let per_second = rate(fast, FAST_US, age_us);
        let baseline = rate(slow, SLOW_US, age_us);
        let times = per_second / baseline.max(f64::MIN_POSITIVE);
        let level = if times < config.factor * CALM_FACTOR {
            self.has_baseline |= age_us >= config.history_us && slow >= BASELINE_EVENTS;
            Level::Low
        } else if self.has_baseline && times >= config.factor && fast >= config.events as f64 {
            Level::High
        } else {
            Level::Between
        };
        if let Some(found) = &mut self.found {
            found.peak = found.peak.max(rounded(per_second));
        }
        let change = self.watch.look(level, now_us, config.sustained_us, CALM_US);
        let (since_us, ended, found) = match change {
            Change::None => return None,
            Change::Began => {
                let found = EventRate {
                    per_second: rounded(per_second),
                    peak: rounded(per_second),
                    baseline: rounded(baseline),
                    factor: config.factor,
                };
                self.found = Some(found.clone());
                (self.watch.since_us().unwrap_or(now_us), false, found)
            }
            Change::Ended { since_us } => (since_us, true, self.found.take()?),
        };
        Some(RateChange {
            tenant: id.clone(),
            since_us,
            ended,
            found,
        })
    }
}

/// Events per second, of a count that decays and began so long ago.
fn rate(count: f64, half_life_us: f64, age_us: u64) -> f64 {
    let seen = 1.0 - (-(age_us as f64) / half_life_us).exp2();
    let seconds = half_life_us / 1e6 / LN_2 * seen;
    count / seconds.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn tenant() -> TenantId {
        "acme".parse().unwrap()
    }

    /// Sends so many events each second from one second to another, with four
    /// looks each; answers the seconds in which something began or ended.
    fn send(rates: &mut Rates, from: u64, to: u64, per_second: u64) -> Vec<(u64, bool)> {
        let mut changes = Vec::new();
        for quarter in from * 4..to * 4 {
            let now_us = quarter * SECOND / 4;
            if quarter % 4 == 0 && per_second > 0 {
                rates.accepted(&tenant(), per_second, now_us);
            }
            let looked = rates.look(now_us).into_iter();
            changes.extend(looked.map(|change| (quarter / 4, change.ended)));
        }
        changes
    }

    #[test]
    fn a_storm_is_one_anomaly_and_ends() {
        let mut rates = Rates::new(RateConfig::default());
        assert_eq!(send(&mut rates, 0, 1_200, 20), []);
        let changes = send(&mut rates, 1_200, 1_230, 1_000);
        assert!(
            matches!(changes[..], [(1_200..=1_212, false)]),
            "{changes:?}"
        );
        let changes = send(&mut rates, 1_230, 1_400, 20);
        assert!(
            matches!(changes[..], [(1_240..=1_330, true)]),
            "{changes:?}"
        );
    }

    #[test]
    fn who_is_new_slow_or_only_busier_is_no_anomaly() {
        for (before, seconds, storm) in [
            // Known for a minute only.
            (20, 60, 1_000),
            // Hardly anything before.
            (0, 1_200, 1_000),
            // Five times as much.
            (100, 1_200, 500),
            // Ten times as much, of very little.
            (1, 1_200, 20),
        ] {
            let mut rates = Rates::new(RateConfig::default());
            rates.accepted(&tenant(), 1, 0);
            assert_eq!(send(&mut rates, 1, seconds, before), [], "{before}");
            assert_eq!(
                send(&mut rates, seconds, seconds + 60, storm),
                [],
                "{before}"
            );
        }
    }

    #[test]
    fn what_lasts_becomes_the_baseline() {
        let mut rates = Rates::new(RateConfig::default());
        send(&mut rates, 0, 1_200, 20);
        let changes = send(&mut rates, 1_200, 6_000, 600);
        assert!(
            matches!(changes[..], [(_, false), (_, true)]),
            "{changes:?}"
        );
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let mut rates = Rates::new(RateConfig::default());
        rates.accepted(&tenant(), 1, 0);
        rates.look(SECOND);
        rates.look(FORGOTTEN_US - 1);
        assert_eq!(rates.tenants.len(), 1);
        rates.look(FORGOTTEN_US);
        assert!(rates.tenants.is_empty());
    }
}
