//! How busy the workers are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringfence_governor::Decayed;

use crate::tally::HALF_US;

/// What the workers have been at work. Counted when a worker has done what it
/// took at once.
#[derive(Debug, Default)]
pub(crate) struct Busy(AtomicU64);

impl Busy {
    /// A worker was at work for so long, in microseconds.
    pub(crate) fn add(&self, us: u64) {
        self.0.fetch_add(us, Ordering::Relaxed);
    }

    /// All workers together since the process began, in microseconds.
    pub(crate) fn us(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Which part of the workers' time was work, lately.
#[derive(Debug, Default)]
pub(crate) struct Utilisation {
    seen_us: u64,
    busy: Decayed,
    /// What there was to be used.
    time: Decayed,
    looked_us: Option<u64>,
}

impl Utilisation {
    /// Takes over what was done since the latest look, by so many workers.
    pub(crate) fn look(&mut self, busy_us: u64, workers: u64, now_us: u64) {
        let done_us = busy_us.saturating_sub(self.seen_us);
        self.busy.add(done_us as f64, HALF_US, now_us);
        self.seen_us = busy_us;
        if let Some(looked_us) = self.looked_us.replace(now_us) {
            let passed_us = now_us.saturating_sub(looked_us);
            let there_was_us = passed_us.saturating_mul(workers);
            self.time.add(there_was_us as f64, HALF_US, now_us);
        }
    }

    /// 0 to 1: what was 10 seconds ago counts half.
    pub(crate) fn ratio(&self) -> f64 {
        let now_us = self.looked_us.unwrap_or(0);
        let of = |sum: &Decayed| sum.get(HALF_US, now_us);
        let (busy, time) = (of(&self.busy), of(&self.time));
        if time < Duration::from_millis(1).as_micros() as f64 {
            return 0.0;
        }
        (busy / time).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_part_of_the_time_that_was_work_lately() {
        let mut utilisation = Utilisation::default();
        assert_eq!(utilisation.ratio(), 0.0);
        let (mut now_us, mut busy_us) = (1_000_000_000, 0);
        let mut run = |utilisation: &mut Utilisation, seconds: u64, busy_of_four: u64| {
            for _ in 0..seconds * 4 {
                now_us += 250_000;
                busy_us += 250_000 * busy_of_four;
                utilisation.look(busy_us, 4, now_us);
            }
            utilisation.ratio()
        };
        run(&mut utilisation, 1, 0);
        let ratio = run(&mut utilisation, 120, 2);
        assert!((ratio - 0.5).abs() < 0.01, "{ratio}");
        let ratio = run(&mut utilisation, 10, 4);
        assert!((ratio - 0.75).abs() < 0.01, "{ratio}");
        let ratio = run(&mut utilisation, 120, 0);
        assert!(ratio < 0.01, "{ratio}");
    }
}
