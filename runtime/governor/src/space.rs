//! Space: memory that all tenants share for what waits.
//!
//! Dynamic thresholds (Choudhury and Hahne, "Dynamic Queue Length Thresholds
//! for Shared-Memory Packet Switches", 1998), with a factor of 1: a tenant may
//! hold as much as is still free. Where few have a backlog, each holds much;
//! where many have, each holds less; and some is always kept free for who comes
//! next, without anybody being looked at but the tenant whose turn it is.

/// What a tenant may hold in any case, in bytes: a page of some events. Every
/// backlog makes progress, however many there are.
const SHARE_MIN: u64 = 16 * 1024;

/// Memory that tenants share, in bytes. Holds its bound, and beyond it for each
/// tenant at most 16 KiB, or one event where that is larger.
#[derive(Debug, Default)]
pub struct Space {
    max: u64,
    held: u64,
}

impl Space {
    /// With so many bytes.
    pub fn new(max: u64) -> Self {
        Self { max, held: 0 }
    }

    /// How much is held, in bytes.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// What one tenant may hold now, in bytes.
    pub fn share(&self) -> u64 {
        self.max.saturating_sub(self.held).max(SHARE_MIN)
    }

    /// Whether a tenant that holds so much may hold so much more.
    pub fn fits(&self, own: u64, more: u64) -> bool {
        let after = own.saturating_add(more);
        // It grows by what is taken of what is free.
        after <= SHARE_MIN || self.is_free(more) && after <= self.share()
    }

    /// The same for what is not to wait behind the tenant's own backlog: up to
    /// a quarter more than its share.
    pub fn fits_ahead(&self, own: u64, more: u64) -> bool {
        let share = self.share();
        let after = own.saturating_add(more);
        after <= SHARE_MIN || self.is_free(more) && after <= share.saturating_add(share / 4)
    }

    fn is_free(&self, more: u64) -> bool {
        self.held.saturating_add(more) <= self.max
    }

    /// So much more is held.
    pub fn take(&mut self, bytes: u64) {
        self.held = self.held.saturating_add(bytes);
    }

    /// So much less is held.
    pub fn give(&mut self, bytes: u64) {
        self.held = self.held.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const EVENT_MAX: u64 = 40_000;

    /// Loads events as an engine does: what fits, and one in any case.
    fn load(space: &mut Space, own: &mut u64, event: u64) -> bool {
        let fits = *own == 0 || space.fits(*own, event);
        if fits {
            space.take(event);
            *own += event;
        }
        fits
    }

    proptest! {
        /// Whoever comes and goes: the bound holds, but for the least of each
        /// tenant, and who has nothing always gets something.
        #[test]
        fn the_bound_holds_and_everybody_makes_progress(
            max in 0u64..4_000_000,
            turns in prop::collection::vec((0usize..40, 1..=EVENT_MAX, any::<bool>()), 1..600),
        ) {
            let mut space = Space::new(max);
            let mut held = BTreeMap::<usize, (u64, Vec<u64>)>::new();
            for (tenant, event, ends) in turns {
                let (own, events) = held.entry(tenant).or_default();
                if ends && let Some(event) = events.pop() {
                    space.give(event);
                    *own -= event;
                } else if load(&mut space, own, event) {
                    events.push(event);
                } else {
                    prop_assert!(!events.is_empty(), "who has nothing gets something");
                }
                let sum: u64 = held.values().map(|(own, _)| own).sum();
                prop_assert_eq!(space.held(), sum);
                let least = SHARE_MIN.max(EVENT_MAX) * held.len() as u64;
                prop_assert!(sum <= max + least, "{sum} of {max}");
            }
        }

        /// What goes ahead does not go beyond the bound, either.
        #[test]
        fn what_goes_ahead_is_bounded_too(
            max in 0u64..4_000_000,
            turns in prop::collection::vec((0usize..40, 1..=EVENT_MAX), 1..600),
        ) {
            let mut space = Space::new(max);
            let mut held = [0; 40];
            for (tenant, event) in turns {
                let own = &mut held[tenant];
                if space.fits_ahead(*own, event) {
                    space.take(event);
                    *own += event;
                }
                prop_assert!(space.held() <= max + 40 * SHARE_MIN);
            }
        }
    }

    /// Backlogs without end, taken in turns: all hold about the same, and who
    /// comes next finds room for as much again.
    #[test]
    fn all_hold_about_the_same_and_some_is_kept_free() {
        for (tenants, least) in [(1, 500), (3, 240), (9, 90), (10_000, 16)] {
            let mut space = Space::new(1_024 * 1_000);
            let mut held = vec![0; tenants];
            for _ in 0..2_000 {
                for own in &mut held {
                    load(&mut space, own, 1_000);
                }
            }
            let (min, max) = (held.iter().min().unwrap(), held.iter().max().unwrap());
            assert!(*min >= least * 1_000, "{tenants}: {min}");
            assert!(max - min <= 1_000, "{tenants}: {min} to {max}");
            assert!(space.share() + 1_000 >= *max, "{tenants}: none is free");
        }
    }
}
