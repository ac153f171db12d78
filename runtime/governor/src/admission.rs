//! Admission: how fast a tenant may send, and what it is told about that.
//!
//! The generic cell rate algorithm (ITU-T I.371): one number per tenant, no
//! timer. It is the token bucket seen from the other side.

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// How fast, and how much beyond that at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Events per second; at least 1.
    pub per_second: u64,
    /// Events at once; at least 1.
    pub burst: u64,
}

impl Rate {
    /// Events that are allowed in a window of [`Rate::window_s`]: who spreads
    /// them over it is never refused.
    pub fn quota(&self) -> u64 {
        self.burst.max(self.per_second)
    }

    /// The window, in seconds: the time in which a burst is allowed again; at
    /// least 1.
    pub fn window_s(&self) -> u64 {
        self.burst.div_ceil(self.per_second.max(1)).max(1)
    }

    /// Nanoseconds from one event to the next.
    fn spacing_ns(&self) -> u64 {
        NANOS_PER_SECOND / self.per_second.max(1)
    }
}

/// Events came too fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFast {
    /// When as many would be admitted, in microseconds from now; none if
    /// there are more than the burst, so that they never would.
    pub retry_after_us: Option<u64>,
}

/// What a tenant may send from now on, for clients that pace themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Events that would be admitted at once.
    pub events: u64,
    /// For how long they are to last, in seconds: who spreads them over it is
    /// not refused, and has as many again then. At least 1.
    pub seconds: u64,
}

/// What was refused a moment ago: so that a flood of batches is not read only to
/// be refused, one after the other.
///
/// How many events a batch has is known when it is read. Where one of a
/// tenant's was refused, those that are at least as long are taken to have at
/// least as many, until that one would be accepted. Who is wrong about that
/// waits no longer than for a batch that the tenant did send.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gate {
    /// In bytes.
    length: u64,
    until_us: u64,
}

impl Gate {
    /// A batch of this length was refused, and would be accepted after so
    /// long.
    pub fn refused(&mut self, length: u64, retry_after_us: u64, now_us: u64) {
        if now_us >= self.until_us || length < self.length {
            self.length = length;
            self.until_us = now_us.saturating_add(retry_after_us);
        }
    }

    /// Whether a batch of this length is to be read.
    pub fn check(&self, length: u64, now_us: u64) -> Result<(), TooFast> {
        if now_us >= self.until_us || length < self.length {
            return Ok(());
        }
        Err(TooFast {
            retry_after_us: Some(self.until_us - now_us),
        })
    }
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
        self.arrival_ns = self.arrival(events, rate, now_us)?;
        Ok(())
    }

    /// Whether as many would be admitted. Changes nothing.
    pub fn check(&self, events: u64, rate: Rate, now_us: u64) -> Result<(), TooFast> {
        self.arrival(events, rate, now_us).map(|_| ())
    }

    /// What would be admitted now.
    pub fn allowance(&self, rate: Rate, now_us: u64) -> Allowance {
        let spacing_ns = rate.spacing_ns();
        let ahead_ns = self.arrival_ns.saturating_sub(now_us.saturating_mul(1_000));
        let left_ns = rate
            .burst
            .saturating_mul(spacing_ns)
            .saturating_sub(ahead_ns);
        let events = left_ns.checked_div(spacing_ns);
        let events = events.map_or(rate.burst, |events| events.min(rate.burst));
        Allowance {
            events,
            seconds: events.div_ceil(rate.per_second.max(1)).max(1),
        }
    }

    /// The theoretical arrival time with so many events more.
    fn arrival(&self, events: u64, rate: Rate, now_us: u64) -> Result<u64, TooFast> {
        let now_ns = now_us.saturating_mul(1_000);
        let spacing_ns = rate.spacing_ns();
        let arrival_ns = self
            .arrival_ns
            .max(now_ns)
            .saturating_add(events.saturating_mul(spacing_ns));
        let ahead_ns = arrival_ns - now_ns;
        let allowed_ns = rate.burst.saturating_mul(spacing_ns);
        if ahead_ns <= allowed_ns {
            return Ok(arrival_ns);
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

    const MICROS: u64 = 1_000_000;

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

        /// What a client is told is what it gets: so many events at once and
        /// not one more; so many spread over the time that they are to last;
        /// and to look changes nothing.
        #[test]
        fn the_allowance_is_what_is_admitted(
            per_second in 1u64..10_000, burst in 1u64..1_000,
            sends in prop::collection::vec((0u64..200_000, 1u64..300), 1..50),
        ) {
            let rate = Rate { per_second, burst };
            let mut limiter = RateLimiter::default();
            let mut now = 1_000_000;
            for (pause, events) in sends {
                now += pause;
                let admitted = limiter.check(events, rate, now);
                prop_assert_eq!(admitted, limiter.admit(events, rate, now));
                let Allowance { events, seconds } = limiter.allowance(rate, now);
                prop_assert!(events <= burst && seconds >= 1);
                prop_assert!(limiter.check(events, rate, now).is_ok());
                prop_assert!(limiter.check(events + 1, rate, now).is_err());
                // None now: then one when they are over.
                prop_assert!(limiter.check(1, rate, now + seconds * MICROS).is_ok());
                let mut spread = limiter;
                for one in 0..events {
                    let at = now + one * seconds * MICROS / events;
                    prop_assert!(spread.admit(1, rate, at).is_ok());
                }
                prop_assert!(spread.allowance(rate, now + seconds * MICROS).events >= events);
            }
        }

        /// While a batch could not be accepted, what is as long is not read;
        /// then it is, and the batch is accepted if nothing else came.
        #[test]
        fn the_gate_opens_when_the_batch_is_accepted(
            per_second in 1u64..10_000, burst in 1u64..1_000, events in 1u64..1_000,
            length in 1u64..1_000_000, before in 0u64..1_000,
        ) {
            let rate = Rate { per_second, burst };
            let (mut limiter, mut gate) = (RateLimiter::default(), Gate::default());
            let now = 1_000_000;
            prop_assert!(gate.check(length, now).is_ok());
            let _ = limiter.admit(before.min(burst), rate, now);
            if let Err(TooFast { retry_after_us: Some(wait) }) = limiter.admit(events, rate, now) {
                gate.refused(length, wait, now);
                gate.refused(length + 1, wait * 9, now);
                let half = gate.check(length, now + wait / 2);
                prop_assert_eq!(half, Err(TooFast { retry_after_us: Some(wait - wait / 2) }));
                prop_assert!(gate.check(length - 1, now).is_ok());
                prop_assert!(gate.check(u64::MAX, now + wait).is_ok());
                prop_assert!(limiter.admit(events, rate, now + wait).is_ok());
            }
        }

        /// Who spreads the quota over each window is never refused. (A burst of
        /// one leaves no room for a microsecond too early.)
        #[test]
        fn the_quota_lasts_for_its_window(per_second in 1u64..5_000, burst in 2u64..2_000) {
            let rate = Rate { per_second, burst };
            let (quota, window_us) = (rate.quota(), rate.window_s() * MICROS);
            let mut limiter = RateLimiter::default();
            for one in 0..quota * 2 {
                let at = 1_000_000 + (one * window_us).div_ceil(quota);
                prop_assert!(limiter.admit(1, rate, at).is_ok(), "event {} of {}", one, quota);
            }
        }
    }
}
