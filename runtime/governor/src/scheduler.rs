//! Fair shares: whose work is next.
//!
//! Start-time fair queueing (Goyal, Vin and Cheng, 1996) over tenants, with
//! fuel as the cost. A run's cost is known only when it ends, so an estimate
//! is charged at dispatch and corrected then, as VTC does for costs that are
//! unknown in advance (Sheng et al., 2024). Within a tenant, work with the
//! same subject is done one after the other in the order it came; the rest in
//! the order it became ready.
//!
//! Memory is given by reservation: a run is dispatched only when what it may
//! take fits beside what its tenant's other runs may take, so that the bound
//! holds whatever they do. A run that does not fit waits, and so does what is
//! behind it in its tenant's queue; other tenants go on. Runs that are not in
//! the queue, because somebody waits for their answer, are [`Claim`]s on the
//! same share: where both wait, they take turns.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use ringfence_model::{FUEL_PER_MICROSECOND, TenantId};

use crate::queue::{Queue, Share};

/// What a run costs the host beside its fuel (a lease, an instance, its part
/// of a commit), in fuel: some 50 us. Runs that use hardly any fuel are not
/// free.
const RUN_COST: u64 = 50 * FUEL_PER_MICROSECOND;

/// What it costs to make one effect durable, in fuel: some 20 us.
const EFFECT_COST: u64 = 20 * FUEL_PER_MICROSECOND;

/// Work to do now.
#[derive(Debug)]
pub struct Dispatch<T> {
    /// The work.
    pub item: T,
    /// To be handed back with [`Scheduler::ran`] and then
    /// [`Scheduler::release`].
    pub ticket: Ticket,
}

/// The claim that a dispatched piece of work has on its tenant's share and on
/// its subject.
#[derive(Debug)]
#[must_use = "a ticket that is not handed back keeps its subject waiting for ever"]
pub struct Ticket {
    queue: usize,
    generation: u64,
    charged: u64,
    batch: u64,
    subject: Option<Arc<str>>,
    depth: u32,
}

/// Work that one worker does, one piece after the other.
#[derive(Debug)]
pub struct Batch {
    id: u64,
    /// Whose work was taken last.
    latest: Option<(usize, u64)>,
}

/// What is known about a piece of work before it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Memory that it may take, in bytes.
    pub memory: u64,
    /// Whether it may be taken at all, now.
    pub wanted: bool,
}

/// The claim that a run beside the queue has on its tenant's share.
#[derive(Debug)]
#[must_use = "a claim that is not handed back keeps its memory for ever"]
pub struct Claim {
    queue: usize,
    generation: u64,
    memory: u64,
}

/// Names a claim that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimId(u64);

/// Work of all tenants, in memory.
#[derive(Debug)]
pub struct Scheduler<T> {
    index: HashMap<TenantId, usize>,
    queues: Vec<Option<Queue<T>>>,
    /// Queues with work that may be dispatched, by their start tag.
    eligible: BTreeSet<(u128, usize)>,
    /// The start tag of the latest dispatch: where a returning tenant begins,
    /// so that idling earns no credit.
    virtual_time: u128,
    generations: u64,
    claims: u64,
    batches: u64,
    /// Work that waits for its turn only, of all tenants.
    ready: usize,
    granted: VecDeque<(ClaimId, Claim)>,
}

/// What came of looking at the work whose turn it is.
enum Taken<T> {
    Work(Dispatch<T>),
    Lacking,
    Unwanted,
}

impl<T> Queue<T> {
    /// Takes the work whose turn it is, if it is wanted and there is memory
    /// for it.
    fn take(
        &mut self,
        at: usize,
        batch: u64,
        needs: &mut impl FnMut(&T) -> Needs,
    ) -> Option<Taken<T>> {
        let Needs {
            memory: needed,
            wanted,
        } = needs(self.first()?);
        if !wanted {
            return Some(Taken::Unwanted);
        }
        if !self.fits_into(batch, needed) {
            self.lacking = Some(needed);
            return Some(Taken::Lacking);
        }
        let (subject, depth, item) = self.pop()?;
        let charged = self.estimate.max(RUN_COST);
        self.charge(charged);
        self.begin_in(batch, needed);
        self.claimed_last = false;
        self.unreleased += 1;
        self.held -= 1;
        let ticket = Ticket {
            queue: at,
            generation: self.generation,
            charged,
            batch,
            subject,
            depth,
        };
        Some(Taken::Work(Dispatch { item, ticket }))
    }
}

impl<T> Default for Scheduler<T> {
    fn default() -> Self {
        Self {
            index: HashMap::new(),
            queues: Vec::new(),
            eligible: BTreeSet::new(),
            virtual_time: 0,
            generations: 0,
            claims: 0,
            batches: 0,
            ready: 0,
            granted: VecDeque::new(),
        }
    }
}

impl<T> Scheduler<T> {
    /// Adds a tenant, or changes its share.
    pub fn set_share(&mut self, tenant: &TenantId, share: Share) {
        if let Some(&at) = self.index.get(tenant) {
            self.update(at, |queue| {
                queue.share = share;
                queue.lacking = None;
            });
            return;
        }
        self.generations += 1;
        let queue = Queue::new(self.generations, share, self.virtual_time);
        let at = match self.queues.iter().position(Option::is_none) {
            Some(free) => {
                self.queues[free] = Some(queue);
                free
            }
            None => {
                self.queues.push(Some(queue));
                self.queues.len() - 1
            }
        };
        self.index.insert(tenant.clone(), at);
    }

    /// Removes a tenant and answers its work that was not under way. Its
    /// claims that wait are never granted.
    pub fn remove(&mut self, tenant: &TenantId) -> Vec<T> {
        let Some(at) = self.index.remove(tenant) else {
            return Vec::new();
        };
        let Some(queue) = self.queues[at].take() else {
            return Vec::new();
        };
        self.eligible.remove(&(queue.start, at));
        self.ready -= queue.ready();
        queue.into_work().collect()
    }

    /// While a tenant is dampened, its work on root events goes before that on
    /// follow-up events, which get one of 8 turns if both wait. The order
    /// within a subject stays, and so does the tenant's share.
    pub fn set_dampened(&mut self, tenant: &TenantId, is_dampened: bool) {
        if let Some(&at) = self.index.get(tenant) {
            self.update(at, |queue| queue.set_dampened(is_dampened));
        }
    }

    /// Whether a tenant is dampened.
    pub fn is_dampened(&self, tenant: &TenantId) -> bool {
        let at = self.index.get(tenant);
        let queue = at.and_then(|at| self.queues[*at].as_ref());
        queue.is_some_and(Queue::is_dampened)
    }

    /// Adds work at the end, as on a root event. Answers it back if there is no such tenant.
    pub fn push(&mut self, tenant: &TenantId, subject: Option<&str>, item: T) -> Result<(), T> {
        self.push_at(tenant, subject, 0, item)
    }

    /// The same, with the depth of the event that it is on; 0 is a root event.
    pub fn push_at(
        &mut self,
        tenant: &TenantId,
        subject: Option<&str>,
        depth: u32,
        item: T,
    ) -> Result<(), T> {
        let Some(&at) = self.index.get(tenant) else {
            return Err(item);
        };
        let virtual_time = self.virtual_time;
        self.update(at, |queue| {
            if queue.held == 0 && queue.unreleased == 0 {
                queue.start = queue.start.max(virtual_time);
            }
            queue.held += 1;
            queue.push(subject, depth, item);
        });
        Ok(())
    }

    /// What to do next, if anything may be done. `memory` says what a piece of
    /// work may take, in bytes, which is reserved until [`Scheduler::ran`].
    pub fn dispatch(&mut self, memory: impl Fn(&T) -> u64) -> Option<Dispatch<T>> {
        let mut alone = self.begin_batch();
        self.dispatch_into(&mut alone, |work| Needs {
            memory: memory(work),
            wanted: true,
        })
    }

    /// Begins a batch, without work.
    pub fn begin_batch(&mut self) -> Batch {
        self.batches += 1;
        Batch {
            id: self.batches,
            latest: None,
        }
    }

    /// What to do next in a batch, if anything may be done. What is not
    /// wanted stays first.
    pub fn dispatch_into(
        &mut self,
        batch: &mut Batch,
        mut needs: impl FnMut(&T) -> Needs,
    ) -> Option<Dispatch<T>> {
        while let Some(&(start, at)) = self.eligible.first() {
            match self.take(at, batch, &mut needs) {
                Some(Taken::Work(dispatch)) => {
                    self.virtual_time = start;
                    return Some(dispatch);
                }
                // It is not eligible any more, and another tenant may be.
                Some(Taken::Lacking) => {}
                Some(Taken::Unwanted) | None => return None,
            }
        }
        // A tenant that may not run more at one moment can go on in a batch
        // that it is in.
        let (at, generation) = batch.latest?;
        let queue = self.queues.get(at)?.as_ref()?;
        if queue.generation != generation || !queue.may_go_on() {
            return None;
        }
        match self.take(at, batch, &mut needs) {
            Some(Taken::Work(dispatch)) => Some(dispatch),
            Some(Taken::Lacking | Taken::Unwanted) | None => None,
        }
    }

    fn take(
        &mut self,
        at: usize,
        batch: &mut Batch,
        needs: &mut impl FnMut(&T) -> Needs,
    ) -> Option<Taken<T>> {
        let id = batch.id;
        let taken = self.update(at, |queue| queue.take(at, id, needs))?;
        if let Some(Taken::Work(dispatch)) = &taken {
            batch.latest = Some((at, dispatch.ticket.generation));
        }
        taken
    }

    /// How much work waits for its turn only.
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// Asks for room for a run beside the queue that may take this much
    /// memory, in bytes. Granted by [`Scheduler::granted`], at once or later.
    /// None if there is no such tenant.
    pub fn claim(&mut self, tenant: &TenantId, memory: u64) -> Option<ClaimId> {
        let &at = self.index.get(tenant)?;
        self.claims += 1;
        let id = self.claims;
        self.update(at, |queue| queue.claims.push_back((id, memory)));
        Some(ClaimId(id))
    }

    /// The next claim that is granted.
    pub fn granted(&mut self) -> Option<(ClaimId, Claim)> {
        self.granted.pop_front()
    }

    /// Ends a claim that still waits.
    pub fn withdraw(&mut self, tenant: &TenantId, id: ClaimId) {
        if let Some(&at) = self.index.get(tenant) {
            self.update(at, |queue| queue.claims.retain(|(other, _)| *other != id.0));
        }
    }

    /// The run beside the queue is over; it used this much fuel.
    #[allow(clippy::needless_pass_by_value)] // so that it cannot be handed back twice
    pub fn end(&mut self, claim: Claim, fuel: u64) {
        self.update_of(claim.queue, claim.generation, |queue| {
            queue.end(claim.memory);
            queue.charge(fuel.saturating_add(RUN_COST));
        });
    }

    /// The run is over; it took this much of the host, in fuel, and returned
    /// so many effects.
    /// Its worker is free; its subject is not, before [`Scheduler::release`].
    pub fn ran(&mut self, ticket: &mut Ticket, fuel: u64, effects: u64) {
        let effects = effects.saturating_mul(EFFECT_COST);
        let cost = fuel.saturating_add(RUN_COST).saturating_add(effects);
        let charged = std::mem::take(&mut ticket.charged);
        let batch = ticket.batch;
        self.update_of(ticket.queue, ticket.generation, |queue| {
            queue.end_in(batch);
            if cost >= charged {
                queue.charge(cost - charged);
            } else {
                queue.refund(charged - cost);
            }
            queue.estimate = queue.estimate - queue.estimate / 8 + cost / 8;
        });
    }

    /// The work is finished, and whatever waits for its subject may go on; or,
    /// with `again`, there is more to do for it first.
    #[allow(clippy::needless_pass_by_value)] // so that it cannot be handed back twice
    pub fn release(&mut self, mut ticket: Ticket, again: Option<T>) {
        let subject = ticket.subject.take();
        self.update_of(ticket.queue, ticket.generation, |queue| {
            queue.unreleased -= 1;
            queue.release(subject, again.map(|again| (ticket.depth, again)));
        });
    }

    /// How much work of a tenant is here and not under way.
    pub fn held(&self, tenant: &TenantId) -> usize {
        self.index
            .get(tenant)
            .and_then(|at| self.queues[*at].as_ref())
            .map_or(0, |queue| queue.held)
    }

    /// Memory that a tenant's runs may take now, in bytes.
    pub fn reserved(&self, tenant: &TenantId) -> u64 {
        self.index
            .get(tenant)
            .and_then(|at| self.queues[*at].as_ref())
            .map_or(0, |queue| queue.reserved)
    }

    fn update_of(&mut self, at: usize, generation: u64, change: impl FnOnce(&mut Queue<T>)) {
        let present = self.queues[at].as_ref();
        if present.is_some_and(|queue| queue.generation == generation) {
            self.update(at, change);
        }
    }

    /// Changes a queue, grants the claims that may go on, and keeps its place
    /// among the eligible ones.
    fn update<R>(&mut self, at: usize, change: impl FnOnce(&mut Queue<T>) -> R) -> Option<R> {
        let queue = self.queues[at].as_mut()?;
        let before = queue.is_eligible().then_some(queue.start);
        let ready = queue.ready();
        let changed = change(queue);
        self.ready = self.ready - ready + queue.ready();
        while let Some((id, memory)) = queue.next_claim() {
            let claim = Claim {
                queue: at,
                generation: queue.generation,
                memory,
            };
            self.granted.push_back((ClaimId(id), claim));
        }
        let after = queue.is_eligible().then_some(queue.start);
        if before == after {
            return Some(changed);
        }
        if let Some(start) = before {
            self.eligible.remove(&(start, at));
        }
        if let Some(start) = after {
            self.eligible.insert((start, at));
        }
        Some(changed)
    }
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "scheduler_batch_tests.rs"]
mod batch_tests;
