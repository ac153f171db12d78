//! Time, as a value that the process owns.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Tells the time. The process has one.
pub trait Clock: Send + Sync + 'static {
    /// Microseconds since 1970.
    fn now_us(&self) -> u64;
}

/// The machine's clock as it was at the start, carried on by its monotonic
/// clock: it never goes backwards.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    started_us: u64,
}

impl SystemClock {
    /// Reads the machine's clock.
    #[allow(clippy::disallowed_methods)] // this is the clock that the process owns
    pub fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started: Instant::now(),
            started_us: since_1970.map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(0)),
        }
    }
}

impl Clock for SystemClock {
    fn now_us(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_micros());
        self.started_us.saturating_add(elapsed.unwrap_or(u64::MAX))
    }
}
