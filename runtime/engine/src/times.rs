//! How long things took: counts of a tenant's in few bytes.

/// Bounds of the buckets, in microseconds: up to a minute, each at most 3
/// times the one before it.
const BOUNDS_US: [u64; 21] = [
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000,
    500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 60_000_000,
];
const BUCKETS: usize = BOUNDS_US.len() + 1;

/// Quantiles are of this minute and the one before it.
const MINUTE_US: u64 = 60_000_000;

/// How long some things took, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimesView {
    /// How many there were.
    pub count: u64,
    /// How long they took together.
    pub sum_us: u64,
    /// Of the last one to two minutes, if there were any.
    pub lately: Option<Quantiles>,
}

/// How long things took, in microseconds. Quantiles are interpolated between
/// bounds that are at most a factor of 3 apart; never more than the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantiles {
    /// Half of them took no longer.
    pub p50_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Minute {
    buckets: [u32; BUCKETS],
    max_us: u64,
}

/// Counts times. Some 220 bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    count: u64,
    sum_us: u64,
    /// When the present minute began.
    since_us: u64,
    now: Minute,
    before: Minute,
}

impl Times {
    pub(crate) fn observe(&mut self, us: u64, now_us: u64) {
        let passed_us = now_us.saturating_sub(self.since_us);
        if passed_us >= MINUTE_US {
            let now = std::mem::take(&mut self.now);
            self.before = if passed_us < 2 * MINUTE_US {
                now
            } else {
                Minute::default()
            };
            self.since_us = now_us;
        }
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < us);
        let count = &mut self.now.buckets[bucket];
        *count = count.saturating_add(1);
        self.now.max_us = self.now.max_us.max(us);
    }

    pub(crate) fn view(&self, now_us: u64) -> TimesView {
        TimesView {
            count: self.count,
            sum_us: self.sum_us,
            lately: self.lately(now_us),
        }
    }

    fn lately(&self, now_us: u64) -> Option<Quantiles> {
        let minutes: &[&Minute] = match now_us.saturating_sub(self.since_us) / MINUTE_US {
            0 => &[&self.now, &self.before],
            1 => &[&self.now],
            _ => &[],
        };
        let mut buckets = [0u64; BUCKETS];
        for minute in minutes {
            for (sum, count) in buckets.iter_mut().zip(minute.buckets) {
                *sum += u64::from(count);
            }
        }
        let max_us = minutes.iter().map(|minute| minute.max_us).max()?;
        Some(Quantiles {
            p50_us: quantile(&buckets, 50, max_us)?,
            p99_us: quantile(&buckets, 99, max_us)?,
            max_us,
        })
    }
}

/// So many of 100 are no longer. Within a bucket they are taken to be spread
/// evenly.
fn quantile(buckets: &[u64; BUCKETS], percent: u64, max_us: u64) -> Option<u64> {
    let all: u64 = buckets.iter().sum();
    let mut wanted = (all * percent).div_ceil(100);
    if all == 0 {
        return None;
    }
    let mut above_us = 0;
    for (at, count) in buckets.iter().enumerate() {
        let upto_us = BOUNDS_US
            .get(at)
            .map_or(max_us, |bound| (*bound).min(max_us));
        if wanted <= *count {
            let width_us = upto_us.saturating_sub(above_us);
            return Some(above_us + width_us * wanted / count);
        }
        wanted -= count;
        above_us = upto_us;
    }
    Some(max_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 1_000_000_000;

    #[test]
    fn times_are_of_the_last_two_minutes_and_counts_of_all() {
        let mut times = Times::default();
        assert_eq!(times.view(NOW_US), TimesView::default());
        times.observe(3_000, NOW_US);
        times.observe(30, NOW_US + MINUTE_US);
        let max_us = |times: &Times, now_us| times.view(now_us).lately.map(|lately| lately.max_us);
        assert_eq!(max_us(&times, NOW_US + MINUTE_US), Some(3_000));
        assert_eq!(max_us(&times, NOW_US + 2 * MINUTE_US), Some(30));
        assert_eq!(max_us(&times, NOW_US + 3 * MINUTE_US), None);
        times.observe(40, NOW_US + 9 * MINUTE_US);
        let view = times.view(NOW_US + 9 * MINUTE_US);
        assert_eq!((view.count, view.sum_us), (3, 3_070));
        assert_eq!(view.lately.unwrap().max_us, 40);
    }

    /// A quantile is in the bucket of the true one, and never more than the
    /// longest.
    #[test]
    fn quantiles_are_near() {
        for seed in 1u64..200 {
            // Of all sizes up to 100 s.
            let time = |at: u64| {
                let mixed = (seed * 1_000 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (mixed >> 32) % 10u64.pow(1 + (mixed % 8) as u32)
            };
            let mut all: Vec<u64> = (0..seed).map(time).collect();
            let mut times = Times::default();
            for us in &all {
                times.observe(*us, NOW_US);
            }
            let lately = times.view(NOW_US).lately.unwrap();
            all.sort_unstable();
            assert_eq!(lately.max_us, all[all.len() - 1]);
            for (percent, found_us) in [(50, lately.p50_us), (99, lately.p99_us)] {
                let true_us = all[(all.len() * percent).div_ceil(100) - 1];
                let bucket = BOUNDS_US.partition_point(|bound| *bound < true_us);
                let above_us = bucket.checked_sub(1).map_or(0, |at| BOUNDS_US[at]);
                let upto_us = BOUNDS_US.get(bucket).map_or(u64::MAX, |bound| *bound);
                let is_near = found_us >= above_us && found_us <= upto_us.min(lately.max_us);
                assert!(is_near, "{seed}, {percent}: {found_us} is not {true_us}");
            }
        }
    }
}
