//! How the engine is set up.

use std::collections::BTreeMap;

use ringfence_governor::{BreakerConfig, PulseConfig, RateConfig, UploadBounds};
use ringfence_model::{Limits, Plan};

use crate::quarantine::ParkingConfig;

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
    /// How many uploads there may be.
    pub uploads: UploadBounds,
    /// When rules are quarantined, and for how long.
    pub quarantine: BreakerConfig,
    /// What bounds events that sleep for a rule in quarantine.
    pub parking: ParkingConfig,
    /// How long finished events and their journal are kept, in seconds.
    pub retention_s: u64,
    /// How long after an action an event may be taken for what it caused, in
    /// seconds; for tenants that want that.
    pub infer_window_s: u64,
    /// When runs that set off runs are an anomaly.
    pub pulse: PulseConfig,
    /// When events that come fast are one.
    pub rates: RateConfig,
}

impl Default for EngineConfig {
    /// One worker per core; half of the cores for compiling; a week of
    /// journal; half a minute for what actions cause.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: cores,
            plans: BTreeMap::new(),
            window_events: 1_000,
            window_bytes: 4 * 1024 * 1024,
            uploads: UploadBounds {
                at_once: (cores as u64 / 2).max(1),
                places: 64,
                bytes: 128 * 1024 * 1024,
            },
            quarantine: BreakerConfig::default(),
            parking: ParkingConfig::default(),
            retention_s: 7 * 24 * 60 * 60,
            infer_window_s: 30,
            pulse: PulseConfig::default(),
            rates: RateConfig::default(),
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
