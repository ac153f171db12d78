//! How code came to be in memory, and how much of it is.

use std::sync::atomic::{AtomicU64, Ordering};

/// How code came to be in memory, since the sandbox was set up, and how much
/// of it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CodeCounts {
    /// Components compiled, whether that succeeded or not.
    pub compiled: u64,
    /// Artifacts loaded from disk.
    pub loaded: u64,
    /// Versions in memory.
    pub versions: u64,
    /// Their code, in bytes; of what is handed to other processes at least
    /// 128 KiB for each.
    pub bytes: u64,
}

/// Counts while others count.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
