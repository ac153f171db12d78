//! Pace: how many results to make durable at once.

use crate::scheduler::Briefs;

/// How long it should take, in microseconds: 5 ms.
const TARGET_US: u64 = 5_000;

/// Where to begin at all takes long, as on a slow disk, it may take so many
/// times that: the most of it is work then, whatever begins cost.
const FLOORS: u64 = 4;

/// So few at once say how long it takes to begin.
const FEW: usize = 4;

/// The bounds of what is done at once.
const LEAST: usize = 16;
const MOST: usize = 64;

/// By how many more it is done where that is needed.
const STEP: usize = 8;

/// How many results to make durable at once. Who comes meanwhile waits, so it
/// is as few as take 5 ms; but more at once are less work for each, and all of
/// it is needed where nobody has little to do, or where those who have cannot be
/// preferred any more. More are added one by one, and less is done by a part at a
/// time (additive increase, multiplicative decrease; Chiu and Jain, 1989).
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    at_once: usize,
    /// What few take at least, in microseconds; it is forgotten by and by.
    floor_us: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            at_once: MOST,
            floor_us: TARGET_US / FLOORS,
        }
    }
}

impl Pace {
    /// The most results to make durable at once now: 16 to 64.
    pub fn at_once(&self) -> usize {
        self.at_once
    }

    /// How much may be under way: one commit, and the next, which comes together
    /// meanwhile.
    pub fn under_way_max(&self) -> usize {
        2 * self.at_once
    }

    /// So many were, in so many microseconds, while those with little to do fared
    /// so.
    pub fn took(&mut self, count: usize, took_us: u64, briefs: Briefs) {
        if count <= FEW {
            // The least, because others may be in the way of one.
            self.floor_us = took_us.min(self.floor_us + self.floor_us.div_ceil(16));
        }
        if count < self.at_once {
            return;
        }
        let target_us = TARGET_US.max(FLOORS.saturating_mul(self.floor_us));
        let more = if briefs.waited || !briefs.had_turn {
            STEP
        } else {
            usize::from(took_us <= target_us)
        };
        self.at_once = if more == 0 {
            (self.at_once - self.at_once.div_ceil(8)).max(LEAST)
        } else {
            (self.at_once + more).min(MOST)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVED: Briefs = Briefs {
        had_turn: true,
        waited: false,
    };

    /// Where to begin takes this long and each thing that: how many are done at
    /// once in the end, all being there; now and then there is one only.
    fn settled(begin_us: u64, each_us: u64) -> usize {
        let mut pace = Pace::default();
        for round in 0..1_000 {
            let count = if round % 10 == 0 { 1 } else { pace.at_once() };
            pace.took(count, begin_us + each_us * count as u64, SERVED);
            assert!((LEAST..=MOST).contains(&pace.at_once()));
        }
        pace.at_once()
    }

    #[test]
    fn it_takes_about_as_long_as_it_should() {
        for (begin_us, each_us, least, most) in [
            (300, 40, MOST, MOST),
            (300, 150, 27, 34),
            (300, 300, LEAST, 17),
            (300, 5_000, LEAST, LEAST),
            // A slow disk: to do little at once would do little at all.
            (10_000, 300, 64, 64),
            (5_000, 300, 45, 64),
        ] {
            let settled = settled(begin_us, each_us);
            assert!(
                (least..=most).contains(&settled),
                "{settled} of {begin_us}, {each_us}"
            );
        }
    }

    #[test]
    fn it_follows_what_things_cost() {
        let mut pace = Pace::default();
        for each_us in [40, 300, 40] {
            for _ in 0..200 {
                let at_once = pace.at_once();
                pace.took(at_once, 300 + each_us * at_once as u64, SERVED);
            }
            assert_eq!(pace.at_once() == MOST, each_us == 40);
        }
    }

    /// Whoever waits then waits for all to be done, whatever comes first.
    #[test]
    fn it_does_all_that_it_can_where_nobody_is_to_be_preferred() {
        for (had_turn, waited) in [(true, true), (false, false)] {
            let mut pace = Pace::default();
            for _ in 0..100 {
                pace.took(pace.at_once(), 20_000, SERVED);
            }
            assert_eq!(pace.at_once(), LEAST);
            for _ in 0..7 {
                pace.took(pace.at_once(), 20_000, Briefs { had_turn, waited });
            }
            assert_eq!(pace.at_once(), MOST);
        }
    }
}
