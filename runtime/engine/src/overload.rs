//! Looks at how the host is, and says what it takes.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringfence_governor::{Headroom, Level, Pressure, Signs};
use ringfence_model::TenantId;
use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::queue::{Queue, TenantAllowance};
use crate::{Engine, EngineError};

/// How often to look.
const EVERY: Duration = Duration::from_millis(250);

pub(crate) struct Watch {
    pub(crate) queue: Arc<Queue>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Of all processes, in bytes; written by who can read it.
    pub(crate) memory: Arc<AtomicU64>,
    /// CPU time of this process, in microseconds, if runs are not made in it; 0
    /// otherwise.
    pub(crate) cpu: Arc<AtomicU64>,
}

impl Watch {
    /// Looks until it is aborted.
    pub(crate) async fn run(self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut headroom = Headroom::default();
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let cores = u32::try_from(cores).unwrap_or(u32::MAX);
        loop {
            ticks.tick().await;
            let (cpu_us, now_us) = (self.cpu.load(Ordering::Relaxed), self.clock.now_us());
            self.queue.leave(&mut headroom, cpu_us, cores, now_us);
            let signs = Signs {
                // The queue knows.
                is_work_due: false,
                memory_bytes: self.memory.load(Ordering::Relaxed),
            };
            if self.queue.look(signs, now_us).is_some() {
                tell(&self.queue.pressure());
            }
        }
    }
}

fn tell(pressure: &Pressure) {
    let Pressure {
        level,
        queueing_us,
        queueing_target_us,
        memory_bytes,
        memory_watermark_bytes,
    } = *pressure;
    let what = match level {
        Level::Fine => "the host is not behind any more",
        Level::Behind => "the host is behind; tenants above their share are turned away",
        Level::Overloaded => "the host is overloaded; everybody is turned away",
    };
    let level = level.as_str();
    if pressure.level == Level::Fine {
        tracing::info!(level, queueing_us, memory_bytes, "{what}");
    } else {
        tracing::warn!(
            level,
            queueing_us,
            queueing_target_us,
            memory_bytes,
            memory_watermark_bytes,
            "{what}"
        );
    }
}

impl Engine {
    /// How the host is.
    pub fn pressure(&self) -> Pressure {
        self.inner.queue.pressure()
    }

    /// Says how much memory all processes use, in bytes. To be said some times
    /// a second by who embeds the engine; otherwise memory does not count.
    pub fn set_memory(&self, bytes: u64) {
        self.inner.memory.store(bytes, Ordering::Relaxed);
    }

    /// Says how much CPU time this process has used, in microseconds. To be said
    /// some times a second by who embeds the engine; otherwise large runs leave no
    /// cores free. Where runs are made in this process it is not used, because it
    /// does not tell the server from them.
    pub fn set_cpu(&self, us: u64) {
        if !self.inner.executor.runners.are_in_this_process() {
            self.inner.cpu.store(us, Ordering::Relaxed);
        }
    }

    /// What a tenant may send from now on.
    pub fn allowance(&self, tenant: &TenantId) -> Option<TenantAllowance> {
        let state = self.inner.registry.get(tenant)?;
        let now_us = self.clock().now_us();
        self.inner.queue.allowance(tenant, &state.limits, now_us)
    }

    /// Whether any event of a tenant would be accepted now, or, with its
    /// length in bytes, a batch may be: so that what is certain to be refused
    /// is, before it is read.
    pub fn may_accept(&self, tenant: &TenantId, batch: Option<u64>) -> Result<(), EngineError> {
        let state = self.of_running(tenant)?;
        let now_us = self.clock().now_us();
        self.inner
            .queue
            .may_reserve(tenant, batch, &state.limits, now_us)
    }

    /// A batch of this length, in bytes, was refused: as many are not read
    /// again before it would be accepted.
    pub fn batch_refused(&self, tenant: &TenantId, length: u64, error: &EngineError) {
        if let EngineError::TooFast {
            retry_after_us: Some(retry_after_us),
            ..
        } = *error
        {
            let now_us = self.clock().now_us();
            self.inner
                .queue
                .refused(tenant, length, retry_after_us, now_us);
        }
    }

    /// Whether the host takes more work of a tenant, which is not an event.
    pub fn admits_work(&self, tenant: &TenantId) -> Result<(), EngineError> {
        let now_us = self.clock().now_us();
        self.inner.queue.admits(tenant, now_us)
    }

    /// Whether the host has the memory to compile an upload. Of a host that is
    /// only late an upload is taken: it may be the cure, and uploads are
    /// bounded.
    pub fn admits_upload(&self) -> Result<(), EngineError> {
        if self.inner.queue.admits_memory() {
            return Ok(());
        }
        Err(EngineError::NoMemory)
    }
}
