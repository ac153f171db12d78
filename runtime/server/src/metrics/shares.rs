//! Metrics of single tenants: of the few that took most lately, and of all
//! others together.
//!
//! A counter of one tenant counts what happens while the tenant is listed, and
//! that of the others what happens while it is not. So each only ever grows,
//! none jumps when a tenant comes into the list or leaves it, and together they
//! are everything: rates are right, whoever is listed when.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use ringfence_engine::{Engine, Leader, TallyOfAll};
use ringfence_model::TenantId;

use super::member;

/// Tenants that are listed at one moment.
const LISTED_MAX: usize = 20;

/// Stands for all that are not listed. No tenant has such a name.
const OTHERS: &str = "_other";

const MICROS_PER_SECOND: f64 = 1_000_000.0;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTenant {
    tenant: String,
}

/// What is so now.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    /// What all tenants took.
    pub(crate) all: TallyOfAll,
    /// The tenants to be listed.
    pub(crate) leaders: Vec<Leader>,
    /// How long the oldest event of each has waited, in microseconds.
    pub(crate) ages_us: BTreeMap<TenantId, u64>,
}

impl Shares {
    /// Asks the engine, and the store for the oldest events. Who is `listed`
    /// already stays for a while. Where the store does not answer, ages are
    /// missing.
    pub(crate) async fn now(engine: &Engine, listed: &[TenantId]) -> Self {
        let (all, leaders) = engine.leaders(LISTED_MAX, listed);
        let mut ages_us = BTreeMap::new();
        for Leader { tenant, .. } in &leaders {
            let oldest_us = match engine.oldest_waiting(tenant).await {
                Ok(oldest_us) => oldest_us,
                Err(error) => {
                    tracing::warn!(%error, "how long events have waited is not known");
                    break;
                }
            };
            let now_us = engine.clock().now_us();
            let age_us = oldest_us.map_or(0, |oldest_us| now_us.saturating_sub(oldest_us));
            ages_us.insert(tenant.clone(), age_us);
        }
        Self {
            all,
            leaders,
            ages_us,
        }
    }
}

/// What is counted of a tenant, or of all.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    fuel: u64,
    executions: u64,
    refused: u64,
}

impl Counts {
    fn of(leader: &Leader) -> Self {
        let tally = &leader.tally;
        Self {
            fuel: tally.fuel,
            executions: tally.executions,
            refused: tally.refused.iter().map(|(_, count)| count).sum(),
        }
    }

    fn of_all(all: &TallyOfAll) -> Self {
        Self {
            fuel: all.fuel,
            executions: all.executions,
            refused: all.refused,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            fuel: self.fuel.saturating_sub(other.fuel),
            executions: self.executions.saturating_sub(other.executions),
            refused: self.refused.saturating_sub(other.refused),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            fuel: self.fuel.saturating_add(other.fuel),
            executions: self.executions.saturating_add(other.executions),
            refused: self.refused.saturating_add(other.refused),
        }
    }
}

/// A tenant that is listed.
#[derive(Debug, Clone, Copy)]
struct Listed {
    /// Distinguishes it from a later one with the same name.
    lifetime: u64,
    /// When it came into the list.
    before: Counts,
    /// As shown last.
    shown: Counts,
}

/// Who is listed.
#[derive(Debug, Default)]
struct List {
    tenants: HashMap<TenantId, Listed>,
    /// What was shown of those that left the list.
    left: Counts,
}

impl List {
    /// Takes over who is listed now; answers what to show of each, in their
    /// order, and of the others together.
    fn update(&mut self, all: Counts, leaders: &[Leader]) -> (Vec<Counts>, Counts) {
        let mut before = std::mem::take(&mut self.tenants);
        let mut counts = Vec::with_capacity(leaders.len());
        let mut listed = Counts::default();
        for leader in leaders {
            let (now, lifetime) = (Counts::of(leader), leader.tally.lifetime);
            let known = before.get(&leader.tenant);
            let known = known.filter(|known| known.lifetime == lifetime);
            let begun = known.map_or(now, |known| known.before);
            if known.is_some() {
                before.remove(&leader.tenant);
            }
            let entry = Listed {
                lifetime,
                before: begun,
                shown: now.minus(begun),
            };
            counts.push(entry.shown);
            listed = listed.plus(entry.shown);
            self.tenants.insert(leader.tenant.clone(), entry);
        }
        self.left = before
            .values()
            .fold(self.left, |left, gone| left.plus(gone.shown));
        (counts, all.minus(listed).minus(self.left))
    }
}

#[derive(Debug)]
pub(super) struct Tenants {
    fuel: Family<OfTenant, Counter>,
    executions: Family<OfTenant, Counter>,
    refused: Family<OfTenant, Counter>,
    share: Family<OfTenant, Gauge<f64, AtomicU64>>,
    waiting: Family<OfTenant, Gauge>,
    age: Family<OfTenant, Gauge<f64, AtomicU64>>,
    list: Mutex<List>,
}

impl Tenants {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let tenants = Self {
            fuel: Family::default(),
            executions: Family::default(),
            refused: Family::default(),
            share: Family::default(),
            waiting: Family::default(),
            age: Family::default(),
            list: Mutex::default(),
        };
        registry.register(
            "tenant_fuel_used",
            "Fuel charged to a tenant's executions while it is listed: of the 20 that took most \
             lately, and of the others",
            tenants.fuel.clone(),
        );
        registry.register(
            "tenant_executions",
            "A tenant's executions made durable while it is listed",
            tenants.executions.clone(),
        );
        registry.register(
            "tenant_refusals",
            "A tenant's requests answered by a problem while it is listed",
            tenants.refused.clone(),
        );
        registry.register_with_unit(
            "tenant_share",
            "A tenant's part of what all took lately: 10 seconds ago counts half",
            Unit::Other("ratio".into()),
            tenants.share.clone(),
        );
        registry.register(
            "tenant_events_waiting",
            "A tenant's events that wait, in memory and on disk",
            tenants.waiting.clone(),
        );
        registry.register_with_unit(
            "tenant_oldest_event_age",
            "How long the oldest event of a listed tenant has waited",
            Unit::Seconds,
            tenants.age.clone(),
        );
        tenants
    }

    /// Who is listed.
    pub(super) fn listed(&self) -> Vec<TenantId> {
        self.list.lock().tenants.keys().cloned().collect()
    }

    /// Takes over what is so now, beside the events that wait of all. Not at the same time as another: see
    /// [`super::Metrics::scrape`].
    pub(super) fn set(&self, shares: &Shares, all_waiting: u64) {
        let all = Counts::of_all(&shares.all);
        let (counts, of_others) = self.list.lock().update(all, &shares.leaders);
        self.clear();
        let (mut share, mut waiting) = (0.0, 0);
        for (leader, counts) in shares.leaders.iter().zip(counts) {
            let of = OfTenant {
                tenant: leader.tenant.to_string(),
            };
            self.count(&of, counts);
            member(&self.share, &of).set(leader.tally.share);
            member(&self.waiting, &of).set(signed(leader.waiting));
            if let Some(&age_us) = shares.ages_us.get(&leader.tenant) {
                member(&self.age, &of).set(age_us as f64 / MICROS_PER_SECOND);
            }
            share += leader.tally.share;
            waiting += leader.waiting;
        }
        let others = OfTenant {
            tenant: OTHERS.to_owned(),
        };
        self.count(&others, of_others);
        let is_idle = shares.leaders.is_empty();
        let share = if is_idle { 0.0 } else { 1.0 - share };
        member(&self.share, &others).set(share.max(0.0));
        let waiting = all_waiting.saturating_sub(waiting);
        member(&self.waiting, &others).set(signed(waiting));
    }

    fn clear(&self) {
        self.fuel.clear();
        self.executions.clear();
        self.refused.clear();
        self.share.clear();
        self.waiting.clear();
        self.age.clear();
    }

    fn count(&self, of: &OfTenant, counts: Counts) {
        for (family, count) in [
            (&self.fuel, counts.fuel),
            (&self.executions, counts.executions),
            (&self.refused, counts.refused),
        ] {
            member(family, of).inner().store(count, Ordering::Relaxed);
        }
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use ringfence_engine::{Tally, TimesView};

    use super::*;

    pub(in crate::metrics) fn leader(name: &str, lifetime: u64, fuel: u64) -> Leader {
        Leader {
            tenant: name.parse().unwrap(),
            tally: Tally {
                lifetime,
                executions: 0,
                fuel,
                accepted: 0,
                refused: Vec::new(),
                share: 0.0,
                queued: TimesView::default(),
                ran: TimesView::default(),
            },
            waiting: 0,
        }
    }

    /// Each counter only ever grows, and what all show is everything.
    #[test]
    fn counters_grow_whoever_is_listed_when() {
        let mut list = List::default();
        let mut shown: HashMap<String, u64> = HashMap::new();
        let mut left = 0;
        // What each has used, and who is listed, at some moments.
        /// What tenants took, and what all did.
        type Then = (&'static [(&'static str, u64, u64)], u64);
        let moments: [Then; 6] = [
            (&[], 0),
            (&[("a", 1, 100)], 150),
            (&[("a", 1, 300), ("b", 2, 50)], 400),
            (&[("b", 2, 90)], 600),
            (&[("a", 1, 500), ("b", 2, 90)], 700),
            // Another tenant of the same name.
            (&[("b", 3, 40)], 900),
        ];
        let mut of_others = 0;
        for (listed, all) in moments {
            let leaders: Vec<_> = listed.iter().map(|(n, l, f)| leader(n, *l, *f)).collect();
            let all = Counts {
                fuel: all,
                ..Counts::default()
            };
            let (counts, others) = list.update(all, &leaders);
            assert!(others.fuel >= of_others, "{others:?}");
            of_others = others.fuel;
            let now: HashMap<String, u64> = listed
                .iter()
                .zip(counts)
                .map(|((name, lifetime, _), counts)| (format!("{name}{lifetime}"), counts.fuel))
                .collect();
            for (name, before) in &shown {
                match now.get(name) {
                    Some(fuel) => assert!(fuel >= before, "{name}"),
                    None => left += before,
                }
            }
            shown = now;
            let sum: u64 = shown.values().sum();
            assert_eq!(sum + left + others.fuel, all.fuel);
        }
        assert_eq!((shown["b3"], left), (0, 240));
    }
}
