//! What a tenant may add: by its rate, by what waits of it, and by how the
//! host is.

use ringfence_governor::{Allowance, Level, Pressure, Rate, Signs, TurnedAway};
use ringfence_model::{Limits, TenantId};

use super::{Queue, State, Window};
use crate::EngineError;
use crate::batch::Work;

/// What a tenant may send from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantAllowance {
    /// `events_per_second` and `events_burst`.
    pub rate: Rate,
    /// What they allow now.
    pub events: Allowance,
    /// `waiting_events`.
    pub waiting_events: u64,
    /// How many more may wait.
    pub room_events: u64,
}

fn rate(limits: &Limits) -> Rate {
    Rate {
        per_second: limits.events_per_second,
        burst: limits.events_burst,
    }
}

impl Queue {
    /// Makes room for events that are about to be appended, or refuses them.
    pub(crate) fn reserve(
        &self,
        tenant: &TenantId,
        events: u64,
        bytes: u64,
        limits: &Limits,
        now_us: u64,
    ) -> Result<(), EngineError> {
        let state = &mut *self.state.lock();
        let window = state.admit(tenant, now_us)?;
        window.has_room_for(events, bytes, limits, now_us)?;
        let admitted = window.rate.admit(events, rate(limits), now_us);
        admitted.map_err(|too_fast| too_fast_for(limits, too_fast.retry_after_us))?;
        window.reserved_events += events;
        window.reserved_bytes += bytes;
        Ok(())
    }

    /// Whether the smallest event would be taken, or a batch of this length in
    /// bytes may be. Reserves nothing.
    pub(crate) fn may_reserve(
        &self,
        tenant: &TenantId,
        batch: Option<u64>,
        limits: &Limits,
        now_us: u64,
    ) -> Result<(), EngineError> {
        let state = &mut *self.state.lock();
        let window = state.admit(tenant, now_us)?;
        window.has_room_for(1, 1, limits, now_us)?;
        let allowed = window.rate.check(1, rate(limits), now_us);
        let allowed = allowed.and_then(|()| match batch {
            Some(length) => window.gate.check(length, now_us),
            None => Ok(()),
        });
        allowed.map_err(|too_fast| too_fast_for(limits, too_fast.retry_after_us))
    }

    /// A batch of this length was refused as too fast.
    pub(crate) fn refused(&self, tenant: &TenantId, length: u64, retry_after_us: u64, now_us: u64) {
        if let Some(window) = self.state.lock().windows.get_mut(tenant) {
            window.gate.refused(length, retry_after_us, now_us);
        }
    }

    /// The append is over; what became durable was fed, and counts as waiting.
    pub(crate) fn unreserve(&self, tenant: &TenantId, events: u64, bytes: u64) {
        if let Some(window) = self.state.lock().windows.get_mut(tenant) {
            // Saturating: the tenant may be a new one with the same name.
            window.reserved_events = window.reserved_events.saturating_sub(events);
            window.reserved_bytes = window.reserved_bytes.saturating_sub(bytes);
        }
    }

    /// Whether the host takes more work of a tenant.
    pub(crate) fn admits(&self, tenant: &TenantId, now_us: u64) -> Result<(), EngineError> {
        self.state.lock().admit(tenant, now_us).map(|_| ())
    }

    /// Whether the host takes what needs much memory.
    pub(crate) fn admits_memory(&self) -> bool {
        self.state.lock().overload.admits_memory()
    }

    /// What a tenant may send; none if it is not there.
    pub(crate) fn allowance(
        &self,
        tenant: &TenantId,
        limits: &Limits,
        now_us: u64,
    ) -> Option<TenantAllowance> {
        let state = self.state.lock();
        let window = state.windows.get(tenant)?;
        let waiting = window.waiting_events + window.reserved_events;
        Some(TenantAllowance {
            rate: rate(limits),
            events: window.rate.allowance(rate(limits), now_us),
            waiting_events: limits.waiting_events,
            room_events: limits.waiting_events.saturating_sub(waiting),
        })
    }

    /// How the host is.
    pub(crate) fn pressure(&self) -> Pressure {
        self.state.lock().overload.pressure()
    }

    /// Looks at the host. Answers its level if it is another now.
    pub(crate) fn look(&self, signs: Signs, now_us: u64) -> Option<Level> {
        let state = &mut *self.state.lock();
        let is_work_due = state.scheduler.is_work_due();
        let signs = Signs {
            is_work_due,
            ..signs
        };
        state.overload.look(signs, now_us)
    }
}

impl State {
    /// A tenant's window, if the host takes more work of it.
    fn admit(&mut self, tenant: &TenantId, now_us: u64) -> Result<&mut Window, EngineError> {
        let no_tenant = || EngineError::NoTenant(tenant.clone());
        let window = self.windows.get_mut(tenant).ok_or_else(no_tenant)?;
        self.overload
            .admits(&window.load, now_us)
            .map_err(EngineError::TurnedAway)?;
        Ok(window)
    }

    /// Work begins.
    pub(super) fn dispatched(&mut self, work: &Work, now_us: u64) {
        for dispatch in work {
            if let Some(window) = self.windows.get_mut(&dispatch.item.event().tenant) {
                let ready_us = dispatch.ready_us;
                self.overload.dispatched(&mut window.load, ready_us, now_us);
            }
        }
    }
}

impl Window {
    fn has_room_for(
        &self,
        events: u64,
        bytes: u64,
        limits: &Limits,
        now_us: u64,
    ) -> Result<(), EngineError> {
        let refuse = |what, waiting, limit, retry_after_us| {
            Err(EngineError::TooMuchWaiting {
                what,
                waiting,
                limit,
                retry_after_us,
            })
        };
        let (waiting, limit) = (
            self.waiting_events + self.reserved_events,
            limits.waiting_events,
        );
        if waiting + events > limit {
            let wait_us = self.drain.wait_for_events(waiting + events - limit, now_us);
            let wait_us = (events <= limit).then_some(wait_us);
            return refuse("events", waiting, limit, wait_us);
        }
        let (waiting, limit) = (
            self.waiting_bytes + self.reserved_bytes,
            limits.waiting_bytes,
        );
        if waiting + bytes > limit {
            let wait_us = self.drain.wait_for_bytes(waiting + bytes - limit, now_us);
            let wait_us = (bytes <= limit).then_some(wait_us);
            return refuse("bytes of events", waiting, limit, wait_us);
        }
        Ok(())
    }
}

fn too_fast_for(limits: &Limits, retry_after_us: Option<u64>) -> EngineError {
    EngineError::TooFast {
        rate: limits.events_per_second,
        burst: limits.events_burst,
        retry_after_us,
    }
}

/// Why a tenant is turned away, for people.
pub(crate) fn why(away: &TurnedAway) -> String {
    let TurnedAway {
        demand_percent,
        share_percent,
        ..
    } = away;
    match away.level {
        Level::Overloaded => "the host is overloaded and takes nothing more for now".to_owned(),
        Level::Fine | Level::Behind => format!(
            "the host is behind, and {demand_percent} % of what its tenants use and wait for is this tenant's; above {share_percent} % a tenant of its weight is turned away"
        ),
    }
}
