//! Who is told what happens.

use ringfence_model::{AnomalyKind, EventId, RuleName, StopCode, TenantId, Usage};

/// Is told what happens, for metrics. Called on the threads that do the work,
/// so it must be quick.
pub trait Observer: Send + Sync + 'static {
    /// An execution is durable.
    fn executed(
        &self,
        _tenant: &TenantId,
        _rule: &RuleName,
        _usage: &Usage,
        _stop: Option<StopCode>,
    ) {
    }

    /// A run for an evaluation is over, of which nothing is kept.
    fn evaluated(&self, _tenant: &TenantId, _usage: &Usage, _stop: Option<StopCode>) {}

    /// An execution that is durable had waited so long for a worker, in
    /// microseconds, from when its event was in memory and no other of its
    /// subject went before it.
    fn queued(&self, _us: u64) {}

    /// A piece of work is in the dead letters, and that is durable: one rule's
    /// part in an event, or a whole follow-up event.
    fn dead_lettered(&self, _tenant: &TenantId, _code: StopCode) {}

    /// An event is finished, and that is durable.
    fn done(&self, _event: &EventDone<'_>) {}

    /// An anomaly began or ended, and that is durable.
    fn anomaly(&self, _tenant: &TenantId, _kind: AnomalyKind, _ended: bool) {}

    /// An alert will not be delivered, because too many wait already.
    fn alert_lost(&self) {}
}

/// An event is finished.
#[derive(Debug)]
pub struct EventDone<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// Which.
    pub event: EventId,
    /// Its depth; 0 for a root event.
    pub depth: u32,
    /// When it was accepted, in microseconds since 1970.
    pub accepted_us: u64,
    /// When its end was durable.
    pub durable_us: u64,
}
