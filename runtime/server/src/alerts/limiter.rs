//! How many alerts are delivered: of one tenant, and of all.

use std::collections::HashMap;

use ringfence_model::TenantId;

use crate::arrival::{Arrival, Bound};

/// Of one tenant: 10 at once, and one each 6 seconds.
const OF_ONE: Bound = Bound {
    spacing_us: 6_000_000,
    burst: 10,
};

/// Of all: 60 at once, and two a second.
const OF_ALL: Bound = Bound {
    spacing_us: 500_000,
    burst: 60,
};

/// Admits alerts. It holds tenants that had one in the last minute only, and of
/// those no more than the bound on all admits in a minute.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    all: Arrival,
    tenants: HashMap<TenantId, Arrival>,
}

impl Limiter {
    /// Whether one more alert of a tenant may be delivered.
    pub(super) fn admits(&mut self, tenant: &TenantId, now_us: u64) -> bool {
        self.tenants.retain(|_, arrival| arrival.0 > now_us);
        let known = self.tenants.get(tenant).copied().unwrap_or_default();
        let (of_one, one_early_us) = known.next(OF_ONE, now_us);
        let (of_all, all_early_us) = self.all.next(OF_ALL, now_us);
        if one_early_us > 0 || all_early_us > 0 {
            return false;
        }
        self.all = of_all;
        self.tenants.insert(tenant.clone(), of_one);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn one_tenant_and_all_are_bounded() {
        let tenant = |at: u64| format!("t-{at}").parse::<TenantId>().unwrap();
        let mut limiter = Limiter::default();
        let mut admitted = |owner: u64, times: u64, now_us: u64| {
            (0..times)
                .filter(|_| limiter.admits(&tenant(owner), now_us))
                .count()
        };
        let now_us = 1_000 * SECOND;
        assert_eq!(admitted(0, 30, now_us), 10);
        assert_eq!(admitted(0, 30, now_us + 6 * SECOND), 1);
        assert_eq!(admitted(1, 30, now_us + 6 * SECOND), 10);
        let now_us = now_us + 600 * SECOND;
        let many: usize = (0..100).map(|owner| admitted(owner, 1, now_us)).sum();
        assert_eq!(many, 60, "of all");
        assert_eq!(admitted(100, 9, now_us + SECOND), 2);
        assert!(limiter.tenants.len() <= 61);
    }
}
