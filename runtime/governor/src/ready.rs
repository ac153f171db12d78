//! A tenant's work that waits for its turn only, and whose turn it is.
//!
//! Here, and nowhere else, is what goes before what within a tenant: work that
//! was begun; then what is due first. Work on a root event is due when it
//! became ready, and work on a follow-up event later by a step for each
//! execution between it and its root event: so root events go before
//! follow-ups, and lower depths before deeper ones, among work that became
//! ready at about the same time. Nothing starves: what is added later is due
//! later than what has waited for long. This is earliest deadline first (Liu
//! and Layland, 1973), with deadlines that do not move.
//!
//! While the tenant is dampened, work on root events goes first whenever it
//! came. Both orders are kept all the time, so that a switch moves nothing.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// While a tenant is dampened, of so many turns that both kinds of work wait
/// for, one is a follow-up event's: they go on slowly, and never starve.
const TURNS: u32 = 8;

/// How much later work on an event one execution deeper is due: 1 s. A root
/// event goes before follow-ups that are up to a second older.
const STEP_US: u64 = 1_000_000;

/// The most that work is due later for its event's depth: a minute.
const STEPS_MAX: u32 = 60;

#[derive(Debug)]
struct Waiting<R> {
    /// When it is due; 0 for what was begun.
    due_us: u64,
    /// Of what is due at the same time, the less goes first.
    turn: i64,
    depth: u32,
    ready_us: u64,
    ready: R,
}

impl<R> Waiting<R> {
    fn key(&self) -> (u64, i64) {
        (self.due_us, self.turn)
    }
}

impl<R> PartialEq for Waiting<R> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<R> Eq for Waiting<R> {}

impl<R> PartialOrd for Waiting<R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The greatest is what is due first, as a heap wants it.
impl<R> Ord for Waiting<R> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

/// Work that was taken, and what was known of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Popped<R> {
    pub(crate) depth: u32,
    /// Since when it waited for its turn only.
    pub(crate) ready_us: u64,
    pub(crate) ready: R,
}

#[derive(Debug)]
pub(crate) struct ReadyList<R> {
    /// Work on root events, and on what follows from them.
    roots: BinaryHeap<Waiting<R>>,
    follow_ups: BinaryHeap<Waiting<R>>,
    /// What comes next gets a number after the last, or before the first.
    first: i64,
    last: i64,
    is_dampened: bool,
    /// Turns of root events since the latest for which a follow-up waited.
    roots_in_a_row: u32,
}

impl<R> Default for ReadyList<R> {
    fn default() -> Self {
        Self {
            roots: BinaryHeap::new(),
            follow_ups: BinaryHeap::new(),
            first: 0,
            last: 0,
            is_dampened: false,
            roots_in_a_row: 0,
        }
    }
}

impl<R> ReadyList<R> {
    pub(crate) fn len(&self) -> usize {
        self.roots.len() + self.follow_ups.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.roots.is_empty() && self.follow_ups.is_empty()
    }

    pub(crate) fn is_dampened(&self) -> bool {
        self.is_dampened
    }

    pub(crate) fn set_dampened(&mut self, is_dampened: bool) {
        self.is_dampened = is_dampened;
        self.roots_in_a_row = 0;
    }

    /// Adds work on an event of this depth, which is ready from now on.
    pub(crate) fn push_back(&mut self, depth: u32, ready_us: u64, ready: R) {
        self.last += 1;
        let later = u64::from(depth.min(STEPS_MAX)) * STEP_US;
        self.push(Waiting {
            due_us: ready_us.saturating_add(later).max(1),
            turn: self.last,
            depth,
            ready_us,
            ready,
        });
    }

    /// Adds work on an event of this depth that was begun, before all of its
    /// kind.
    pub(crate) fn push_front(&mut self, depth: u32, ready_us: u64, ready: R) {
        self.first -= 1;
        self.push(Waiting {
            due_us: 0,
            turn: self.first,
            depth,
            ready_us,
            ready,
        });
    }

    fn push(&mut self, waiting: Waiting<R>) {
        match waiting.depth {
            0 => self.roots.push(waiting),
            _ => self.follow_ups.push(waiting),
        }
    }

    fn list(&self) -> &BinaryHeap<Waiting<R>> {
        if self.is_turn_of_roots() {
            &self.roots
        } else {
            &self.follow_ups
        }
    }

    /// The work whose turn it is.
    pub(crate) fn front(&self) -> Option<&R> {
        self.list().peek().map(|waiting| &waiting.ready)
    }

    /// The number of the work whose turn it is. No other has it.
    pub(crate) fn turn(&self) -> Option<i64> {
        self.list().peek().map(|waiting| waiting.turn)
    }

    /// Since when that work waits.
    pub(crate) fn ready_us(&self) -> Option<u64> {
        self.list().peek().map(|waiting| waiting.ready_us)
    }

    /// Takes the work whose turn it is.
    pub(crate) fn pop_front(&mut self) -> Option<Popped<R>> {
        let is_roots = self.is_turn_of_roots();
        let list = if is_roots {
            &mut self.roots
        } else {
            &mut self.follow_ups
        };
        let waiting = list.pop()?;
        self.roots_in_a_row = if is_roots && !self.follow_ups.is_empty() {
            self.roots_in_a_row.saturating_add(1)
        } else {
            0
        };
        Some(Popped {
            depth: waiting.depth,
            ready_us: waiting.ready_us,
            ready: waiting.ready,
        })
    }

    fn is_turn_of_roots(&self) -> bool {
        match (self.roots.peek(), self.follow_ups.peek()) {
            (Some(_), Some(_)) if self.is_dampened => self.roots_in_a_row + 1 < TURNS,
            (Some(root), Some(follow_up)) => root.key() < follow_up.key(),
            (root, _) => root.is_some(),
        }
    }

    pub(crate) fn into_iter(self) -> impl Iterator<Item = R> {
        let all = self.roots.into_iter().chain(self.follow_ups);
        all.map(|waiting| waiting.ready)
    }
}

#[cfg(test)]
#[path = "ready_tests.rs"]
mod tests;
