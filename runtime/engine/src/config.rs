//! How the engine is set up.

use std::collections::BTreeMap;

use ringfence_model::{Limits, Plan};

/// How the engine is set up.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Worker threads.
    pub workers: usize,
    /// Plans by name; `standard` is there even if it is not named here.
    pub plans: BTreeMap<String, Limits>,
    /// Events of one tenant held in memory; the rest waits on disk.
    pub window_events: usize,
    /// The same, in bytes of events.
    pub window_bytes: u64,
    /// How long finished events and their journal are kept, in seconds.
    pub retention_s: u64,
}

impl Default for EngineConfig {
    /// One worker per core; a week of journal.
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            plans: BTreeMap::new(),
            window_events: 1_000,
            window_bytes: 4 * 1024 * 1024,
            retention_s: 7 * 24 * 60 * 60,
        }
    }
}

impl EngineConfig {
    /// A plan's limits, if there is such a plan.
    pub(crate) fn plan(&self, name: &str) -> Option<Limits> {
        let standard = || (name == Plan::STANDARD).then(Limits::default);
        self.plans.get(name).cloned().or_else(standard)
    }
}
