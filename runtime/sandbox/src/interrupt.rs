//! Ending runs from outside. A word says which runs of a batch are to end; the
//! epoch leaps, so that those that run now look at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::Engine;

use crate::runner::Interrupter;
use crate::ticker::leap;

/// Runs of one batch that can be told apart: as many as a word has bits for.
pub const BATCH_RUNS_MAX: usize = 32;

const RUNS: u64 = u32::MAX as u64;

/// Where it stands which runs are to end. The upper half is the number of the
/// batch, and the lower half has a bit for each of its runs: so what is asked
/// about a run is never taken for the next one's.
pub trait Word: Send + Sync + 'static {
    /// The word.
    fn word(&self) -> &AtomicU64;
}

impl Word for AtomicU64 {
    fn word(&self) -> &AtomicU64 {
        self
    }
}

/// The number of the batch that a word is about.
pub fn batch_of(word: u64) -> u32 {
    (word >> 32) as u32
}

/// The word of the next batch, none of whose runs is to end.
pub fn next_batch(word: u64) -> u64 {
    u64::from(batch_of(word).wrapping_add(1)) << 32
}

/// The same word, with the run at this index to end. One beyond
/// [`BATCH_RUNS_MAX`] cannot be ended.
pub fn with_run(word: u64, index: usize) -> u64 {
    match index < BATCH_RUNS_MAX {
        true => word | 1 << index,
        false => word,
    }
}

/// Whether the run at this index is to end.
pub fn is_to_end(word: u64, index: usize) -> bool {
    index < BATCH_RUNS_MAX && word >> index & 1 == 1
}

/// Whether any run is to end.
pub(crate) fn is_any_to_end(word: u64) -> bool {
    word & RUNS != 0
}

/// Where one run looks whether it is to end.
#[derive(Clone)]
pub(crate) struct Signal {
    word: Arc<dyn Word>,
    batch: u32,
    index: usize,
}

impl Signal {
    /// Of the run at this index of a batch.
    pub(crate) fn new(word: Arc<dyn Word>, batch: u32, index: usize) -> Self {
        Self { word, batch, index }
    }

    /// Whether the run is to end.
    pub(crate) fn is_raised(&self) -> bool {
        let word = self.word.word().load(Ordering::Acquire);
        batch_of(word) == self.batch && is_to_end(word, self.index)
    }
}

/// The run was to end before it came to its own end.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the run was interrupted")]
pub(crate) struct Interrupted;

/// Ends the run that a thread of this process makes.
pub(crate) struct OfThread {
    word: Arc<AtomicU64>,
    engine: Engine,
}

impl OfThread {
    pub(crate) fn new(engine: Engine) -> Self {
        Self {
            word: Arc::default(),
            engine,
        }
    }

    /// Where the run at this index is to look.
    pub(crate) fn signal(&self, index: usize) -> Signal {
        let batch = batch_of(self.word.load(Ordering::Acquire));
        Signal::new(Arc::clone(&self.word) as _, batch, index)
    }
}

impl Interrupter for OfThread {
    fn begin(&self) {
        let word = self.word.load(Ordering::Acquire);
        self.word.store(next_batch(word), Ordering::Release);
    }

    fn interrupt(&self, index: usize) {
        self.word.fetch_or(with_run(0, index), Ordering::AcqRel);
        leap(&self.engine);
    }

    /// Its deadline does that, and its fuel.
    fn force(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_a_run_is_not_taken_for_another_ones() {
        let word: Arc<AtomicU64> = Arc::new(AtomicU64::new(next_batch(7 << 32 | 5)));
        let of = |batch, index| Signal::new(Arc::clone(&word) as _, batch, index).is_raised();
        assert!(!of(8, 0) && !of(8, 2));
        word.store(with_run(word.load(Ordering::Relaxed), 2), Ordering::Relaxed);
        assert!(of(8, 2) && !of(8, 0) && !of(7, 2) && !of(9, 2));
        word.store(
            with_run(word.load(Ordering::Relaxed), 31),
            Ordering::Relaxed,
        );
        assert!(of(8, 31) && of(8, 2));
        let kept = word.load(Ordering::Relaxed);
        assert_eq!(
            with_run(kept, BATCH_RUNS_MAX),
            kept,
            "it would be a batch's"
        );
        assert!(!of(8, BATCH_RUNS_MAX + 2));
        let next = next_batch(u64::from(u32::MAX) << 32);
        assert_eq!((batch_of(next), is_any_to_end(next)), (0, false));
    }
}
