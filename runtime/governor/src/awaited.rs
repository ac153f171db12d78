//! A tenant's work that somebody waits for, and whether it is its turn.
//!
//! It is done in the order in which it came. Where such work and other work of
//! the tenant both wait, they take turns: neither starves, however much there
//! is of the other.

use std::collections::VecDeque;

#[derive(Debug)]
struct Waiting<T> {
    /// No other has it.
    turn: i64,
    ready_us: u64,
    item: T,
}

#[derive(Debug)]
pub(crate) struct Awaited<T> {
    waiting: VecDeque<Waiting<T>>,
    /// What comes next gets a number after the last, or before the first.
    first: i64,
    last: i64,
    /// Whether the work of the tenant that was taken last was such.
    had_last_turn: bool,
}

impl<T> Default for Awaited<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            first: 0,
            last: 0,
            had_last_turn: false,
        }
    }
}

impl<T> Awaited<T> {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether it is its turn, where other work waits or does not.
    pub(crate) fn is_next(&self, other_waits: bool) -> bool {
        !(self.waiting.is_empty() || other_waits && self.had_last_turn)
    }

    /// Work of either kind was taken.
    pub(crate) fn had_turn(&mut self, is_awaited: bool) {
        self.had_last_turn = is_awaited;
    }

    pub(crate) fn push(&mut self, ready_us: u64, item: T) {
        self.last += 1;
        self.waiting.push_back(Waiting {
            turn: self.last,
            ready_us,
            item,
        });
    }

    /// Work that was begun goes on before all that was not.
    pub(crate) fn push_again(&mut self, ready_us: u64, item: T) {
        self.first -= 1;
        self.waiting.push_front(Waiting {
            turn: self.first,
            ready_us,
            item,
        });
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.waiting.front().map(|waiting| &waiting.item)
    }

    /// The number of the first.
    pub(crate) fn turn(&self) -> Option<i64> {
        self.waiting.front().map(|waiting| waiting.turn)
    }

    /// Since when the first waits.
    pub(crate) fn ready_us(&self) -> Option<u64> {
        self.waiting.front().map(|waiting| waiting.ready_us)
    }

    /// Takes the first, with since when it waits.
    pub(crate) fn pop(&mut self) -> Option<(u64, T)> {
        let waiting = self.waiting.pop_front()?;
        Some((waiting.ready_us, waiting.item))
    }

    /// Takes out the first of which this is true.
    pub(crate) fn withdraw(&mut self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let mut waiting = self.waiting.iter();
        let at = waiting.position(|waiting| is_it(&waiting.item))?;
        Some(self.waiting.remove(at)?.item)
    }

    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = T> + use<T> {
        let all = std::mem::take(&mut self.waiting);
        all.into_iter().map(|waiting| waiting.item)
    }
}
