//! What runs of a rule are expected to cost: so that what is cheap can be
//! handed over many at once, and does not wait behind what is not.

use std::collections::HashMap;

use ringfence_model::{FUEL_PER_MICROSECOND, RuleName, TenantId};

/// How fast an expensive run is forgotten: each run takes this part of what
/// is above it off. A rule that is expensive now and then counts as expensive
/// for some dozens of runs.
const DECAY: u64 = 16;

/// Expected costs, in what runs took of their tenant's share
/// ([`ringfence_model::Usage::share`]): of each rule the latest peak, decaying.
#[derive(Debug, Default)]
pub struct Costs {
    tenants: HashMap<TenantId, HashMap<RuleName, u64>>,
}

impl Costs {
    /// What a run of a rule is expected to cost; none if it is not known.
    pub fn expected(&self, tenant: &TenantId, rule: &RuleName) -> Option<u64> {
        self.tenants.get(tenant)?.get(rule).copied()
    }

    /// A run cost this much.
    pub fn ran(&mut self, tenant: &TenantId, rule: &RuleName, fuel: u64) {
        let Some(rules) = self.tenants.get_mut(tenant) else {
            let rules = HashMap::from([(rule.clone(), fuel)]);
            self.tenants.insert(tenant.clone(), rules);
            return;
        };
        match rules.get_mut(rule) {
            Some(expected) if fuel < *expected => *expected -= (*expected - fuel).div_ceil(DECAY),
            Some(expected) => *expected = fuel,
            None => {
                rules.insert(rule.clone(), fuel);
            }
        }
    }

    /// The rule is another one now, or gone.
    pub fn forget(&mut self, tenant: &TenantId, rule: &RuleName) {
        if let Some(rules) = self.tenants.get_mut(tenant) {
            rules.remove(rule);
        }
    }

    /// The tenant is gone.
    pub fn forget_tenant(&mut self, tenant: &TenantId) {
        self.tenants.remove(tenant);
    }
}

/// What one batch may cost: 500 us. So long may a run wait for those before
/// it.
const BATCH_FUEL: u64 = 500 * FUEL_PER_MICROSECOND;

/// What a run costs beside what it is expected to: being handed over, 1 us.
const RUN_FUEL: u64 = FUEL_PER_MICROSECOND;

/// What a batch still has room for.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    fuel: u64,
    runs: usize,
    is_empty: bool,
}

impl Room {
    /// For at most so many runs.
    pub fn new(runs: usize) -> Self {
        Self {
            fuel: BATCH_FUEL,
            runs,
            is_empty: true,
        }
    }

    /// Whether a run fits that is expected to cost so much. The first always
    /// does; one of which nothing is known, only as the first.
    pub fn fits(&self, expected: Option<u64>) -> bool {
        let is_cheap = expected.is_some_and(|expected| cost(expected) <= self.fuel);
        self.runs > 0 && (self.is_empty || is_cheap)
    }

    /// Whether no run fits, whatever it is expected to cost.
    pub fn is_full(&self) -> bool {
        self.runs == 0 || self.fuel < RUN_FUEL
    }

    /// A run is in the batch.
    pub fn take(&mut self, expected: Option<u64>) {
        self.is_empty = false;
        self.runs = self.runs.saturating_sub(1);
        let cost = expected.map_or(u64::MAX, cost);
        self.fuel = self.fuel.saturating_sub(cost);
    }
}

fn cost(expected: u64) -> u64 {
    expected.saturating_add(RUN_FUEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expensive_or_not_known_is_alone_in_its_batch() {
        for first in [None, Some(10_000_000)] {
            let mut room = Room::new(32);
            assert!(room.fits(first));
            room.take(first);
            assert!(!room.fits(Some(0)));
        }
        let mut room = Room::new(32);
        room.take(Some(1_000));
        assert!(!room.fits(None) && !room.fits(Some(10_000_000)));
        assert!(room.fits(Some(1_000)));
    }

    #[test]
    fn a_batch_is_bounded_by_number_and_by_cost() {
        for (expected, places, taken) in [(0, 4, 4), (36_000, 100, 50), (100_000, 100, 19)] {
            let mut room = Room::new(places);
            let mut runs = 0;
            while room.fits(Some(expected)) {
                room.take(Some(expected));
                runs += 1;
            }
            assert_eq!(runs, taken, "{expected}");
        }
    }

    #[test]
    fn one_expensive_run_is_remembered_for_some_dozens() {
        let (tenant, rule) = ("acme".parse().unwrap(), "r".parse().unwrap());
        let mut costs = Costs::default();
        assert_eq!(costs.expected(&tenant, &rule), None);
        costs.ran(&tenant, &rule, 1_000);
        costs.ran(&tenant, &rule, 10_000_000);
        assert_eq!(costs.expected(&tenant, &rule), Some(10_000_000));
        for _ in 0..24 {
            costs.ran(&tenant, &rule, 1_000);
        }
        assert!(costs.expected(&tenant, &rule).unwrap() > 1_000_000);
        for _ in 0..300 {
            costs.ran(&tenant, &rule, 1_000);
        }
        assert_eq!(costs.expected(&tenant, &rule), Some(1_000));
        costs.forget(&tenant, &rule);
        assert_eq!(costs.expected(&tenant, &rule), None);
    }
}
