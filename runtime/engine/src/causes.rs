//! What actions cause: the events of tenants that want it are adopted by the
//! actions that may have caused them.

use std::sync::Arc;

use parking_lot::Mutex;
use ringfence_governor::{Inference, InferenceBounds};
use ringfence_model::{Effect, Event, Execution, Lineage, Mode, Origin, Policy, TenantId};

use crate::registry::Registry;

/// Pairs of subject and event type that are remembered of a tenant, and of
/// all: together some 15 MB.
const OF_TENANT: usize = 8_192;
const OF_ALL: usize = 65_536;

const MICROS_PER_SECOND: u64 = 1_000_000;

/// The member of an action's payload that says what it is about, where that
/// is something else than the event's subject.
const SUBJECT: &str = "subject";

/// The actions that took place a moment ago.
pub(crate) struct Causes {
    registry: Arc<Registry>,
    recent: Mutex<Inference>,
}

impl Causes {
    pub(crate) fn new(registry: Arc<Registry>, window_s: u64) -> Self {
        Self {
            registry,
            recent: Mutex::new(Inference::new(InferenceBounds {
                window_us: window_s.saturating_mul(MICROS_PER_SECOND),
                of_tenant: OF_TENANT,
                of_all: OF_ALL,
            })),
        }
    }

    /// A run's actions are durable. Costs next to nothing for runs without
    /// any, and little for tenants that do not want it.
    pub(crate) fn committed(&self, event: &Event, execution: &Execution, now_us: u64) {
        let mut actions = execution.effects.iter().filter_map(|effect| match effect {
            Effect::Act(action) => Some(action),
            Effect::Emit(_) | Effect::Remember(_) => None,
        });
        let Some(first) = actions.next() else {
            return;
        };
        if execution.mode == Mode::Shadow {
            return;
        }
        let Some(tenant) = self.registry.get(&event.tenant) else {
            return;
        };
        if !tenant.policy.adopts() {
            return;
        }
        let caused = Lineage {
            cascade: event.lineage.cascade,
            depth: event.lineage.depth.saturating_add(1),
            parent: Some(execution.id),
            origin: Origin::Inferred,
        };
        for action in std::iter::once(first).chain(actions) {
            let types = tenant.policy.caused_by(&action.name);
            if types.is_empty() {
                continue;
            }
            let named = action.payload.text_of(SUBJECT);
            if let Some(subject) = named.as_deref().or(event.subject.as_deref()) {
                let mut recent = self.recent.lock();
                for ty in types {
                    recent.acted(&event.tenant, subject, ty, caused, now_us);
                }
            }
        }
    }

    /// Gives events without lineage that of the action that explains them, if
    /// their tenant wants that.
    pub(crate) fn adopt(&self, policy: &Policy, events: &mut [Event], now_us: u64) {
        if !policy.adopts() {
            return;
        }
        let recent = self.recent.lock();
        for event in events {
            if event.lineage.origin == Origin::Root
                && let Some(subject) = &event.subject
                && let Some(lineage) = recent.explain(&event.tenant, subject, &event.ty, now_us)
            {
                event.lineage = lineage;
            }
        }
    }

    /// Forgets a tenant.
    pub(crate) fn remove(&self, tenant: &TenantId) {
        self.recent.lock().remove(tenant);
    }
}
