//! The deadline's clock: one thread that advances the engine's epoch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::Engine;

/// How often the epoch advances, in milliseconds. A deadline is kept to
/// within two of these.
const TICK_MS: u64 = 5;

/// Advances the epoch until it is dropped.
pub(crate) struct Ticker {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts the thread.
    pub(crate) fn start(engine: Engine) -> std::io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        let thread = thread::Builder::new()
            .name("sandbox-ticker".into())
            .spawn(move || {
                while !seen.load(Ordering::Relaxed) {
                    thread::park_timeout(Duration::from_millis(TICK_MS));
                    engine.increment_epoch();
                }
            })?;
        Ok(Self {
            ended,
            thread: Some(thread),
        })
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
