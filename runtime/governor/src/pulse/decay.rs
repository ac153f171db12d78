//! Sums in which what is older counts less.
//!
//! Forward decay (Cormode, Shkapenyuk, Srivastava and Xu, "Forward Decay: A
//! Practical Time Decay Model for Streaming Systems", ICDE 2009): what happens
//! at time t is added with the weight 2^((t - L) / h), for a landmark L that
//! all sums of one tenant share, and a sum is divided by the weight of now
//! when it is read. To count costs one addition, and nothing has to be brought
//! up to date.

/// How many half-lives the landmark may lie back. Weights stay below 2^64,
/// far from the end of what a float holds.
const HALF_LIVES_MAX: f64 = 64.0;

/// The weights of one tenant's sums.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decay {
    landmark_us: u64,
    half_life_us: f64,
}

impl Decay {
    /// Beginning now. A half-life of 0 is taken for the shortest there is.
    pub(super) fn new(half_life_us: u64, now_us: u64) -> Self {
        Self {
            landmark_us: now_us,
            half_life_us: half_life_us.max(1) as f64,
        }
    }

    /// What something counts that happened then.
    pub(super) fn weight(&self, at_us: u64) -> f64 {
        self.half_lives(at_us).exp2()
    }

    /// Moves the landmark if it is far back. All sums are to be multiplied by
    /// the answer.
    pub(super) fn renew(&mut self, now_us: u64) -> Option<f64> {
        let half_lives = self.half_lives(now_us);
        if half_lives < HALF_LIVES_MAX {
            return None;
        }
        self.landmark_us = now_us;
        Some((-half_lives).exp2())
    }

    /// Since the landmark; negative before it.
    fn half_lives(&self, at_us: u64) -> f64 {
        let since = if at_us >= self.landmark_us {
            (at_us - self.landmark_us) as f64
        } else {
            -((self.landmark_us - at_us) as f64)
        };
        since / self.half_life_us
    }
}
