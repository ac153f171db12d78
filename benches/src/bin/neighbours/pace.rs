//! When requests are meant to be sent: a plan that does not wait for answers.

use std::thread;
use std::time::Duration;

use ringfence_engine::Clock;

/// SplitMix64: <https://prng.di.unimi.it/splitmix64.c>.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`; the bias does not matter here.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// More than 0, at most 1.
    fn part(&mut self) -> f64 {
        const STEPS: u64 = 1 << 53;
        ((self.next() % STEPS) + 1) as f64 / STEPS as f64
    }
}

/// Arrivals of a Poisson process: so many a second, for so long, in microseconds
/// from its beginning. The process is memoryless, as many independent senders
/// are together, and so has bursts that an even pace would hide.
pub(crate) fn arrivals(rate: f64, micros: u64, random: &mut Random) -> Vec<u64> {
    let mean_us = 1e6 / rate;
    let mut at_us = 0.0;
    let next = || {
        at_us -= random.part().ln() * mean_us;
        (at_us < micros as f64).then_some(at_us as u64)
    };
    std::iter::from_fn(next).collect()
}

/// Returns at this time, in microseconds since 1970; at once if it is over.
pub(crate) fn wait_until(clock: &dyn Clock, at_us: u64) {
    let left = at_us.saturating_sub(clock.now_us());
    if left > 0 {
        thread::sleep(Duration::from_micros(left));
    }
}

/// An even pace. What was missed is not made up for: who is to be kept busy
/// is not to be hit by all of it at once.
pub(crate) struct Ticks {
    next_us: u64,
    every_us: u64,
}

impl Ticks {
    pub(crate) fn new(from_us: u64, every_us: u64) -> Self {
        Self {
            next_us: from_us,
            every_us,
        }
    }

    /// When the next is due, seen from now.
    pub(crate) fn next(&mut self, now_us: u64) -> u64 {
        let at_us = self.next_us;
        self.next_us = (at_us + self.every_us).max(now_us);
        at_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_in_order_and_as_many_as_asked_for() {
        let plan = arrivals(2_000.0, 10_000_000, &mut Random(1));
        assert!(plan.is_sorted());
        assert!(plan.last().is_some_and(|last| *last < 10_000_000));
        // 20,000 are expected, with a standard deviation of 141.
        assert!((19_300..20_700).contains(&plan.len()), "{}", plan.len());
        assert_eq!(plan, arrivals(2_000.0, 10_000_000, &mut Random(1)));
        assert_ne!(plan, arrivals(2_000.0, 10_000_000, &mut Random(2)));
    }

    #[test]
    fn gaps_between_arrivals_are_exponential() {
        let plan = arrivals(1_000.0, 100_000_000, &mut Random(3));
        let gaps: Vec<u64> = plan.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let longer = |micros: u64| {
            let count = gaps.iter().filter(|gap| **gap > micros).count();
            count as f64 / gaps.len() as f64
        };
        // The part that is longer than x means is e to the power of minus x.
        for (micros, part) in [(500, 0.607), (1_000, 0.368), (3_000, 0.050)] {
            assert!((longer(micros) - part).abs() < 0.01, "{micros}");
        }
    }

    #[test]
    fn a_late_pace_does_not_catch_up() {
        let mut ticks = Ticks::new(1_000, 100);
        assert_eq!(ticks.next(900), 1_000);
        assert_eq!(ticks.next(1_050), 1_100);
        // Half a second late: the one that was due, then the pace goes on.
        assert_eq!(ticks.next(501_100), 1_200);
        assert_eq!(ticks.next(501_150), 501_100);
        assert_eq!(ticks.next(501_150), 501_200);
    }
}
