//! Who goes on sending what is refused is refused more slowly.
//!
//! A refusal costs the host nearly as much as what it refuses, and a client
//! that does not heed `Retry-After` can ask for thousands in a second. So beyond
//! some of them, the answers to a tenant's refused requests are held back, and
//! each connection that waits for one sends nothing meanwhile, as web servers
//! delay what is too fast.

use crate::arrival::{Arrival, Bound};

/// Refusals that are answered without delay: 20 at once, and ten a second.
const PROMPT: Bound = Bound {
    spacing_us: 100_000,
    burst: 20,
};

/// No answer is held back for longer, in microseconds: every refusal asks its
/// client to wait for that at least.
const HELD_US_MAX: u64 = 1_000_000;

/// How much a tenant insists. Times are in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Insistence(Arrival);

impl Insistence {
    /// For how long to hold back the answer to a request that is refused now.
    pub(crate) fn refused(&mut self, now_us: u64) -> u64 {
        let (next, early_us) = self.0.next(PROMPT, now_us);
        let held_us = early_us.min(HELD_US_MAX);
        // No later than that, also where a clock was set back.
        self.0 = Arrival(next.0 - (early_us - held_us));
        held_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 1_764_000_000_000_000;

    #[test]
    fn some_refusals_are_answered_at_once_and_more_are_not() {
        let mut insistence = Insistence::default();
        let held = |count: u64, now_us, insistence: &mut Insistence| -> Vec<u64> {
            (0..count).map(|_| insistence.refused(now_us)).collect()
        };
        let first = held(PROMPT.burst, NOW_US, &mut insistence);
        assert_eq!(first, vec![0; 20]);
        let more = held(3, NOW_US, &mut insistence);
        assert_eq!(
            more,
            [
                PROMPT.spacing_us,
                2 * PROMPT.spacing_us,
                3 * PROMPT.spacing_us
            ]
        );
        // However many they are, none waits for longer than it was told to.
        let most = held(100, NOW_US, &mut insistence);
        assert!(most.iter().all(|held| *held <= HELD_US_MAX));
        // Who stops for a while is answered at once again.
        let later = NOW_US + HELD_US_MAX + (PROMPT.burst + 1) * PROMPT.spacing_us;
        assert_eq!(held(PROMPT.burst, later, &mut insistence), vec![0; 20]);
    }

    /// One connection that sends again as soon as it is answered.
    #[test]
    fn a_connection_gets_ten_refusals_a_second() {
        let (mut insistence, mut now_us, mut count) = (Insistence::default(), NOW_US, 0);
        while now_us < NOW_US + 10_000_000 {
            now_us += 200 + insistence.refused(now_us);
            count += 1;
        }
        assert!((110..=125).contains(&count), "{count}");
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nobody_for_longer() {
        let mut insistence = Insistence::default();
        insistence.refused(NOW_US);
        assert_eq!(insistence.refused(1_000), HELD_US_MAX);
        assert_eq!(insistence.refused(1_000 + 4_000_000), 0);
    }
}
