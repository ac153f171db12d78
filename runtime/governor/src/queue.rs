//! One tenant's work: what is ready, what waits for its subject, and what the
//! tenant's share says about more.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ringfence_model::FUEL_PER_MICROSECOND;

use crate::awaited::Awaited;
use crate::ready::{Popped, ReadyList};
use crate::turns::Place;

/// What a run costs the host's cores beside its fuel (a lease, an instance, its
/// record), in fuel: some 50 us. Runs that use hardly any fuel are not free.
pub(crate) const RUN_COST: u64 = 50 * FUEL_PER_MICROSECOND;

/// While a tenant is dampened, what it does counts so many times: its weight is
/// a quarter.
const DAMPENED: u64 = 4;

/// What is expected to cost no more is cheap, in fuel: 1 ms.
pub(crate) const CHEAP_FUEL: u64 = 1_000 * FUEL_PER_MICROSECOND;

/// Who has no more to do than this has little to do, in fuel: 5 ms of each
/// worker.
pub(crate) const BRIEF: u64 = 5_000 * FUEL_PER_MICROSECOND;

/// Who has had no moment without work that waits while so much was done for it
/// has much to do, however little waits at a time, in fuel: 50 ms of one worker.
pub(crate) const BRIEF_BUSY: u64 = 50_000 * FUEL_PER_MICROSECOND;

/// What a tenant may be in arrears with when it can go on that could not,
/// because of its own limits or of the order within its subjects: 100 ms. What
/// it could not use is not owed to it.
const ARREARS: u64 = 100_000 * FUEL_PER_MICROSECOND;

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
    /// Which work was looked at and did not fit, and what it needs, in bytes.
    pub(crate) lacking: Option<(Front, u64)>,
    /// Work that somebody waits for.
    pub(crate) awaited: Awaited<T>,
    /// In fuel over weight.
    pub(crate) start: u128,
    /// What the tenant's runs cost lately: a moving average.
    pub(crate) estimate: u64,
    pub(crate) held: usize,
    /// Up to where it has little to do, in fuel.
    brief: u64,
    /// What was begun for it since nothing waited, in fuel.
    busy: u64,
    /// Where it stands among those whose work may be dispatched, if it does.
    pub(crate) place: Option<Place>,
    /// What is known of the work whose turn it is.
    looked: Option<Looked>,
    /// Nothing of it is done until it is resumed.
    pub(crate) paused: bool,
    ready: ReadyList<Ready<T>>,
    lanes: HashMap<Arc<str>, Lane<T>>,
}

/// Names the work whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Front {
    /// Whether it is work that somebody waits for.
    is_awaited: bool,
    /// Its number among its kind.
    turn: i64,
}

/// Where work belongs that is under way.
#[derive(Debug)]
pub(crate) enum Origin {
    /// Work on an event of this depth; its subject's lane is held up.
    Event {
        subject: Option<Arc<str>>,
        depth: u32,
    },
    /// Somebody waits for it.
    Awaited,
}

/// What was said of a piece of work when it was looked at.
#[derive(Debug, Clone, Copy)]
struct Looked {
    front: Front,
    /// What it is expected to cost; none if that is not known.
    expected: Option<u64>,
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

/// Work that was taken: where it belongs, and since when it waited for its turn
/// only.
#[derive(Debug)]
pub(crate) struct Piece<T> {
    pub(crate) origin: Origin,
    pub(crate) ready_us: u64,
    pub(crate) item: T,
}

/// Work with one subject, while any is in memory. Its front is in `ready`, or
/// under way.
#[derive(Debug)]
struct Lane<T> {
    /// With the depths of the events.
    waiting: VecDeque<(u32, T)>,
}

/// Fuel over weight, in parts of a thousand so that weights up to a thousand
/// divide finely enough.
pub(crate) fn scaled(cost: u64, weight: u64) -> u128 {
    u128::from(cost) * 1_000 / u128::from(weight.max(1))
}

impl<T> Queue<T> {
    pub(crate) fn new(generation: u64, share: Share, start: u128, brief: u64) -> Self {
        Self {
            generation,
            share,
            running: 0,
            batches: Vec::new(),
            unreleased: 0,
            reserved: 0,
            lacking: None,
            awaited: Awaited::default(),
            start,
            estimate: 0,
            held: 0,
            brief,
            busy: 0,
            place: None,
            looked: None,
            paused: false,
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
        // What lacked memory may not be what is first now.
        let lacks = |(front, memory)| self.front() == Some(front) && !self.fits(memory);
        !self.paused
            && (self.is_turn_of_awaited() || self.is_waiting())
            && !self.lacking.is_some_and(lacks)
    }

    /// How much work there is that waits for its turn only.
    pub(crate) fn ready(&self) -> usize {
        self.ready.len() + self.awaited.len()
    }

    /// Which work is first.
    pub(crate) fn front(&self) -> Option<Front> {
        let is_awaited = self.is_turn_of_awaited();
        let turn = if is_awaited {
            self.awaited.turn()
        } else {
            self.ready.turn()
        };
        turn.map(|turn| Front { is_awaited, turn })
    }

    /// Whether that is work that somebody waits for. It is not on its way to
    /// the disk afterwards, so what is does not hold it up.
    fn is_turn_of_awaited(&self) -> bool {
        self.awaited.is_next(self.is_waiting())
    }

    /// Whether there is other work that only waits for other runs to end.
    fn is_waiting(&self) -> bool {
        !self.ready.is_empty() && self.unreleased < self.share.unreleased
    }

    /// Whether a run that needs this much memory fits beside those that run.
    /// One alone always does: the tenant's own limit is never more than what
    /// all may take, except for a moment while both are being lowered.
    pub(crate) fn fits(&self, memory: u64) -> bool {
        self.reserved == 0 || self.reserved.saturating_add(memory) <= self.share.memory
    }

    fn begin(&mut self, memory: u64) {
        self.running += 1;
        self.reserved = self.reserved.saturating_add(memory);
        self.lacking = None;
    }

    fn end(&mut self, memory: u64) {
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

    /// The work whose turn it is was looked at.
    pub(crate) fn look(&mut self, expected: Option<u64>) {
        let looked = |front| Looked { front, expected };
        self.looked = self.front().map(looked);
    }

    /// What the work whose turn it is will be charged when it is dispatched,
    /// and whether it is cheap. What was not looked at is taken for what the
    /// tenant's runs cost lately; so is what nothing is known of, but it is not
    /// cheap.
    pub(crate) fn next_cost(&self) -> (u64, bool) {
        let front = self.front();
        let looked = self.looked.filter(|looked| front == Some(looked.front));
        let lately = self.estimate.max(RUN_COST);
        match looked.map(|looked| looked.expected) {
            Some(Some(expected)) => (expected.saturating_add(RUN_COST), expected <= CHEAP_FUEL),
            Some(None) => (lately, false),
            None => (lately, lately <= CHEAP_FUEL.saturating_add(RUN_COST)),
        }
    }

    /// Whether it has little to do: what waits and what is under way is done
    /// soon, and it has not always something that waits.
    fn is_brief(&self) -> bool {
        let pieces = (self.held as u64).saturating_add(self.unreleased);
        self.busy <= BRIEF_BUSY && pieces.saturating_mul(self.estimate.max(RUN_COST)) <= self.brief
    }

    /// There is one more piece of work that waits.
    pub(crate) fn hold(&mut self) {
        if self.held == 0 {
            self.busy = 0;
        }
        self.held += 1;
    }

    /// Where its next piece of work stands, by what tenants used of their
    /// shares.
    pub(crate) fn next_place(&self) -> Place {
        let (cost, is_cheap) = self.next_cost();
        Place {
            start: self.start,
            cost: self.scaled(cost),
            is_cheap,
            is_brief: self.is_brief(),
        }
    }

    /// The same where they are served in the order in which work became ready.
    pub(crate) fn place_in_order(&self) -> Place {
        let ready_us = if self.is_turn_of_awaited() {
            self.awaited.ready_us()
        } else {
            self.ready.ready_us()
        };
        Place {
            start: ready_us.unwrap_or(0).into(),
            cost: 0,
            is_cheap: true,
            is_brief: self.is_brief(),
        }
    }

    /// It has work again. It begins where the others are, so that idling earns
    /// no credit, and just after who is there: a stream of those who come must
    /// not keep others from their turn.
    pub(crate) fn come(&mut self, virtual_time: u128) {
        self.start = self.start.max(virtual_time.saturating_add(1));
    }

    /// It may go on.
    pub(crate) fn go_on(&mut self, virtual_time: u128) {
        let least = virtual_time.saturating_sub(self.scaled(ARREARS));
        self.start = self.start.max(least);
    }

    pub(crate) fn scaled(&self, cost: u64) -> u128 {
        let times = if self.is_dampened() { DAMPENED } else { 1 };
        scaled(cost.saturating_mul(times), self.share.weight)
    }

    /// Its weight, while it has work, also under way.
    pub(crate) fn weight(&self) -> u64 {
        let is_idle = self.held == 0 && self.unreleased == 0;
        if is_idle { 0 } else { self.share.weight }
    }

    /// Charges what a run is expected to cost; answers that, over weight.
    pub(crate) fn charge(&mut self, cost: u64) -> u128 {
        let charged = self.scaled(cost);
        self.start += charged;
        self.busy = self.busy.saturating_add(cost);
        charged
    }

    /// Charges what it cost instead.
    pub(crate) fn correct(&mut self, charged: u128, cost: u64) {
        self.start = (self.start + self.scaled(cost)).saturating_sub(charged);
    }

    /// Whether root events go before follow-ups.
    pub(crate) fn is_dampened(&self) -> bool {
        self.ready.is_dampened()
    }

    pub(crate) fn set_dampened(&mut self, is_dampened: bool) {
        self.ready.set_dampened(is_dampened);
    }

    /// Adds work on an event of this depth; 0 is a root event.
    pub(crate) fn push(&mut self, subject: Option<&str>, depth: u32, now_us: u64, item: T) {
        let Some(subject) = subject else {
            return self.ready.push_back(depth, now_us, Ready::Item(item));
        };
        if let Some(lane) = self.lanes.get_mut(subject) {
            lane.waiting.push_back((depth, item));
            return;
        }
        let subject: Arc<str> = subject.into();
        self.ready
            .push_back(depth, now_us, Ready::Lane(Arc::clone(&subject)));
        let waiting = VecDeque::from([(depth, item)]);
        self.lanes.insert(subject, Lane { waiting });
    }

    /// The work whose turn it is.
    pub(crate) fn first(&self) -> Option<&T> {
        if self.is_turn_of_awaited() {
            return self.awaited.front();
        }
        match self.ready.front()? {
            Ready::Item(item) => Some(item),
            Ready::Lane(subject) => Some(&self.lanes.get(subject)?.waiting.front()?.1),
        }
    }

    /// Takes it.
    pub(crate) fn pop(&mut self) -> Option<Piece<T>> {
        let is_awaited = self.is_turn_of_awaited();
        self.awaited.had_turn(is_awaited);
        if is_awaited {
            let (ready_us, item) = self.awaited.pop()?;
            return Some(Piece {
                origin: Origin::Awaited,
                ready_us,
                item,
            });
        }
        let Popped {
            depth,
            ready_us,
            ready,
        } = self.ready.pop_front()?;
        let (subject, depth, item) = match ready {
            Ready::Item(item) => (None, depth, item),
            Ready::Lane(subject) => {
                let (depth, item) = self.lanes.get_mut(&subject)?.waiting.pop_front()?;
                (Some(subject), depth, item)
            }
        };
        Some(Piece {
            origin: Origin::Event { subject, depth },
            ready_us,
            item,
        })
    }

    /// Work that was under way is finished, or (`again`) is next.
    pub(crate) fn release(&mut self, origin: Origin, again: Option<T>, now_us: u64) {
        // What was begun is finished first: it holds memory and a subject, or
        // somebody waits for it.
        if again.is_some() {
            self.hold();
        }
        let Origin::Event { subject, depth } = origin else {
            if let Some(item) = again {
                self.awaited.push_again(now_us, item);
            }
            return;
        };
        match (subject, again) {
            (None, None) => {}
            (None, Some(item)) => self.ready.push_front(depth, now_us, Ready::Item(item)),
            (Some(subject), again) => {
                let again = again.map(|item| (depth, item));
                self.release_lane(subject, again, now_us);
            }
        }
    }

    /// Takes out the first work of which this is true, of that which somebody
    /// waits for.
    pub(crate) fn withdraw(&mut self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let withdrawn = self.awaited.withdraw(is_it)?;
        self.held -= 1;
        Some(withdrawn)
    }

    /// Takes out all such work.
    pub(crate) fn withdraw_all(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.held -= self.awaited.len();
        self.awaited.take_all()
    }

    fn release_lane(&mut self, subject: Arc<str>, again: Option<(u32, T)>, now_us: u64) {
        let Some(lane) = self.lanes.get_mut(&subject) else {
            return;
        };
        if let Some((depth, item)) = again {
            lane.waiting.push_front((depth, item));
            self.ready.push_front(depth, now_us, Ready::Lane(subject));
        } else if let Some((depth, _)) = lane.waiting.front() {
            let depth = *depth;
            self.ready.push_back(depth, now_us, Ready::Lane(subject));
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
        let mut awaited = self.awaited;
        let awaited = awaited.take_all();
        loose.chain(laned.map(|(_, item)| item)).chain(awaited)
    }
}
