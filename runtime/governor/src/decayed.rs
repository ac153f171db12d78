//! A sum in which what is older counts less, for who has only one.

use std::f64::consts::LN_2;

/// What happened lately: what is a half-life old counts half.
#[derive(Debug, Clone, Copy, Default)]
pub struct Decayed {
    sum: f64,
    at_us: u64,
}

impl Decayed {
    /// Counts something that happens now. A time before the latest is taken
    /// for that.
    pub fn add(&mut self, amount: f64, half_life_us: u64, now_us: u64) {
        self.sum = self.get(half_life_us, now_us) + amount;
        self.at_us = self.at_us.max(now_us);
    }

    /// The sum as of now.
    pub fn get(&self, half_life_us: u64, now_us: u64) -> f64 {
        let since_us = now_us.saturating_sub(self.at_us);
        if since_us == 0 {
            return self.sum;
        }
        self.sum * (-(since_us as f64) / half_life_us.max(1) as f64).exp2()
    }

    /// How much happens in a second, as far as it has been going on for some
    /// half-lives; less before that.
    pub(crate) fn per_second(&self, half_life_us: u64, now_us: u64) -> f64 {
        const MICROS: f64 = 1_000_000.0;
        self.get(half_life_us, now_us) * LN_2 * MICROS / half_life_us.max(1) as f64
    }
}
