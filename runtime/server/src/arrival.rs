//! Rates: when what comes would have come if it were as fast as is allowed. The
//! generic cell rate algorithm (ITU-T I.371, virtual scheduling).

/// How fast something may come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// Time between two, in microseconds.
    pub(crate) spacing_us: u64,
    /// So many may come at once.
    pub(crate) burst: u64,
}

/// When the next one is due at the allowed rate, in microseconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Arrival(pub(crate) u64);

impl Arrival {
    /// As it is with one more now, and by how many microseconds that one is too
    /// early.
    pub(crate) fn next(self, bound: Bound, now_us: u64) -> (Self, u64) {
        let arrival = self.0.max(now_us).saturating_add(bound.spacing_us);
        let allowed_us = bound.spacing_us.saturating_mul(bound.burst);
        (Self(arrival), (arrival - now_us).saturating_sub(allowed_us))
    }
}
