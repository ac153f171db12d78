//! How fast a tenant's backlog gets less: when there is room again.

use crate::decayed::Decayed;

/// What is so old counts half, in microseconds: long enough for a tenant that
/// is served now and then, short enough to follow a host that falls behind.
const HALF_LIFE_US: u64 = 5_000_000;

/// Bounds of what a client is told to wait: never at once, and never so long
/// that a backlog which is gone sooner stays unused.
const WAIT_US_MIN: u64 = 1_000_000;
const WAIT_US_MAX: u64 = 60_000_000;

/// One tenant's events that are done, lately.
#[derive(Debug, Clone, Copy, Default)]
pub struct Drain {
    events: Decayed,
    bytes: Decayed,
}

impl Drain {
    /// An event of this size is done.
    pub fn done(&mut self, bytes: u64, now_us: u64) {
        self.events.add(1.0, HALF_LIFE_US, now_us);
        self.bytes.add(bytes as f64, HALF_LIFE_US, now_us);
    }

    /// When so many events fewer will wait, in microseconds from now, if it
    /// goes on like this: 1 to 60 seconds.
    pub fn wait_for_events(&self, events: u64, now_us: u64) -> u64 {
        wait(events, self.events.per_second(HALF_LIFE_US, now_us))
    }

    /// The same for bytes of events.
    pub fn wait_for_bytes(&self, bytes: u64, now_us: u64) -> u64 {
        wait(bytes, self.bytes.per_second(HALF_LIFE_US, now_us))
    }
}

fn wait(amount: u64, per_second: f64) -> u64 {
    // A float that is too large, or infinite, becomes the greatest number.
    let wait_us = amount as f64 / per_second * 1_000_000.0;
    (wait_us as u64).clamp(WAIT_US_MIN, WAIT_US_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_backlog_that_does_not_move_is_waited_for_as_long_as_may_be() {
        let drain = Drain::default();
        assert_eq!(drain.wait_for_events(1, 5), WAIT_US_MAX);
        let mut drain = Drain::default();
        drain.done(100, 1_000_000);
        assert_eq!(drain.wait_for_events(1, 600_000_000), WAIT_US_MAX);
        assert_eq!(drain.wait_for_bytes(0, 1_000_000), WAIT_US_MIN);
    }

    proptest! {
        /// After half a minute of a steady pace, the wait is what it takes at
        /// that pace.
        #[test]
        fn a_steady_pace_is_known(every_us in 2_000u64..1_000_000, size in 1u64..10_000, events in 1u64..10_000) {
            let mut drain = Drain::default();
            let mut now_us = 1_000_000;
            while now_us < 31_000_000 {
                now_us += every_us;
                drain.done(size, now_us);
            }
            let exact = (events * every_us).clamp(WAIT_US_MIN, WAIT_US_MAX) as f64;
            let by_events = drain.wait_for_events(events, now_us) as f64;
            let by_bytes = drain.wait_for_bytes(events * size, now_us) as f64;
            for wait in [by_events, by_bytes] {
                prop_assert!((0.85..1.1).contains(&(wait / exact)), "{} of {}", wait, exact);
            }
        }
    }
}
