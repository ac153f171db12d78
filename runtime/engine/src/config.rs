//! How the engine is set up.

use std::collections::BTreeMap;

use ringfence_governor::{
    BreakerConfig, Lane, Order, OverloadConfig, PulseConfig, RateConfig, UploadBounds,
};
use ringfence_model::{Limits, Plan};

use crate::quarantine::ParkingConfig;

/// How the engine is set up.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Worker threads.
    pub workers: usize,
    /// In which order tenants are served.
    pub order: Order,
    /// Threads beside the workers that make cheap runs only, while all workers
    /// make runs that are not; none where the order is not [`Order::Fair`].
    pub express_lanes: usize,
    /// Plans by name; `standard` is there even if it is not named here.
    pub plans: BTreeMap<String, Limits>,
    /// Events of one tenant held in memory; the rest waits on disk.
    pub window_events: usize,
    /// The same, in bytes of events.
    pub window_bytes: u64,
    /// What the events of all tenants that are held in memory take, in bytes
    /// of memory. Where many wait, each tenant holds less; 16 KiB, or one
    /// event, each may hold in any case.
    pub windows_bytes: u64,
    /// How many uploads there may be.
    pub uploads: UploadBounds,
    /// How many evaluations may be waited for at one moment.
    pub evaluations: u64,
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
    /// When the host is behind, and turns tenants away.
    pub overload: OverloadConfig,
}

impl Default for EngineConfig {
    /// One worker per core and an express lane; half of the cores for compiling; a week of
    /// journal; half a minute for what actions cause.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: cores,
            order: Order::default(),
            express_lanes: 1,
            plans: BTreeMap::new(),
            window_events: 1_000,
            window_bytes: 4 * 1024 * 1024,
            windows_bytes: 256 * 1024 * 1024,
            uploads: UploadBounds {
                at_once: (cores as u64 / 2).max(1),
                places: 64,
                bytes: 128 * 1024 * 1024,
            },
            evaluations: 256,
            quarantine: BreakerConfig::default(),
            parking: ParkingConfig::default(),
            retention_s: 7 * 24 * 60 * 60,
            infer_window_s: 30,
            pulse: PulseConfig::default(),
            rates: RateConfig::default(),
            overload: OverloadConfig::default(),
        }
    }
}

impl EngineConfig {
    /// The lanes that run rules.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = Lane> + use<> {
        let of = self.worker_count();
        let express = match self.order {
            Order::Fair => self.express_lanes,
            Order::StartTime | Order::Fifo => 0,
        };
        let workers = (0..of).map(move |index| Lane::Worker { index, of });
        workers.chain(std::iter::repeat_n(Lane::Express { workers: of }, express))
    }

    /// Workers, at least one.
    pub(crate) fn worker_count(&self) -> u32 {
        u32::try_from(self.workers).unwrap_or(u32::MAX).max(1)
    }

    /// A plan's limits, if there is such a plan.
    pub(crate) fn plan(&self, name: &str) -> Option<Limits> {
        let standard = || (name == Plan::STANDARD).then(Limits::default);
        self.plans.get(name).cloned().or_else(standard)
    }
}
