//! Accepting events from outside.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use ringfence_model::{Event, EventId, Lineage, RuleName, TenantId};
use ringfence_store::Append;

use crate::engine::check;
use crate::queue::Queue;
use crate::{Engine, EngineError};

/// Events counted under one lock, which who commits waits for.
const COUNTED_AT_ONCE: usize = 256;

/// An event that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Its id.
    pub event: EventId,
    /// Its place in its cascade: of a duplicate, that of the event that was
    /// accepted first.
    pub lineage: Lineage,
    /// Whether it is new.
    pub append: Append,
}

impl Engine {
    /// Accepts events from outside: all or none. They are durable when this
    /// answers. An event's lineage is its own, or of a token that was checked;
    /// an event that is its own root may be adopted by an action instead, if
    /// its tenant wants that.
    pub async fn accept(
        &self,
        tenant: &TenantId,
        mut events: Vec<Event>,
    ) -> Result<Vec<Receipt>, EngineError> {
        let state = self.of_running(tenant)?;
        let limits = &state.limits;
        let mut bytes = 0;
        for (index, event) in events.iter().enumerate() {
            check(index, event, limits)?;
            bytes += event.size();
        }
        let count = events.len() as u64;
        let now_us = self.clock().now_us();
        self.inner
            .queue
            .reserve(tenant, count, bytes, limits, now_us)?;
        // The reservation must end even if the caller goes away.
        let reservation = Reservation {
            queue: Arc::clone(&self.inner.queue),
            tenant: tenant.clone(),
            count,
            bytes,
        };
        self.inner.causes.adopt(&state.policy, &mut events, now_us);
        let mut came_back = Vec::new();
        if events.iter().any(|event| event.lineage.parent.is_some()) {
            came_back = self.find_ancestors(tenant, &mut events).await?;
        }
        let places: Vec<_> = events.iter().map(|e| (e.id, e.lineage)).collect();
        let appended = self.store().append(events).await;
        drop(reservation);
        let appended = appended.map_err(|error| self.of_tenant(tenant, error))?;
        let new = appended.iter().filter(|one| **one == Append::Accepted);
        let vitals = &self.inner.vitals;
        vitals.accepted(tenant, new.count() as u64, now_us);
        came_back.retain(|back| appended.get(back.index) == Some(&Append::Accepted));
        for some in came_back.chunks(COUNTED_AT_ONCE) {
            let mut vitals = vitals.lock();
            for back in some {
                let (what, when) = ((back.event, &*back.ty), (back.ran_us, now_us));
                vitals.came_back(&self.inner.registry, tenant, what, &back.rule, when);
            }
        }
        let receipts = places.into_iter().zip(appended);
        let mut receipts: Vec<Receipt> = receipts
            .map(|((event, lineage), append)| Receipt {
                event,
                lineage,
                append,
            })
            .collect();
        if receipts.iter().any(Receipt::is_duplicate) {
            self.correct_duplicates(tenant, &mut receipts).await?;
        }
        Ok(receipts)
    }

    /// What led to events that come from a run; answers which they are. Where that is not in the
    /// journal any more, what their lineage says has to do.
    async fn find_ancestors(
        &self,
        tenant: &TenantId,
        events: &mut [Event],
    ) -> Result<Vec<CameBack>, EngineError> {
        let mut known = HashMap::new();
        let mut came_back = Vec::new();
        for (index, event) in events.iter_mut().enumerate() {
            let Some(parent) = event.lineage.parent else {
                continue;
            };
            let found = match known.entry(parent) {
                Entry::Occupied(known) => &*known.into_mut(),
                Entry::Vacant(unknown) => {
                    &*unknown.insert(self.store().parent(tenant, parent).await?)
                }
            };
            let Some(found) = found else {
                continue;
            };
            event.ancestry = found.ancestry.clone();
            came_back.push(CameBack {
                index,
                event: event.id,
                ty: event.ty.clone(),
                rule: found.rule.clone(),
                ran_us: found.started_us,
            });
        }
        Ok(came_back)
    }

    /// A duplicate is where it was accepted first, whatever it says now.
    async fn correct_duplicates(
        &self,
        tenant: &TenantId,
        receipts: &mut [Receipt],
    ) -> Result<(), EngineError> {
        let duplicates = receipts.iter().filter(|receipt| receipt.is_duplicate());
        let ids = duplicates.map(|receipt| receipt.event).collect();
        let first = self.store().lineages(tenant, ids).await?;
        let duplicates = receipts.iter_mut().filter(|receipt| receipt.is_duplicate());
        for (receipt, first) in duplicates.zip(first) {
            receipt.lineage = first.unwrap_or(receipt.lineage);
        }
        Ok(())
    }
}

impl Receipt {
    /// Whether the event had been accepted before.
    pub fn is_duplicate(&self) -> bool {
        self.append == Append::Duplicate
    }
}

/// An event that a run had asked the host application for.
struct CameBack {
    /// Its place in the batch.
    index: usize,
    event: EventId,
    ty: String,
    /// Whose run it was.
    rule: RuleName,
    /// When that began, in microseconds since 1970.
    ran_us: u64,
}

/// Room that was made for events on their way to the disk.
struct Reservation {
    queue: Arc<Queue>,
    tenant: TenantId,
    count: u64,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.queue.unreserve(&self.tenant, self.count, self.bytes);
    }
}
