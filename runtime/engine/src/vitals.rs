//! The pulse of all tenants, shared by those who count and those who look.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

use parking_lot::{Mutex, MutexGuard};
use ringfence_governor::{Pulse, PulseView, Rates};
use ringfence_model::{
    Anomaly, AnomalyEnd, AnomalyKind, Effect, EventId, Execution, Mode, RuleName, TenantId,
};
use ringfence_store::AnomalyRecord;

use crate::config::EngineConfig;
use crate::registry::Registry;
use crate::tally::Tallies;
use crate::utilisation::{Busy, Utilisation};

/// Tenants of which the number is shown at one moment in the metrics.
const SHOWN_MAX: usize = 20;

/// What is going on that is out of the ordinary.
#[derive(Debug, Clone, Default)]
pub struct VitalSigns {
    /// Tenants whose reproduction number is near the threshold or above it,
    /// the greatest first; at most 20.
    pub numbers: Vec<(TenantId, f64)>,
    /// How many anomalies of each kind go on.
    pub ongoing: Vec<(AnomalyKind, u64)>,
    /// Workers that there are.
    pub workers: u64,
    /// How long all of them together have been at work, in microseconds.
    pub busy_us: u64,
    /// Which part of their time was work lately, 0 to 1: what was 10 seconds
    /// ago counts half.
    pub utilisation: f64,
}

/// That an anomaly began or ended.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) tenant: TenantId,
    pub(crate) anomaly: Anomaly,
}

/// Counts under a lock of its own: nobody who holds it waits for anything but
/// the queue's lock, which is never held by who waits for this one.
#[derive(Debug)]
pub(crate) struct Vitals {
    counted: Mutex<Counted>,
    workers: u64,
    pub(crate) busy: Busy,
    /// Results on their way to the disk.
    pub(crate) committing: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Counted {
    pulse: Pulse,
    rates: Rates,
    pub(crate) tallies: Tallies,
    utilisation: Utilisation,
    /// Anomalies that go on, as they are kept.
    ongoing: HashMap<(TenantId, AnomalyKind), AnomalyRecord>,
}

impl Vitals {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        Self {
            workers: config.worker_count().into(),
            busy: Busy::default(),
            committing: AtomicU64::new(0),
            counted: Mutex::new(Counted {
                pulse: Pulse::new(config.pulse),
                rates: Rates::new(config.rates),
                tallies: Tallies::default(),
                utilisation: Utilisation::default(),
                ongoing: HashMap::new(),
            }),
        }
    }

    /// For many counts at once.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock()
    }

    /// Root and returned events were accepted.
    pub(crate) fn accepted(&self, tenant: &TenantId, events: u64, now_us: u64) {
        if events > 0 {
            let mut counted = self.lock();
            counted.rates.accepted(tenant, events, now_us);
            counted.tallies.accepted(tenant, events);
        }
    }

    /// The rule is another one now, or gone.
    pub(crate) fn forget(&self, tenant: &TenantId, rule: &RuleName) {
        self.lock().pulse.forget(tenant, rule);
    }

    /// The tenant is gone.
    pub(crate) fn forget_tenant(&self, tenant: &TenantId) {
        let mut counted = self.lock();
        counted.pulse.forget_tenant(tenant);
        counted.rates.forget_tenant(tenant);
        counted.tallies.forget(tenant);
        counted.ongoing.retain(|(of, _), _| of != tenant);
    }

    /// What began and ended since the latest look.
    pub(crate) fn look(&self, now_us: u64) -> Vec<Change> {
        let mut counted = self.lock();
        let busy_us = self.busy.us();
        counted.utilisation.look(busy_us, self.workers, now_us);
        let pulse = counted.pulse.look(now_us).into_iter().map(|change| Change {
            anomaly: over(
                Anomaly::of_reproduction(change.since_us, change.found),
                change.ended,
                now_us,
            ),
            tenant: change.tenant,
        });
        let mut changes: Vec<_> = pulse.collect();
        let rates = counted.rates.look(now_us).into_iter().map(|change| Change {
            anomaly: over(
                Anomaly::of_event_rate(change.since_us, change.found),
                change.ended,
                now_us,
            ),
            tenant: change.tenant,
        });
        changes.extend(rates);
        changes
    }

    /// An anomaly that began is kept.
    pub(crate) fn began(&self, tenant: &TenantId, record: AnomalyRecord) {
        let key = (tenant.clone(), record.anomaly.kind);
        self.lock().ongoing.insert(key, record);
    }

    /// An anomaly is over: its place, if it was kept.
    pub(crate) fn ended(&self, tenant: &TenantId, kind: AnomalyKind) -> Option<u64> {
        let ended = self.lock().ongoing.remove(&(tenant.clone(), kind));
        ended.map(|record| record.seq)
    }

    pub(crate) fn view(&self, tenant: &TenantId, now_us: u64) -> PulseView {
        self.lock().pulse.view(tenant, now_us)
    }

    pub(crate) fn signs(&self) -> VitalSigns {
        let counted = self.lock();
        let ongoing = |kind| {
            let of_kind = counted.ongoing.keys().filter(|(_, known)| *known == kind);
            (kind, of_kind.count() as u64)
        };
        VitalSigns {
            numbers: counted.pulse.near_threshold(SHOWN_MAX),
            ongoing: AnomalyKind::ALL.into_iter().map(ongoing).collect(),
            workers: self.workers,
            busy_us: self.busy.us(),
            utilisation: counted.utilisation.ratio(),
        }
    }
}

fn over(anomaly: Anomaly, ended: bool, now_us: u64) -> Anomaly {
    Anomaly {
        until_us: ended.then_some(now_us),
        ended: ended.then_some(AnomalyEnd::Calm),
        ..anomaly
    }
}

impl Counted {
    /// A run is durable, and so is what it set off: it counts for each rule
    /// that will be run on it, also where the cascade's budget refused it.
    pub(crate) fn committed(&mut self, registry: &Registry, run: &Execution, now_us: u64) {
        self.pulse.ran(&run.tenant, &run.rule, now_us);
        if run.mode == Mode::Shadow {
            return;
        }
        for (index, effect) in (0..).zip(&run.effects) {
            if let Effect::Emit(new) = effect {
                let id = EventId::follow_up(run.id, index);
                self.caused(
                    registry,
                    &run.tenant,
                    &run.rule,
                    (id, &new.ty),
                    (now_us, now_us),
                );
            }
        }
    }

    /// An event came back from the host application, for what a run of this
    /// rule, then, had asked for.
    pub(crate) fn came_back(
        &mut self,
        registry: &Registry,
        tenant: &TenantId,
        (event, ty): (EventId, &str),
        rule: &RuleName,
        (ran_us, now_us): (u64, u64),
    ) {
        self.caused(registry, tenant, rule, (event, ty), (ran_us, now_us));
    }

    fn caused(
        &mut self,
        registry: &Registry,
        tenant: &TenantId,
        rule: &RuleName,
        (event, ty): (EventId, &str),
        (ran_us, now_us): (u64, u64),
    ) {
        let Some(state) = registry.get(tenant) else {
            return;
        };
        let wanting = state.rules.route(ty);
        let taking = wanting
            .iter()
            .filter(|rule| rule.activation.quarantine.is_none() && rule.takes(event))
            .map(|rule| &rule.activation.rule);
        self.pulse.caused(tenant, rule, ty, taking, ran_us, now_us);
    }
}
