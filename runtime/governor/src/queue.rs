//! One tenant's work: what is ready, what waits for its subject, and what the
//! tenant's share says about more.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::ready::ReadyList;

/// A tenant's claim on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Where tenants compete, twice the weight gets twice the fuel.
    pub weight: u64,
    /// Runs at one moment.
    pub concurrent: u64,
    /// Memory that is reserved for runs at one moment, in bytes.
    pub memory: u64,
    /// Pieces of work dispatched and not yet released: running, or on their
    /// way to the disk. It keeps one tenant's results from standing before
    /// everybody's in the way to the disk.
    pub unreleased: u64,
}

#[derive(Debug)]
pub(crate) struct Queue<T> {
    pub(crate) generation: u64,
    pub(crate) share: Share,
    pub(crate) running: u64,
    /// What runs in batches. The runs of one are made one after the other, so
    /// together they are one run at a moment, and take the memory of one.
    batches: Vec<Running>,
    pub(crate) unreleased: u64,
    /// What running work may take, in bytes.
    pub(crate) reserved: u64,
    /// What the work whose turn it is needs, in bytes, if it was looked at
    /// and did not fit.
    pub(crate) lacking: Option<u64>,
    /// Runs beside the queue that wait for room, and what each needs.
    pub(crate) claims: VecDeque<(u64, u64)>,
    /// Whether the latest run that was begun is one beside the queue: where
    /// both wait they take turns.
    pub(crate) claimed_last: bool,
    /// In fuel over weight.
    pub(crate) start: u128,
    /// What the tenant's runs cost lately: a moving average.
    pub(crate) estimate: u64,
    pub(crate) held: usize,
    ready: ReadyList<Ready<T>>,
    lanes: HashMap<Arc<str>, Lane<T>>,
}

/// The runs of a tenant that are in one batch.
#[derive(Debug)]
struct Running {
    batch: u64,
    runs: u64,
    memory: u64,
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
    /// With the depths of the events.
    waiting: VecDeque<(u32, T)>,
}

impl<T> Queue<T> {
    pub(crate) fn new(generation: u64, share: Share, start: u128) -> Self {
        Self {
            generation,
            share,
            running: 0,
            batches: Vec::new(),
            unreleased: 0,
            reserved: 0,
            lacking: None,
            claims: VecDeque::new(),
            claimed_last: false,
            start,
            estimate: 0,
            held: 0,
            ready: ReadyList::default(),
            lanes: HashMap::new(),
        }
    }

    /// Whether its work may be dispatched, as far as is known without looking
    /// at what it needs.
    pub(crate) fn is_eligible(&self) -> bool {
        self.running < self.share.concurrent && self.may_go_on()
    }

    /// The same, where one more run does not make more runs at one moment.
    pub(crate) fn may_go_on(&self) -> bool {
        self.is_waiting()
            && (self.claims.is_empty() || self.claimed_last)
            && self.lacking.is_none_or(|memory| self.fits(memory))
    }

    /// How much work there is that waits for its turn only.
    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Whether there is work that only waits for other runs to end.
    fn is_waiting(&self) -> bool {
        !self.ready.is_empty() && self.unreleased < self.share.unreleased
    }

    /// Whether a run that needs this much memory fits beside those that run.
    /// One alone always does: the tenant's own limit is never more than what
    /// all may take, except for a moment while both are being lowered.
    pub(crate) fn fits(&self, memory: u64) -> bool {
        self.reserved == 0 || self.reserved.saturating_add(memory) <= self.share.memory
    }

    /// The next run beside the queue, if it may begin.
    pub(crate) fn next_claim(&mut self) -> Option<(u64, u64)> {
        let &(id, memory) = self.claims.front()?;
        let is_its_turn = !self.claimed_last || !self.is_waiting();
        if !is_its_turn || self.running >= self.share.concurrent || !self.fits(memory) {
            return None;
        }
        self.claims.pop_front();
        self.claimed_last = true;
        self.begin(memory);
        Some((id, memory))
    }

    pub(crate) fn begin(&mut self, memory: u64) {
        self.running += 1;
        self.reserved = self.reserved.saturating_add(memory);
        self.lacking = None;
    }

    pub(crate) fn end(&mut self, memory: u64) {
        self.running -= 1;
        self.reserved -= memory;
    }

    /// Whether a run that needs this much memory fits into a batch.
    pub(crate) fn fits_into(&self, batch: u64, memory: u64) -> bool {
        match self.batches.iter().find(|running| running.batch == batch) {
            Some(running) if memory <= running.memory => true,
            Some(running) => self.fits(memory - running.memory),
            None => self.fits(memory),
        }
    }

    /// A run begins, in a batch.
    pub(crate) fn begin_in(&mut self, batch: u64, memory: u64) {
        let mut batches = self.batches.iter_mut();
        let Some(running) = batches.find(|running| running.batch == batch) else {
            let runs = 1;
            self.batches.push(Running {
                batch,
                runs,
                memory,
            });
            return self.begin(memory);
        };
        let more = memory.saturating_sub(running.memory);
        running.memory += more;
        running.runs += 1;
        self.reserved = self.reserved.saturating_add(more);
        self.lacking = None;
    }

    /// A run in a batch is over.
    pub(crate) fn end_in(&mut self, batch: u64) {
        let at = self
            .batches
            .iter()
            .position(|running| running.batch == batch);
        let Some(at) = at else { return };
        self.batches[at].runs -= 1;
        if self.batches[at].runs == 0 {
            let running = self.batches.swap_remove(at);
            self.end(running.memory);
        }
    }

    /// Fuel over weight, in parts of a thousand so that weights up to a
    /// thousand divide finely enough.
    fn scaled(&self, cost: u64) -> u128 {
        u128::from(cost) * 1_000 / u128::from(self.share.weight.max(1))
    }

    pub(crate) fn charge(&mut self, cost: u64) {
        self.start += self.scaled(cost);
    }

    pub(crate) fn refund(&mut self, cost: u64) {
        self.start = self.start.saturating_sub(self.scaled(cost));
    }

    /// Whether root events go before follow-ups.
    pub(crate) fn is_dampened(&self) -> bool {
        self.ready.is_dampened()
    }

    pub(crate) fn set_dampened(&mut self, is_dampened: bool) {
        self.ready.set_dampened(is_dampened);
        self.lacking = None;
    }

    /// Adds work on an event of this depth; 0 is a root event.
    pub(crate) fn push(&mut self, subject: Option<&str>, depth: u32, item: T) {
        let Some(subject) = subject else {
            return self.make_ready(depth, Ready::Item(item));
        };
        if let Some(lane) = self.lanes.get_mut(subject) {
            lane.waiting.push_back((depth, item));
            return;
        }
        let subject: Arc<str> = subject.into();
        self.make_ready(depth, Ready::Lane(Arc::clone(&subject)));
        let waiting = VecDeque::from([(depth, item)]);
        self.lanes.insert(subject, Lane { waiting });
    }

    fn make_ready(&mut self, depth: u32, ready: Ready<T>) {
        if self.ready.is_dampened() {
            // It may be its turn now, in place of what did not fit.
            self.lacking = None;
        }
        self.ready.push_back(depth, ready);
    }

    /// The work whose turn it is.
    pub(crate) fn first(&self) -> Option<&T> {
        match self.ready.front()? {
            Ready::Item(item) => Some(item),
            Ready::Lane(subject) => Some(&self.lanes.get(subject)?.waiting.front()?.1),
        }
    }

    /// Takes it, with its subject and the depth of its event.
    pub(crate) fn pop(&mut self) -> Option<(Option<Arc<str>>, u32, T)> {
        let (depth, ready) = self.ready.pop_front()?;
        match ready {
            Ready::Item(item) => Some((None, depth, item)),
            Ready::Lane(subject) => {
                let (depth, item) = self.lanes.get_mut(&subject)?.waiting.pop_front()?;
                Some((Some(subject), depth, item))
            }
        }
    }

    /// Work that was under way is finished, or (`again`, on an event of this
    /// depth) is next.
    pub(crate) fn release(&mut self, subject: Option<Arc<str>>, again: Option<(u32, T)>) {
        // What was begun is finished first: it holds memory and a subject.
        if again.is_some() {
            self.held += 1;
            self.lacking = None;
        }
        match (subject, again) {
            (None, None) => {}
            (None, Some((depth, item))) => self.ready.push_front(depth, Ready::Item(item)),
            (Some(subject), again) => self.release_lane(subject, again),
        }
    }

    fn release_lane(&mut self, subject: Arc<str>, again: Option<(u32, T)>) {
        let Some(lane) = self.lanes.get_mut(&subject) else {
            return;
        };
        if let Some((depth, item)) = again {
            lane.waiting.push_front((depth, item));
            self.ready.push_front(depth, Ready::Lane(subject));
        } else if let Some((depth, _)) = lane.waiting.front() {
            let depth = *depth;
            self.make_ready(depth, Ready::Lane(subject));
        } else {
            self.lanes.remove(&subject);
        }
    }

    /// All that is not under way.
    pub(crate) fn into_work(self) -> impl Iterator<Item = T> {
        let loose = self.ready.into_iter().filter_map(|ready| match ready {
            Ready::Item(item) => Some(item),
            Ready::Lane(_) => None,
        });
        let laned = self.lanes.into_values().flat_map(|lane| lane.waiting);
        loose.chain(laned.map(|(_, item)| item))
    }
}
