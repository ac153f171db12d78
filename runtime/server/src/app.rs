//! What all requests share.

use std::sync::Arc;

use ringfence_engine::Engine;
use ringfence_store::Store;
use tokio::sync::{Semaphore, watch};

use crate::auth::Authenticator;
use crate::body::BodyMemory;
use crate::lineage::Keyring;
use crate::metrics::Metrics;
use crate::portions::Portions;
use crate::turns::Turns;

/// Long polls at one moment, of all tenants.
const POLLS_MAX: usize = 256;

/// What all requests share; one per server.
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) authenticator: Authenticator,
    pub(crate) body_memory: BodyMemory,
    pub(crate) portions: Portions,
    pub(crate) turns: Turns,
    pub(crate) lineage: Keyring,
    /// Bounds long polls.
    pub(crate) polls: Arc<Semaphore>,
    /// True from the moment that the server begins to shut down.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl App {
    pub(crate) fn new(
        engine: Engine,
        metrics: Arc<Metrics>,
        operator_token: &str,
        lineage: Keyring,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            engine,
            metrics,
            authenticator: Authenticator::new(operator_token),
            body_memory: BodyMemory::default(),
            portions: Portions::default(),
            turns: Turns::of_runtime(),
            lineage,
            polls: Arc::new(Semaphore::new(POLLS_MAX)),
            stopping,
        }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &**self.engine.store()
    }

    /// Microseconds since 1970.
    pub(crate) fn now_us(&self) -> u64 {
        self.engine.clock().now_us()
    }
}
