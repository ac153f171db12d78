//! A tenant's work that waits for its turn only, and whose turn it is.
//!
//! Here, and nowhere else, is what goes before what within a tenant: work in
//! the order in which it became ready; or, while the tenant is dampened, work
//! on root events first. Both orders are kept all the time, so that a switch
//! moves nothing.

use std::collections::VecDeque;

/// While a tenant is dampened, of so many turns that both kinds of work wait
/// for, one is a follow-up event's: they go on slowly, and never starve.
const TURNS: u32 = 8;

#[derive(Debug)]
struct Waiting<R> {
    /// The less, the longer it has waited.
    turn: i64,
    depth: u32,
    ready: R,
}

#[derive(Debug)]
pub(crate) struct ReadyList<R> {
    /// Work on root events, and on what follows from them, in the order
    /// in which it became ready.
    roots: VecDeque<Waiting<R>>,
    follow_ups: VecDeque<Waiting<R>>,
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
            roots: VecDeque::new(),
            follow_ups: VecDeque::new(),
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

    /// Adds work on an event of this depth, after what became ready before.
    pub(crate) fn push_back(&mut self, depth: u32, ready: R) {
        self.last += 1;
        let turn = self.last;
        let waiting = Waiting { turn, depth, ready };
        self.list(depth).push_back(waiting);
    }

    /// Adds work on an event of this depth, before all of its kind.
    pub(crate) fn push_front(&mut self, depth: u32, ready: R) {
        self.first -= 1;
        let turn = self.first;
        let waiting = Waiting { turn, depth, ready };
        self.list(depth).push_front(waiting);
    }

    fn list(&mut self, depth: u32) -> &mut VecDeque<Waiting<R>> {
        if depth == 0 {
            &mut self.roots
        } else {
            &mut self.follow_ups
        }
    }

    /// The work whose turn it is.
    pub(crate) fn front(&self) -> Option<&R> {
        let list = if self.is_turn_of_roots() {
            &self.roots
        } else {
            &self.follow_ups
        };
        list.front().map(|waiting| &waiting.ready)
    }

    /// Takes it, with the depth of its event.
    pub(crate) fn pop_front(&mut self) -> Option<(u32, R)> {
        let is_roots = self.is_turn_of_roots();
        let list = if is_roots {
            &mut self.roots
        } else {
            &mut self.follow_ups
        };
        let (ready, depth) = list
            .pop_front()
            .map(|waiting| (waiting.ready, waiting.depth))?;
        self.roots_in_a_row = if is_roots && !self.follow_ups.is_empty() {
            self.roots_in_a_row.saturating_add(1)
        } else {
            0
        };
        Some((depth, ready))
    }

    fn is_turn_of_roots(&self) -> bool {
        match (self.roots.front(), self.follow_ups.front()) {
            (Some(_), Some(_)) if self.is_dampened => self.roots_in_a_row + 1 < TURNS,
            (Some(root), Some(follow_up)) => root.turn < follow_up.turn,
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
