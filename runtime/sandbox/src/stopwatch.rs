//! The sandbox's one place that looks at the clock: how long things took.
//! What a rule sees as time is its event's, never this.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A thread's CPU clock takes a system call, 20 times as long as the other
/// clock. So it is read at most this often before a run, and what a thread
/// did since then, in other runs, is the error of its CPU times.
const ANCHORED: Duration = Duration::from_micros(250);

/// Below it, the wall clock's time is near enough: a thread that had to wait
/// has waited for longer.
const SHORT: Duration = Duration::from_micros(50);

/// A moment by both clocks.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    wall: Instant,
    cpu: Duration,
}

thread_local! {
    static ANCHOR: Cell<Option<Anchor>> = const { Cell::new(None) };
}

/// Started with a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    wall: Instant,
    /// Of the thread, when it was read last.
    cpu: Duration,
}

impl Stopwatch {
    /// Starts now.
    pub(crate) fn start() -> Self {
        let wall = now();
        let anchor = ANCHOR.get();
        let fresh = anchor.filter(|anchor| wall.duration_since(anchor.wall) < ANCHORED);
        let cpu = fresh.map_or_else(|| anchor_now(wall), |anchor| anchor.cpu);
        Self { wall, cpu }
    }

    /// Wall-clock time since the start.
    pub(crate) fn wall(&self) -> Duration {
        self.wall.elapsed()
    }

    /// CPU time of this thread since the start, which must have been on this
    /// thread, where `wall` passed since. At least what it was, and more by
    /// at most [`ANCHORED`], where the thread had to wait.
    pub(crate) fn cpu(&self, wall: Duration) -> Duration {
        if wall < SHORT {
            return wall;
        }
        wall.min(anchor_now(now()).saturating_sub(self.cpu))
    }
}

/// Reads the thread's CPU clock, and remembers it with a moment no later.
fn anchor_now(wall: Instant) -> Duration {
    let cpu = thread_cpu();
    ANCHOR.set(Some(Anchor { wall, cpu }));
    cpu
}

#[allow(
    clippy::disallowed_methods,
    reason = "measures how long a run took; decides nothing"
)]
fn now() -> Instant {
    Instant::now()
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is negative for a clock that counts from the thread's start.
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// A duration in whole microseconds, begun ones whole.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX)
}
