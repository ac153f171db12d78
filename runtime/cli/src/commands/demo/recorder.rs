//! What the server did, per tenant: counts, and the time of every event.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use parking_lot::Mutex;
use ringfence_engine::{EventDone, Observer};
use ringfence_model::{AnomalyKind, RuleName, StopCode, TenantId, Usage};
use ringfence_server::Metrics;

/// Sees what the server's metrics see, and keeps more of it. It grows with
/// the events that the demonstration sends, whose number is bounded.
pub(super) struct Recorder {
    metrics: Arc<Metrics>,
    tenants: HashMap<TenantId, Record>,
}

/// Of one tenant.
#[derive(Default)]
struct Record {
    executions: AtomicU64,
    stopped: AtomicU64,
    done: AtomicU64,
    latencies: Mutex<Vec<Latency>>,
}

/// How long an event from outside took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Latency {
    /// When it was accepted, in microseconds since 1970.
    pub(super) accepted_us: u64,
    /// From then until its end was durable, in microseconds.
    pub(super) micros: u64,
}

/// Counts so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Executions.
    pub(super) executions: u64,
    /// Those that were stopped.
    pub(super) stopped: u64,
    /// Events from outside that are finished.
    pub(super) done: u64,
}

impl Recorder {
    pub(super) fn new<'a>(tenants: impl Iterator<Item = &'a str>) -> Result<Self> {
        let records = tenants.map(|name| Ok((name.parse()?, Record::default())));
        Ok(Self {
            metrics: Arc::default(),
            tenants: records.collect::<Result<_>>()?,
        })
    }

    /// What the server publishes.
    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// One tenant's counts.
    pub(super) fn counts(&self, tenant: &str) -> Counts {
        self.tenants
            .get(tenant)
            .map(Record::counts)
            .unwrap_or_default()
    }

    /// All tenants' counts.
    pub(super) fn all_counts(&self) -> Counts {
        let records = self.tenants.values().map(Record::counts);
        records.fold(Counts::default(), |sum, counts| Counts {
            executions: sum.executions + counts.executions,
            stopped: sum.stopped + counts.stopped,
            done: sum.done + counts.done,
        })
    }

    /// How long one tenant's events took.
    pub(super) fn latencies(&self, tenant: &str) -> Vec<Latency> {
        let record = self.tenants.get(tenant);
        record
            .map(|record| record.latencies.lock().clone())
            .unwrap_or_default()
    }
}

impl Record {
    fn counts(&self) -> Counts {
        Counts {
            executions: self.executions.load(Ordering::Relaxed),
            stopped: self.stopped.load(Ordering::Relaxed),
            done: self.done.load(Ordering::Relaxed),
        }
    }
}

impl Observer for Recorder {
    fn executed(&self, tenant: &TenantId, rule: &RuleName, usage: &Usage, stop: Option<StopCode>) {
        self.metrics.executed(tenant, rule, usage, stop);
        if let Some(record) = self.tenants.get(tenant) {
            record.executions.fetch_add(1, Ordering::Relaxed);
            let stopped = u64::from(stop.is_some());
            record.stopped.fetch_add(stopped, Ordering::Relaxed);
        }
    }

    fn dead_lettered(&self, tenant: &TenantId, code: StopCode) {
        self.metrics.dead_lettered(tenant, code);
    }

    fn anomaly(&self, tenant: &TenantId, kind: AnomalyKind, ended: bool) {
        self.metrics.anomaly(tenant, kind, ended);
    }

    fn alert_lost(&self) {
        self.metrics.alert_lost();
    }

    fn done(&self, event: &EventDone<'_>) {
        self.metrics.done(event);
        if event.depth > 0 {
            return;
        }
        if let Some(record) = self.tenants.get(event.tenant) {
            record.done.fetch_add(1, Ordering::Relaxed);
            record.latencies.lock().push(Latency {
                accepted_us: event.accepted_us,
                micros: event.durable_us.saturating_sub(event.accepted_us),
            });
        }
    }
}
