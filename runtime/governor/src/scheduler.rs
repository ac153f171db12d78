//! Fair shares: whose work is next.
//!
//! Start-time fair queueing (Goyal, Vin and Cheng, 1996) over tenants and
//! several workers (Jin, Chase and Kaur, 2004), with fuel as the cost. A run's
//! cost is known only when it ends, so what its rule is expected to cost is
//! charged at dispatch and corrected then, as VTC does for costs that are
//! unknown in advance (Sheng et al., 2024). Small runs and large ones are
//! spread over the workers after 2DFQ (Mace et al., 2016), see `turns`. Within
//! a tenant, work with the same subject is done one after the other in the
//! order it came; the rest as `ready` says.
//!
//! Who has little to do is preferred, as long as that does not bring it ahead by
//! more than is forgiven: so bursts of a tenant that uses about its share do not
//! wait behind those who always want more. It is the idea of sparse flows in
//! FQ-CoDel (Hoeiland-Joergensen et al., RFC 8290, 2018), with a bound by tags.
//! Nobody gets more by it over time, since what it takes is charged as ever.
//!
//! An express lane is one more worker, which takes cheap runs only, and only
//! while all workers make runs that are not: so small runs never wait for large
//! ones to end, and the operating system shares the cores between them. It takes
//! what is next by finish tag, as the last worker does, so nobody gets more than
//! its share by it.
//!
//! Memory is given by reservation: a run is dispatched only when what it may
//! take fits beside what its tenant's other runs may take, so that the bound
//! holds whatever they do. A run that does not fit waits, and so does what is
//! behind it in its tenant's queue; other tenants go on.
//!
//! How many results may be on their way to the disk is bounded for all tenants
//! together ([`Scheduler::set_results_max`]), so that where the disk is what is
//! slow, work waits here, where its turn is decided, and not behind others'
//! results.
//!
//! Work whose answer somebody waits for ([`Scheduler::push_awaited`]) is of
//! its tenant's share like all other. Within the tenant it and the rest take
//! turns.

mod pieces;

use std::collections::HashMap;
use std::sync::Arc;

use ringfence_model::{FUEL_PER_MICROSECOND, TenantId};

use crate::lanes::{Lane, Order};
use crate::queue::{BRIEF, Queue, RUN_COST, Share, scaled};
use crate::turns::{Next, Stagger, Turns, Who};
use pieces::Taken;
pub use pieces::{Batch, Dispatch, Needs, Ticket};

/// How far all who have little to do may be ahead together of who has much, in
/// fuel: a second of one worker. So long may their bursts keep others waiting. It
/// is about as long as a storm goes on before it is noticed; and a tenant that
/// has always something that waits does not have it, so that its share of any ten
/// seconds is exact.
const BRIEF_AHEAD: u64 = 1_000_000 * FUEL_PER_MICROSECOND;

/// How far a tenant's cheap work may be ahead of what waits for a worker, at
/// least, in fuel: 10 ms. It is more where what waits is larger.
const AHEAD: u64 = 10_000 * FUEL_PER_MICROSECOND;

/// Tenants whose next piece of work turned out not to cost what was assumed, in
/// one decision. Then it is decided as well as is known.
const LOOKS_MAX: u32 = 16;

/// What a run is charged, in fuel, that took so much of the cores and so much of
/// the disk: what it takes most of, since the other is free meanwhile (dominant
/// resource fair queueing; Ghodsi et al., 2012). What it took of the disk is in
/// fuel that all workers could have used in that time.
pub fn run_cost(fuel: u64, disk: u64) -> u64 {
    fuel.saturating_add(RUN_COST).max(disk)
}

/// Work of all tenants, in memory.
#[derive(Debug)]
pub struct Scheduler<T> {
    index: HashMap<TenantId, usize>,
    order: Order,
    /// Up to where a tenant has little to do, in fuel.
    brief: u64,
    queues: Vec<Option<Queue<T>>>,
    /// Places in it that nobody has.
    free: Vec<usize>,
    /// Queues with work that may be dispatched.
    turns: Turns,
    /// The least start tag when work was dispatched: where a returning tenant
    /// begins, so that idling earns no credit. It never goes back.
    virtual_time: u128,
    /// Of all who have work, also under way.
    weights: u64,
    /// Runs under way that are not cheap, and how many there may be.
    large: usize,
    large_max: usize,
    generations: u64,
    batches: u64,
    /// Work that waits for its turn only, of all tenants.
    ready: usize,
    /// Nothing at all is done until that is over.
    halted: bool,
    /// Each piece of work under way has one of these, until it is released or
    /// postponed; and how many there may be, of all tenants.
    places: Arc<()>,
    places_max: usize,
    /// Memory that runs may take, of all tenants, in bytes.
    reserved: u64,
}

impl<T> Default for Scheduler<T> {
    fn default() -> Self {
        Self {
            index: HashMap::new(),
            order: Order::default(),
            brief: BRIEF,
            queues: Vec::new(),
            free: Vec::new(),
            turns: Turns::default(),
            virtual_time: 0,
            weights: 0,
            large: 0,
            large_max: usize::MAX,
            generations: 0,
            batches: 0,
            ready: 0,
            halted: false,
            places: Arc::default(),
            places_max: usize::MAX,
            reserved: 0,
        }
    }
}

impl<T> Scheduler<T> {
    /// Without tenants, which will be served in this order by so many workers.
    pub fn new(order: Order, workers: u32) -> Self {
        Self {
            order,
            brief: BRIEF.saturating_mul(workers.into()),
            ..Self::default()
        }
    }

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
        let queue = Queue::new(self.generations, share, self.virtual_time, self.brief);
        let at = match self.free.pop() {
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

    /// Removes a tenant and answers its work that was not under way.
    pub fn remove(&mut self, tenant: &TenantId) -> Vec<T> {
        let Some(at) = self.index.remove(tenant) else {
            return Vec::new();
        };
        let Some(queue) = self.queues[at].take() else {
            return Vec::new();
        };
        if let Some(place) = queue.place {
            self.turns.remove(at, place);
        }
        self.free.push(at);
        self.ready -= queue.ready();
        self.weights -= queue.weight();
        self.reserved = self.reserved.wrapping_sub(queue.reserved);
        queue.into_work().collect()
    }

    /// While a tenant is dampened, its work on root events goes before that on
    /// follow-up events, which get one of 8 turns if both wait. The order
    /// within a subject stays. The tenant's weight is a quarter of what it was,
    /// so that what is out of the ordinary is the first to wait.
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

    /// While a tenant is paused, none of its work is taken, and what it holds
    /// keeps its order. What is under way is not touched.
    pub fn set_paused(&mut self, tenant: &TenantId, is_paused: bool) {
        if let Some(&at) = self.index.get(tenant) {
            self.update(at, |queue| queue.paused = is_paused);
        }
    }

    /// The same for all tenants at once.
    pub fn set_halted(&mut self, is_halted: bool) {
        self.halted = is_halted;
    }

    /// So many pieces of work, at least one, may be under way, of all tenants:
    /// they run, or their results are on their way to the disk. Who has little to
    /// do may begin something until there are twice as many.
    pub fn set_results_max(&mut self, most: usize) {
        self.places_max = most.max(1);
    }

    /// So many runs that are not cheap may be under way, at least one. Where that is
    /// fewer than there are workers, the others take cheap runs only. Only where
    /// tenants are served by their shares. Answers whether it is more than before.
    pub fn set_large_max(&mut self, most: usize) -> bool {
        let before = std::mem::replace(&mut self.large_max, most.max(1));
        self.large_max > before
    }

    /// How many runs that are not cheap may be under way.
    pub fn large_max(&self) -> usize {
        self.large_max
    }

    /// Whether nothing of a tenant is taken, because it is paused, or all are.
    pub fn is_paused(&self, tenant: &TenantId) -> bool {
        let at = self.index.get(tenant);
        let queue = at.and_then(|at| self.queues[*at].as_ref());
        self.halted || queue.is_some_and(|queue| queue.paused)
    }

    /// Adds work at the end, as on a root event at time 0. Answers it back if
    /// there is no such tenant.
    pub fn push(&mut self, tenant: &TenantId, subject: Option<&str>, item: T) -> Result<(), T> {
        self.push_at(tenant, subject, 0, 0, item)
    }

    /// The same, with the depth of the event that it is on, where 0 is a root
    /// event, and the time, in microseconds.
    pub fn push_at(
        &mut self,
        tenant: &TenantId,
        subject: Option<&str>,
        depth: u32,
        now_us: u64,
        item: T,
    ) -> Result<(), T> {
        let Some(&at) = self.index.get(tenant) else {
            return Err(item);
        };
        self.add(at, |queue| queue.push(subject, depth, now_us, item));
        Ok(())
    }

    /// Adds work that somebody waits for, after all such work. Answers it back
    /// if there is no such tenant. The time is in microseconds.
    pub fn push_awaited(&mut self, tenant: &TenantId, now_us: u64, item: T) -> Result<(), T> {
        let Some(&at) = self.index.get(tenant) else {
            return Err(item);
        };
        self.add(at, |queue| queue.awaited.push(now_us, item));
        Ok(())
    }

    /// Takes out the first work of which this is true, of that of a tenant
    /// which somebody waited for. What is under way is not there.
    pub fn withdraw(&mut self, tenant: &TenantId, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let &at = self.index.get(tenant)?;
        self.update(at, |queue| queue.withdraw(is_it))?
    }

    /// Takes all that somebody waits for of a tenant.
    pub fn withdraw_all_of(&mut self, tenant: &TenantId) -> Vec<T> {
        let at = self.index.get(tenant).copied();
        let withdrawn = at.and_then(|at| self.update(at, Queue::withdraw_all));
        withdrawn.into_iter().flatten().collect()
    }

    /// Takes out all work that somebody waited for.
    pub fn withdraw_all(&mut self) -> Vec<T> {
        let queues = 0..self.queues.len();
        let withdrawn = queues.filter_map(|at| self.update(at, Queue::withdraw_all));
        withdrawn.flatten().collect()
    }

    fn add(&mut self, at: usize, push: impl FnOnce(&mut Queue<T>)) {
        let virtual_time = self.virtual_time;
        self.update(at, |queue| {
            if queue.held == 0 && queue.unreleased == 0 {
                queue.come(virtual_time);
            }
            queue.hold();
            push(queue);
        });
    }

    /// What to do next, if anything may be done, where there is one worker.
    /// `memory` says what a piece of work may take, in bytes, which is reserved
    /// until [`Scheduler::ran`].
    pub fn dispatch(&mut self, memory: impl Fn(&T) -> u64) -> Option<Dispatch<T>> {
        let mut alone = self.begin_batch(Lane::Worker { index: 0, of: 1 });
        self.dispatch_into(&mut alone, |work| Needs {
            memory: memory(work),
            expected: None,
            wanted: true,
        })
    }

    /// Begins a batch, without work.
    pub fn begin_batch(&mut self, lane: Lane) -> Batch {
        self.batches += 1;
        Batch {
            id: self.batches,
            lane,
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
        let who = self.who()?;
        // Then what is not cheap is never taken.
        let is_cheap_only = self.is_cheap_only(batch.lane);
        let mut looks = 0;
        while let Some((at, virtual_time)) = self.next(batch.lane, who) {
            let may_look = self.order == Order::Fair && (looks < LOOKS_MAX || is_cheap_only);
            match self.take(at, batch, may_look, &mut needs) {
                Some(Taken::Work(dispatch)) => {
                    self.virtual_time = self.virtual_time.max(virtual_time);
                    return Some(dispatch);
                }
                // It is not eligible any more, and another tenant may be.
                Some(Taken::Lacking) => {}
                Some(Taken::Otherwise) if looks < LOOKS_MAX => looks += 1,
                Some(Taken::Otherwise | Taken::Unwanted) | None => return None,
            }
        }
        if is_cheap_only || who == Who::Brief {
            return None;
        }
        // A tenant that may not run more at one moment can go on in a batch
        // that it is in.
        let (at, generation) = batch.latest?;
        let queue = self.queues.get(at)?.as_ref()?;
        if queue.generation != generation || !queue.may_go_on() {
            return None;
        }
        match self.take(at, batch, false, &mut needs) {
            Some(Taken::Work(dispatch)) => Some(dispatch),
            Some(Taken::Lacking | Taken::Unwanted | Taken::Otherwise) | None => None,
        }
    }

    /// Of whom work may be taken now.
    fn who(&mut self) -> Option<Who> {
        if self.halted {
            return None;
        }
        // One is the scheduler's own.
        let under_way = Arc::strong_count(&self.places) - 1;
        if under_way < self.places_max {
            return Some(Who::All);
        }
        let beyond = under_way - self.places_max;
        let is_fair = self.order == Order::Fair;
        (is_fair && beyond < self.places_max).then_some(Who::Brief)
    }

    /// Whose turn it is, and the least start tag.
    fn next(&mut self, lane: Lane, who: Who) -> Option<(usize, u128)> {
        let stagger = match (self.order, lane) {
            (_, Lane::Express { workers }) if !self.is_express(workers) => return None,
            _ if self.is_cheap_only(lane) => return self.next_cheap(lane, who),
            (Order::Fair, lane) => lane.stagger(),
            (Order::StartTime | Order::Fifo, _) => Stagger::START,
        };
        let Next { all, brief } = self.turns.next(stagger)?;
        if self.order != Order::Fair {
            return Some((all.at, all.least_start));
        }
        let bound = all.tag.saturating_add(scaled(BRIEF_AHEAD, self.weights));
        let brief = brief.filter(|brief| brief.tag <= bound);
        let at = match who {
            Who::All => brief.unwrap_or(all).at,
            Who::Brief => brief?.at,
        };
        Some((at, all.least_start))
    }

    fn is_cheap_only(&self, lane: Lane) -> bool {
        let is_at_max = self.order == Order::Fair && self.large >= self.large_max;
        is_at_max || matches!(lane, Lane::Express { .. })
    }

    /// Whose cheap work is next where the rest must wait: nobody's if that would be
    /// too far ahead of work that waits for a worker.
    fn next_cheap(&self, lane: Lane, who: Who) -> Option<(usize, u128)> {
        let Next { all, brief } = self.turns.next_cheap()?;
        let waits = self.turns.next_large();
        let least_start = waits.map_or(u128::MAX, |waits| waits.start);
        let least_start = least_start.min(all.least_start);
        // As on a worker that may take all.
        if let Lane::Worker { .. } = lane {
            let forgiven = least_start.saturating_add(scaled(BRIEF_AHEAD, self.weights));
            if let Some(brief) = brief.filter(|brief| brief.tag <= forgiven) {
                return Some((brief.at, least_start));
            }
        }
        let cheap = match who {
            Who::All => all,
            Who::Brief => brief?,
        };
        if let Some(waits) = waits {
            let ahead = self.queues[cheap.at].as_ref()?.scaled(AHEAD);
            let bound = waits.finish.max(waits.start.saturating_add(ahead));
            if cheap.tag > bound {
                return None;
            }
        }
        Some((cheap.at, least_start))
    }

    fn take(
        &mut self,
        at: usize,
        batch: &mut Batch,
        may_look: bool,
        needs: &mut impl FnMut(&T) -> Needs,
    ) -> Option<Taken<T>> {
        let id = batch.id;
        let mut taken = self.update(at, |queue| queue.take(at, id, may_look, needs))?;
        if let Some(Taken::Work(dispatch)) = &mut taken {
            dispatch.ticket.place = Some(Arc::clone(&self.places));
            batch.latest = Some((at, dispatch.ticket.generation));
            self.large += usize::from(dispatch.ticket.is_large);
        }
        taken
    }

    /// Whether an express lane may find work, beside so many workers.
    pub fn is_express(&self, workers: u32) -> bool {
        let large_max = self.large_max.min(workers as usize);
        self.order == Order::Fair && self.large >= large_max && self.turns.has_cheap()
    }

    /// How much work waits for its turn only.
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// Whether there is work for which nothing but a worker is missing, as
    /// far as is known without looking at what it needs.
    pub fn is_work_due(&self) -> bool {
        !self.halted && !self.turns.is_empty()
    }

    /// The run is over; it took this much of the cores, and its results take
    /// this much of the disk, both in fuel as [`run_cost`] has it. Its worker is
    /// free; its subject is not, before [`Scheduler::release`].
    pub fn ran(&mut self, ticket: &mut Ticket, fuel: u64, disk: u64) {
        let cost = run_cost(fuel, disk);
        let charged = std::mem::take(&mut ticket.charged);
        self.large -= usize::from(std::mem::take(&mut ticket.is_large));
        let batch = ticket.batch;
        self.update_of(ticket.queue, ticket.generation, |queue| {
            queue.end_in(batch);
            queue.correct(charged, cost);
            queue.estimate = queue.estimate - queue.estimate / 8 + cost / 8;
        });
    }

    /// The work is finished, and whatever waits for its subject may go on; or,
    /// with `again`, there is more to do for it first. The time is in
    /// microseconds.
    pub fn release(&mut self, ticket: Ticket, again: Option<T>, now_us: u64) {
        let Ticket {
            queue,
            generation,
            origin,
            ..
        } = ticket;
        self.update_of(queue, generation, |queue| {
            queue.unreleased -= 1;
            queue.release(origin, again, now_us);
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

    /// The same of all tenants that there are.
    pub fn reserved_by_all(&self) -> u64 {
        self.reserved
    }

    fn update_of(&mut self, at: usize, generation: u64, change: impl FnOnce(&mut Queue<T>)) {
        let present = self.queues[at].as_ref();
        if present.is_some_and(|queue| queue.generation == generation) {
            self.update(at, change);
        }
    }

    /// Changes a queue, and keeps its place among those whose turn it may be.
    fn update<R>(&mut self, at: usize, change: impl FnOnce(&mut Queue<T>) -> R) -> Option<R> {
        let queue = self.queues[at].as_mut()?;
        let (ready, weight, reserved) = (queue.ready(), queue.weight(), queue.reserved);
        let changed = change(queue);
        self.ready = self.ready - ready + queue.ready();
        self.weights = self.weights - weight + queue.weight();
        let others = self.reserved.wrapping_sub(reserved);
        self.reserved = others.wrapping_add(queue.reserved);
        let before = queue.place;
        let after = queue.is_eligible().then(|| {
            if before.is_none() {
                queue.go_on(self.virtual_time);
            }
            match self.order {
                Order::Fair | Order::StartTime => queue.next_place(),
                Order::Fifo => queue.place_in_order(),
            }
        });
        if before != after {
            queue.place = after;
            if let Some(place) = before {
                self.turns.remove(at, place);
            }
            if let Some(place) = after {
                self.turns.insert(at, place);
            }
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

#[cfg(test)]
#[path = "scheduler_paused_tests.rs"]
mod paused_tests;

#[cfg(test)]
#[path = "scheduler_awaited_tests.rs"]
mod awaited_tests;

#[cfg(test)]
#[path = "fair_tests.rs"]
mod fair_tests;
