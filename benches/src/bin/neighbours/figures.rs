//! Percentiles.

use serde_json::{Value, json};

/// How long some things took, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) count: usize,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

impl Times {
    pub(crate) fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        Self {
            count: micros.len(),
            p50: rank(&micros, 500),
            p99: rank(&micros, 990),
            p999: rank(&micros, 999),
            max: rank(&micros, 1000),
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "count": self.count,
            "p50_ms": millis(self.p50),
            "p99_ms": millis(self.p99),
            "p999_ms": millis(self.p999),
            "max_ms": millis(self.max),
        })
    }
}

/// The least value that is not exceeded by so many of 1,000 values (nearest
/// rank); 0 where there are none.
fn rank(sorted: &[u64], part: usize) -> u64 {
    let rank = (sorted.len() * part).div_ceil(1000);
    rank.checked_sub(1).map_or(0, |index| sorted[index])
}

pub(crate) fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

/// How many times as much; none of nothing.
pub(crate) fn ratio(now: u64, before: u64) -> Option<f64> {
    (before > 0).then(|| now as f64 / before as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let times = Times::of((1..=1000).rev().collect());
        let expected = Times {
            count: 1000,
            p50: 500,
            p99: 990,
            p999: 999,
            max: 1000,
        };
        assert_eq!(times, expected);
    }

    #[test]
    fn few_values_have_percentiles_too() {
        assert_eq!(Times::of(vec![]), Times::default());
        let one = Times::of(vec![7]);
        assert_eq!((one.p50, one.p99, one.p999, one.max), (7, 7, 7, 7));
        let three = Times::of(vec![3, 1, 2]);
        assert_eq!((three.p50, three.p99, three.max), (2, 3, 3));
    }

    #[test]
    fn a_ratio_to_nothing_is_none() {
        assert_eq!(ratio(3, 2), Some(1.5));
        assert_eq!(ratio(3, 0), None);
    }
}
