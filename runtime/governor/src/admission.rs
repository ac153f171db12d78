//! Admission: how fast a tenant may send.
//!
//! The generic cell rate algorithm (ITU-T I.371): one number per tenant, no
//! timer. It is the token bucket seen from the other side.

/// How fast, and how much beyond that at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Events per second; at least 1.
    pub per_second: u64,
    /// Events at once; at least 1.
    pub burst: u64,
}

/// Events came too fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFast {
    /// When as many would be admitted, in microseconds from now; none if
    /// there are more than the burst, so that they never would.
    pub retry_after_us: Option<u64>,
}

/// One tenant's rate.
#[derive(Debug, Clone, Copy, Default)]
pub struct RateLimiter {
    /// When the events admitted so far would have arrived at the allowed
    /// rate, in nanoseconds since 1970 (the theoretical arrival time).
    arrival_ns: u64,
}

impl RateLimiter {
    /// Admits this many events, all or none. `now_us` is in microseconds
    /// since 1970.
    pub fn admit(&mut self, events: u64, rate: Rate, now_us: u64) -> Result<(), TooFast> {
        let now_ns = now_us.saturating_mul(1_000);
        let spacing_ns = 1_000_000_000 / rate.per_second.max(1);
        let arrival_ns = self
            .arrival_ns
            .max(now_ns)
            .saturating_add(events.saturating_mul(spacing_ns));
        let ahead_ns = arrival_ns - now_ns;
        let allowed_ns = rate.burst.saturating_mul(spacing_ns);
        if ahead_ns <= allowed_ns {
            self.arrival_ns = arrival_ns;
            return Ok(());
        }
        let wait_us = (ahead_ns - allowed_ns).div_ceil(1_000);
        Err(TooFast {
            retry_after_us: (events <= rate.burst).then_some(wait_us),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// In any stretch of time no more is admitted than the rate and one
        /// burst; and after the time that a refusal names, the same is
        /// admitted.
        #[test]
        fn no_more_than_the_rate_and_a_burst(
            per_second in 1u64..10_000, burst in 1u64..1_000,
            sends in prop::collection::vec((0u64..200_000, 1u64..300), 1..200),
        ) {
            let rate = Rate { per_second, burst };
            let mut limiter = RateLimiter::default();
            let (start, mut now, mut admitted) = (1_000_000, 1_000_000, 0);
            for (pause, events) in sends {
                now += pause;
                match limiter.admit(events, rate, now) {
                    Ok(()) => admitted += events,
                    Err(TooFast { retry_after_us: Some(wait) }) => {
                        prop_assert!(events <= burst);
                        let mut later = limiter;
                        prop_assert!(later.admit(events, rate, now + wait).is_ok());
                    }
                    Err(TooFast { retry_after_us: None }) => prop_assert!(events > burst),
                }
                let spacing_ns = 1_000_000_000 / per_second;
                prop_assert!(admitted <= burst + (now - start) * 1_000 / spacing_ns + 1);
            }
        }
    }
}
