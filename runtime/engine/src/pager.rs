//! Brings waiting events from the disk into memory when there is room, and
//! wakes those that slept. One task does both, so that no event is brought in
//! twice.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ringfence_model::{RuleName, TenantId};
use ringfence_store::{Sleepers, Store, Woken};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::giving_up::GivingUp;
use crate::observer::Observer;
use crate::quarantine::Quarantines;
use crate::queue::Queue;
use crate::registry::Registry;
use crate::sleepers::Wish;

/// Events woken at once. Each is at most as large as `event_bytes`.
const WAKE_EVENTS: u32 = 128;

/// How often to look whether a rule may be run again, and to try again what
/// could not be read.
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

/// What is to be done between two pages.
#[derive(Debug, Default)]
struct Chores {
    looked: u32,
    /// Rules that events sleep for, to be looked at.
    waited_for: VecDeque<(TenantId, RuleName)>,
    /// Rules that events sleep for, to be kept from sleeping too long if they
    /// are paused.
    kept: VecDeque<(TenantId, RuleName)>,
    /// Whether what slept too long is looked for.
    sweeping: bool,
    /// Whose page could not be read.
    failed: Vec<TenantId>,
}

impl Chores {
    fn are_due(&self) -> bool {
        self.sweeping || !self.waited_for.is_empty()
    }
}

impl Pager {
    /// Answers requests for pages, and to look at what sleeps, until the queue is
    /// gone. Chores have their turns beside them, one by one: each may wait for
    /// the disk, and nobody's page waits for all of them.
    pub(crate) async fn run(
        self: Arc<Self>,
        mut requests: UnboundedReceiver<TenantId>,
        mut wishes: UnboundedReceiver<Wish>,
    ) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut chores = Chores::default();
        loop {
            // Of those that are ready, chance takes one.
            tokio::select! {
                request = requests.recv() => match request {
                    Some(tenant) => {
                        if !self.page(&tenant).await {
                            chores.failed.push(tenant);
                        }
                    }
                    None => return,
                },
                Some((tenant, rule)) = wishes.recv() => {
                    self.quarantines.sleepers.looked(&tenant, &rule);
                    self.look_at(&tenant, &rule).await;
                }
                _ = looks.tick() => self.look(&mut chores),
                () = std::future::ready(()), if chores.are_due() => self.chore(&mut chores).await,
            }
        }
    }

    /// Sees what is to be done.
    fn look(&self, chores: &mut Chores) {
        for tenant in std::mem::take(&mut chores.failed) {
            self.queue.ask_again(tenant);
        }
        if chores.waited_for.is_empty() {
            chores.waited_for = self.quarantines.sleepers.rules().into();
        }
        chores.looked = chores.looked.wrapping_add(1);
        if chores.looked.is_multiple_of(LOOKS_PER_SWEEP) && !chores.sweeping {
            chores.kept = self.quarantines.sleepers.rules().into();
            chores.sweeping = true;
        }
    }

    async fn chore(&self, chores: &mut Chores) {
        if let Some((tenant, rule)) = chores.waited_for.pop_front() {
            self.look_at(&tenant, &rule).await;
        } else if let Some((tenant, rule)) = chores.kept.pop_front() {
            if self.is_kept(&tenant, &rule) {
                // Long before it would be too late.
                self.keep(&tenant, &rule, self.longest_us() / 2).await;
            }
        } else {
            chores.sweeping = self.sweep().await;
        }
    }

    /// Reads a tenant's next page. False if the store failed: the tenant is to
    /// have another turn, and nobody waits behind it.
    async fn page(&self, tenant: &TenantId) -> bool {
        let Some(request) = self.queue.begin_page(tenant) else {
            return true;
        };
        let read = self
            .store
            .pending(tenant, request.after, request.events, request.bytes);
        match read.await {
            Ok(page) => {
                self.queue.end_page(tenant, &request, page);
                true
            }
            Err(error) => {
                tracing::error!(%tenant, %error, "waiting events cannot be read; trying again");
                false
            }
        }
    }

    /// Wakes what may go on: one event to probe a rule whose time is over, more
    /// and more where a rule is in quarantine no more, none where it is paused.
    async fn look_at(&self, tenant: &TenantId, rule: &RuleName) {
        let Some(state) = self.registry.get(tenant) else {
            return self.quarantines.forget_tenant(tenant);
        };
        if self.is_kept(tenant, rule) {
            return;
        }
        let active = state.rules.rule(rule);
        let quarantine = active.and_then(|active| active.activation.quarantine.as_ref());
        let until_us = quarantine.map(|quarantine| quarantine.until_us);
        let limit = match until_us {
            Some(Some(until_us)) if self.clock.now_us() < until_us => return,
            Some(Some(_)) => 1,
            Some(None) | None => self.quarantines.sleepers.room(tenant, rule, WAKE_EVENTS),
        };
        if limit > 0 {
            self.wake(tenant, rule, limit).await;
        }
    }

    /// Whether what sleeps for a rule sleeps until somebody resumes it, or its
    /// tenant, or all.
    pub(crate) fn is_kept(&self, tenant: &TenantId, rule: &RuleName) -> bool {
        let state = self.registry.get(tenant);
        let pause = state.and_then(|state| state.pause_of(rule)).flatten();
        pause.is_some() || self.registry.is_paused(tenant)
    }

    async fn wake(&self, tenant: &TenantId, rule: &RuleName, limit: u32) {
        let Some(lifetime) = self.queue.has_room(tenant) else {
            return;
        };
        let sleepers = &self.quarantines.sleepers;
        let believed = sleepers.some(tenant, rule);
        match self.store.wake(tenant, rule, limit).await {
            Ok(woken) if woken.is_empty() => sleepers.forget(tenant, rule, believed),
            Ok(woken) => {
                for Woken { pending, parked } in &woken {
                    for rule in parked {
                        sleepers.woke(&pending.event, rule, pending.seq);
                    }
                }
                let pending = woken.into_iter().map(|woken| woken.pending);
                self.queue.woke(tenant, lifetime, pending.collect());
            }
            Err(error) => {
                tracing::error!(%tenant, %rule, %error, "sleeping events cannot be woken; trying again");
            }
        }
    }

    /// What sleeps for rules that are paused has not slept too long, whenever
    /// they are resumed.
    pub(crate) async fn keep(&self, tenant: &TenantId, rule: &RuleName, slept_us: u64) {
        let now_us = self.clock.now_us();
        let before_us = now_us.saturating_sub(slept_us);
        if let Err(error) = self.store.keep(tenant, rule, before_us, now_us).await {
            tracing::error!(%tenant, %rule, %error, "sleeping events cannot be kept; trying again later");
        }
    }

    fn longest_us(&self) -> u64 {
        self.quarantines.parking.seconds.saturating_mul(1_000_000)
    }

    /// Gives up some of what slept too long; whether there may be more.
    async fn sweep(&self) -> bool {
        let before_us = self.clock.now_us().saturating_sub(self.longest_us());
        let giving_up = GivingUp {
            which: Sleepers::Since(before_us),
            was: None,
            why: "It has waited as long as events may.",
        };
        match giving_up.some(self, GIVEN_UP_MAX).await {
            Ok(given_up) => given_up > 0,
            Err(error) => {
                tracing::error!(%error, "what slept too long cannot be given up; trying again later");
                false
            }
        }
    }
}
