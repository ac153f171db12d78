//! Places: how many requests that somebody waits for there may be at one
//! moment, of each tenant and of all.
//!
//! A bound for all would let the first tenants that come take every place. So
//! a tenant is given one more only while it has fewer than are free (a dynamic
//! threshold: Choudhury and Hahne, 1998): however many want more, some places
//! stay free for tenants that have none.

use std::collections::HashMap;

use ringfence_model::TenantId;

/// There is no place now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// The tenant has as many as it may have.
    OfTenant {
        /// Its limit.
        limit: u64,
    },
    /// The host has no more for this tenant.
    OfHost {
        /// Places that the tenant has.
        own: u64,
        /// Places that are taken.
        taken: u64,
        /// Places that there are.
        limit: u64,
    },
}

/// All places.
#[derive(Debug)]
pub struct Places {
    limit: u64,
    taken: u64,
    /// Tenants that have any.
    tenants: HashMap<TenantId, u64>,
}

impl Places {
    /// With so many places.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            taken: 0,
            tenants: HashMap::new(),
        }
    }

    /// Takes a place for a tenant that may have so many.
    ///
    /// # Errors
    /// When it has as many, or when no more are free than it has.
    pub fn enter(&mut self, tenant: &TenantId, limit: u64) -> Result<(), NoPlace> {
        let own = self.tenants.get(tenant).copied().unwrap_or(0);
        if own >= limit {
            return Err(NoPlace::OfTenant { limit });
        }
        if own >= self.limit.saturating_sub(self.taken) {
            return Err(NoPlace::OfHost {
                own,
                taken: self.taken,
                limit: self.limit,
            });
        }
        self.taken += 1;
        self.tenants.insert(tenant.clone(), own + 1);
        Ok(())
    }

    /// Gives a place back.
    pub fn leave(&mut self, tenant: &TenantId) {
        let Some(own) = self.tenants.get_mut(tenant) else {
            return;
        };
        *own -= 1;
        self.taken -= 1;
        if *own == 0 {
            self.tenants.remove(tenant);
        }
    }

    /// How many are taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tenant(number: usize) -> TenantId {
        format!("t{number}").parse().unwrap()
    }

    #[test]
    fn who_comes_late_finds_a_place_beside_those_who_want_them_all() {
        let mut places = Places::new(256);
        for round in 0..100 {
            for flood in 0..20 {
                let entered = places.enter(&tenant(flood), 1_000);
                assert!(entered.is_ok() || round > 0);
            }
        }
        // Each has 13, and so many are free as hinder them from one more.
        for flood in 0..20 {
            let refused = places.enter(&tenant(flood), 1_000).unwrap_err();
            assert!(matches!(refused, NoPlace::OfHost { limit: 256, .. }));
        }
        assert!(256 - places.taken() >= 12, "{places:?}");
        for _ in 0..6 {
            assert_eq!(places.enter(&tenant(20), 16), Ok(()));
        }
    }

    proptest! {
        /// Whatever comes and goes: neither bound is passed, a tenant without a
        /// place is refused only where none is free, and all come back.
        #[test]
        fn bounds_hold_and_places_come_back(
            limit in 1u64..20,
            steps in prop::collection::vec((0usize..6, 1u64..8, any::<bool>()), 1..300),
        ) {
            let mut places = Places::new(limit);
            let mut taken = [0u64; 6];
            for (who, own, enters) in steps {
                let all: u64 = taken.iter().sum();
                if !enters && taken[who] > 0 {
                    places.leave(&tenant(who));
                    taken[who] -= 1;
                } else if enters {
                    match places.enter(&tenant(who), own) {
                        Ok(()) => {
                            taken[who] += 1;
                            prop_assert!(taken[who] <= own && all < limit);
                        }
                        Err(NoPlace::OfTenant { limit }) => {
                            prop_assert!(limit == own && taken[who] >= own);
                        }
                        Err(refused) => {
                            let told = NoPlace::OfHost { own: taken[who], taken: all, limit };
                            prop_assert_eq!(refused, told);
                            prop_assert!(taken[who] > 0 || all == limit);
                        }
                    }
                }
            }
            for (who, own) in taken.into_iter().enumerate() {
                (0..own).for_each(|_| places.leave(&tenant(who)));
            }
            prop_assert_eq!(places.taken(), 0);
            prop_assert!(places.tenants.is_empty());
        }
    }
}
