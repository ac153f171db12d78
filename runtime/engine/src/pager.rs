//! Brings waiting events from the disk into memory when there is room, and
//! wakes those that slept. One task does both, so that no event is brought in
//! twice.

use std::sync::Arc;
use std::time::Duration;

use ringfence_model::{RuleName, TenantId};
use ringfence_store::{Sleepers, Store};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::giving_up::give_up;
use crate::observer::Observer;
use crate::quarantine::Quarantines;
use crate::queue::Queue;
use crate::registry::Registry;

/// Events read at once. Each is at most as large as `event_bytes`.
const PAGE_EVENTS: u32 = 128;

/// How long to wait after the store failed.
const RETRY: Duration = Duration::from_millis(500);

/// How often to look whether a rule may be run again.
const LOOK: Duration = Duration::from_millis(250);

/// Looks between two looks for what slept too long.
const LOOKS_PER_SWEEP: u32 = 20;

/// Events given up at once.
pub(crate) const GIVEN_UP_MAX: u32 = 500;

pub(crate) struct Pager {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) quarantines: Arc<Quarantines>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn Observer>,
}

impl Pager {
    /// Answers requests for pages until the queue is gone.
    pub(crate) async fn run(self: Arc<Self>, mut requests: UnboundedReceiver<TenantId>) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked = 0u32;
        loop {
            tokio::select! {
                request = requests.recv() => match request {
                    Some(tenant) => self.page(&tenant).await,
                    None => return,
                },
                _ = looks.tick() => {
                    looked = looked.wrapping_add(1);
                    self.look().await;
                    if looked.is_multiple_of(LOOKS_PER_SWEEP) {
                        self.sweep().await;
                    }
                }
            }
        }
    }

    async fn page(&self, tenant: &TenantId) {
        while let Some(request) = self.queue.begin_page(tenant) {
            let read = self.store.pending(tenant, request.after, PAGE_EVENTS);
            match read.await {
                Ok(page) => {
                    self.queue
                        .end_page(tenant, &request, page, PAGE_EVENTS as usize);
                    break;
                }
                Err(error) => {
                    tracing::error!(%tenant, %error, "waiting events cannot be read; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Wakes what may go on: one event to probe a rule whose time is over, all
    /// where a rule is in quarantine no more.
    async fn look(&self) {
        for (tenant, rule) in self.quarantines.waited_for() {
            let Some(state) = self.registry.get(&tenant) else {
                self.quarantines.forget_tenant(&tenant);
                continue;
            };
            let active = state.rules.rule(&rule);
            let quarantine = active.and_then(|active| active.activation.quarantine.as_ref());
            let until_us = quarantine.map(|quarantine| quarantine.until_us);
            let limit = match until_us {
                Some(Some(until_us)) if self.clock.now_us() < until_us => continue,
                Some(Some(_)) => 1,
                Some(None) | None => PAGE_EVENTS,
            };
            self.wake(&tenant, &rule, limit).await;
        }
    }

    async fn wake(&self, tenant: &TenantId, rule: &RuleName, limit: u32) {
        let Some(lifetime) = self.queue.has_room(tenant) else {
            return;
        };
        let counted = self.quarantines.parked(tenant, rule);
        match self.store.wake(tenant, rule, limit).await {
            // What was counted is gone; what is counted meanwhile is not.
            Ok(woken) if woken.is_empty() => self.quarantines.woke(tenant, rule, counted),
            Ok(woken) => {
                for rule in woken.iter().flat_map(|woken| &woken.parked) {
                    self.quarantines.woke(tenant, rule, 1);
                }
                let pending = woken.into_iter().map(|woken| woken.pending);
                self.queue.woke(tenant, lifetime, pending.collect());
            }
            Err(error) => {
                tracing::error!(%tenant, %rule, %error, "sleeping events cannot be woken; trying again");
            }
        }
    }

    /// Gives up what slept too long.
    async fn sweep(&self) {
        let longest_us = self.quarantines.parking.seconds.saturating_mul(1_000_000);
        let before_us = self.clock.now_us().saturating_sub(longest_us);
        loop {
            let which = Sleepers::Since(before_us);
            let why = "It has waited as long as events may.";
            match give_up(self, &which, GIVEN_UP_MAX, why).await {
                Ok(given_up) if given_up > 0 => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::error!(%error, "what slept too long cannot be given up; trying again later");
                    return;
                }
            }
        }
    }
}
