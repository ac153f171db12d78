//! The deadline's clock: one thread that advances the engine's epoch.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::Engine;

use crate::interrupt::{Word, is_any_to_end};

/// How often the epoch advances, in milliseconds. A deadline is kept to
/// within two of these.
const TICK_MS: u64 = 5;

/// More ticks than any run has until its deadline.
const LEAP: u64 = 8_192;

/// Ticks since the sandbox began. The epoch leaps, this does not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ticks(Arc<AtomicU64>);

impl Ticks {
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Makes all that runs look whether it is to end.
pub(crate) fn leap(engine: &Engine) {
    for _ in 0..LEAP {
        engine.increment_epoch();
    }
}

/// Advances the epoch until it is dropped.
pub(crate) struct Ticker {
    ended: Arc<AtomicBool>,
    pause: Pause,
    thread: Option<JoinHandle<()>>,
}

/// Stops the deadlines' clock for a while. For a process with one run at a
/// time.
#[derive(Debug, Clone, Default)]
pub struct Pause(Arc<AtomicBool>);

impl Pause {
    /// Stops the clock, or lets it go on.
    pub fn set(&self, paused: bool) {
        self.0.store(paused, Ordering::Relaxed);
    }
}

impl Ticker {
    /// Starts the thread, and waits until it runs: whoever takes rights or
    /// memory from this process next must not take them from its beginning.
    /// Where another process says which runs are to end, that is looked at with
    /// each tick.
    pub(crate) fn start(
        engine: Engine,
        ticks: Ticks,
        said: Option<Arc<dyn Word>>,
    ) -> std::io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        let pause = Pause::default();
        let paused = Arc::clone(&pause.0);
        let (up, is_up) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("sandbox-ticker".into())
            .spawn(move || {
                // Nobody waits any more only if this process is at its end.
                let _ = up.send(());
                let mut heard = 0;
                while !seen.load(Ordering::Relaxed) {
                    thread::park_timeout(Duration::from_millis(TICK_MS));
                    if !paused.load(Ordering::Relaxed) {
                        ticks.0.fetch_add(1, Ordering::Relaxed);
                        engine.increment_epoch();
                    }
                    if let Some(said) = &said {
                        let word = said.word().load(Ordering::Acquire);
                        if word != std::mem::replace(&mut heard, word) && is_any_to_end(word) {
                            leap(&engine);
                        }
                    }
                }
            })?;
        is_up.recv().map_err(std::io::Error::other)?;
        Ok(Self {
            ended,
            pause,
            thread: Some(thread),
        })
    }

    /// What stops the clock for a while.
    pub(crate) fn pause(&self) -> Pause {
        self.pause.clone()
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It cannot panic: it only counts.
            let _ = thread.join();
        }
    }
}

/// The ticks after which a run of at most `deadline_ms` is over. One more
/// than fit, because the first tick may come at once.
pub(crate) fn ticks(deadline_ms: u64) -> u64 {
    deadline_ms.div_ceil(TICK_MS) + 1
}

#[cfg(test)]
mod tests {
    use ringfence_model::LimitOverrides;

    use super::*;

    #[test]
    fn a_leap_is_beyond_every_deadline() {
        let of = |ms| LimitOverrides {
            deadline_ms: Some(ms),
            ..LimitOverrides::default()
        };
        let allowed = |ms: &u64| of(*ms).check().is_ok();
        let longest = (1..).map(|s| s * 1_000).take_while(allowed).last();
        assert!(ticks(longest.unwrap()) < LEAP, "{longest:?}");
    }
}
