//! Fair shares: whose work is next.
//!
//! Start-time fair queueing (Goyal, Vin and Cheng, 1996) over tenants, with
//! fuel as the cost. A run's cost is known only when it ends, so an estimate
//! is charged at dispatch and corrected then, as VTC does for costs that are
//! unknown in advance (Sheng et al., 2024). Within a tenant, work with the
//! same subject is done one after the other in the order it came; the rest in
//! the order it became ready.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use ringfence_model::{FUEL_PER_MICROSECOND, TenantId};

/// What a run costs the host beside its fuel (a lease, an instance, its part
/// of a commit), in fuel: some 50 us. Runs that use hardly any fuel are not
/// free.
const RUN_COST: u64 = 50 * FUEL_PER_MICROSECOND;

/// What it costs to make one effect durable, in fuel: some 20 us.
const EFFECT_COST: u64 = 20 * FUEL_PER_MICROSECOND;

/// A tenant's claim on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Where tenants compete, twice the weight gets twice the fuel.
    pub weight: u64,
    /// Runs at one moment.
    pub concurrent: u64,
    /// Pieces of work dispatched and not yet released: running, or on their
    /// way to the disk. It keeps one tenant's results from standing before
    /// everybody's in the way to the disk.
    pub unreleased: u64,
}

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
    subject: Option<Arc<str>>,
}

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
}

#[derive(Debug)]
struct Queue<T> {
    generation: u64,
    share: Share,
    running: u64,
    unreleased: u64,
    /// In fuel over weight.
    start: u128,
    /// What the tenant's runs cost lately: a moving average.
    estimate: u64,
    ready: VecDeque<Ready<T>>,
    lanes: HashMap<Arc<str>, Lane<T>>,
    held: usize,
}

#[derive(Debug)]
enum Ready<T> {
    Item(T),
    Lane(Arc<str>),
}

/// Work with one subject, while any is in memory. Its front is in `ready`, or
/// under way.
#[derive(Debug)]
struct Lane<T> {
    waiting: VecDeque<T>,
}

impl<T> Default for Scheduler<T> {
    fn default() -> Self {
        Self {
            index: HashMap::new(),
            queues: Vec::new(),
            eligible: BTreeSet::new(),
            virtual_time: 0,
            generations: 0,
        }
    }
}

impl<T> Scheduler<T> {
    /// Adds a tenant, or changes its share.
    pub fn set_share(&mut self, tenant: &TenantId, share: Share) {
        if let Some(&at) = self.index.get(tenant) {
            self.update(at, |queue| queue.share = share);
            return;
        }
        self.generations += 1;
        let queue = Queue {
            generation: self.generations,
            share,
            running: 0,
            unreleased: 0,
            start: self.virtual_time,
            estimate: 0,
            ready: VecDeque::new(),
            lanes: HashMap::new(),
            held: 0,
        };
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

    /// Removes a tenant and answers its work that was not under way.
    pub fn remove(&mut self, tenant: &TenantId) -> Vec<T> {
        let Some(at) = self.index.remove(tenant) else {
            return Vec::new();
        };
        let Some(queue) = self.queues[at].take() else {
            return Vec::new();
        };
        self.eligible.remove(&(queue.start, at));
        let loose = queue.ready.into_iter().filter_map(|ready| match ready {
            Ready::Item(item) => Some(item),
            Ready::Lane(_) => None,
        });
        let laned = queue.lanes.into_values().flat_map(|lane| lane.waiting);
        loose.chain(laned).collect()
    }

    /// Adds work at the end. Answers it back if there is no such tenant.
    pub fn push(&mut self, tenant: &TenantId, subject: Option<&str>, item: T) -> Result<(), T> {
        let Some(&at) = self.index.get(tenant) else {
            return Err(item);
        };
        let virtual_time = self.virtual_time;
        self.update(at, |queue| {
            if queue.held == 0 && queue.unreleased == 0 {
                queue.start = queue.start.max(virtual_time);
            }
            queue.held += 1;
            queue.push(subject, item);
        });
        Ok(())
    }

    /// What to do next, if anything may be done.
    pub fn dispatch(&mut self) -> Option<Dispatch<T>> {
        let &(start, at) = self.eligible.first()?;
        self.virtual_time = start;
        let mut dispatch = None;
        self.update(at, |queue| {
            let (subject, item) = queue.pop()?;
            let charged = queue.estimate.max(RUN_COST);
            queue.charge(charged);
            queue.running += 1;
            queue.unreleased += 1;
            queue.held -= 1;
            dispatch = Some(Dispatch {
                item,
                ticket: Ticket {
                    queue: at,
                    generation: queue.generation,
                    charged,
                    subject,
                },
            });
            Some(())
        });
        dispatch
    }

    /// The run is over; it took this much of the host, in fuel, and returned
    /// so many effects.
    /// Its worker is free; its subject is not, before [`Scheduler::release`].
    pub fn ran(&mut self, ticket: &mut Ticket, fuel: u64, effects: u64) {
        let effects = effects.saturating_mul(EFFECT_COST);
        let cost = fuel.saturating_add(RUN_COST).saturating_add(effects);
        let charged = std::mem::take(&mut ticket.charged);
        self.update_of(ticket, |queue| {
            queue.running -= 1;
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
        self.update_of(&ticket, |queue| {
            queue.unreleased -= 1;
            if again.is_some() {
                queue.held += 1;
            }
            match (subject, again) {
                (None, None) => {}
                (None, Some(item)) => queue.ready.push_front(Ready::Item(item)),
                (Some(subject), again) => queue.release(subject, again),
            }
        });
    }

    /// How much work of a tenant is here and not under way.
    pub fn held(&self, tenant: &TenantId) -> usize {
        self.index
            .get(tenant)
            .and_then(|at| self.queues[*at].as_ref())
            .map_or(0, |queue| queue.held)
    }

    fn update_of(&mut self, ticket: &Ticket, change: impl FnOnce(&mut Queue<T>)) {
        let present = self.queues[ticket.queue].as_ref();
        if present.is_some_and(|queue| queue.generation == ticket.generation) {
            self.update(ticket.queue, change);
        }
    }

    /// Changes a queue and keeps its place among the eligible ones.
    fn update<R>(&mut self, at: usize, change: impl FnOnce(&mut Queue<T>) -> R) {
        let Some(queue) = self.queues[at].as_mut() else {
            return;
        };
        let before = queue.is_eligible().then_some(queue.start);
        change(queue);
        let after = queue.is_eligible().then_some(queue.start);
        if before == after {
            return;
        }
        if let Some(start) = before {
            self.eligible.remove(&(start, at));
        }
        if let Some(start) = after {
            self.eligible.insert((start, at));
        }
    }
}

impl<T> Queue<T> {
    fn is_eligible(&self) -> bool {
        let Share {
            concurrent,
            unreleased,
            ..
        } = self.share;
        !self.ready.is_empty() && self.running < concurrent && self.unreleased < unreleased
    }

    /// Fuel over weight, in parts of a thousand so that weights up to a
    /// thousand divide finely enough.
    fn scaled(&self, cost: u64) -> u128 {
        u128::from(cost) * 1_000 / u128::from(self.share.weight.max(1))
    }

    fn charge(&mut self, cost: u64) {
        self.start += self.scaled(cost);
    }

    fn refund(&mut self, cost: u64) {
        self.start = self.start.saturating_sub(self.scaled(cost));
    }

    fn push(&mut self, subject: Option<&str>, item: T) {
        let Some(subject) = subject else {
            self.ready.push_back(Ready::Item(item));
            return;
        };
        if let Some(lane) = self.lanes.get_mut(subject) {
            lane.waiting.push_back(item);
            return;
        }
        let subject: Arc<str> = subject.into();
        self.ready.push_back(Ready::Lane(Arc::clone(&subject)));
        let waiting = VecDeque::from([item]);
        self.lanes.insert(subject, Lane { waiting });
    }

    fn pop(&mut self) -> Option<(Option<Arc<str>>, T)> {
        match self.ready.pop_front()? {
            Ready::Item(item) => Some((None, item)),
            Ready::Lane(subject) => {
                let item = self.lanes.get_mut(&subject)?.waiting.pop_front()?;
                Some((Some(subject), item))
            }
        }
    }

    fn release(&mut self, subject: Arc<str>, again: Option<T>) {
        let Some(lane) = self.lanes.get_mut(&subject) else {
            return;
        };
        // What was begun is finished first: it holds memory and a subject.
        if let Some(item) = again {
            lane.waiting.push_front(item);
            self.ready.push_front(Ready::Lane(subject));
        } else if lane.waiting.is_empty() {
            self.lanes.remove(&subject);
        } else {
            self.ready.push_back(Ready::Lane(subject));
        }
    }
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
