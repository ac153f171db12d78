//! Pieces of work as they are handed out, and what is known of them.

use std::sync::Arc;

use crate::lanes::Lane;
use crate::queue::{Origin, Queue};

/// Work to do now.
#[derive(Debug)]
pub struct Dispatch<T> {
    /// The work.
    pub item: T,
    /// Since when it waited for its turn only, and not for its subject, in
    /// microseconds.
    pub ready_us: u64,
    /// To be handed back with [`ran`](super::Scheduler::ran) and then
    /// [`release`](super::Scheduler::release).
    pub ticket: Ticket,
}

/// The claim that a dispatched piece of work has on its tenant's share and on
/// its subject.
#[derive(Debug)]
#[must_use = "a ticket that is not handed back keeps its subject waiting for ever"]
pub struct Ticket {
    pub(super) queue: usize,
    pub(super) generation: u64,
    /// What its tenant was charged for it, in fuel over weight, until it is known
    /// what it cost.
    pub(super) charged: u128,
    /// Whether its run is not cheap, and not over.
    pub(super) is_large: bool,
    pub(super) batch: u64,
    pub(super) origin: Origin,
    /// Its place among all that is under way. It is free when this is gone,
    /// whatever became of it.
    pub(super) place: Option<Arc<()>>,
}

impl Ticket {
    /// It is not under way for a while: others may have its place.
    pub fn postpone(&mut self) {
        self.place = None;
    }
}

/// Work that one worker does, one piece after the other.
#[derive(Debug)]
pub struct Batch {
    pub(super) id: u64,
    pub(super) lane: Lane,
    /// Whose work was taken last.
    pub(super) latest: Option<(usize, u64)>,
}

/// What is known about a piece of work before it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Memory that it may take, in bytes.
    pub memory: u64,
    /// What it is expected to cost, in fuel; none if that is not known.
    pub expected: Option<u64>,
    /// Whether it may be taken at all, now.
    pub wanted: bool,
}

/// What came of looking at the work whose turn it is.
pub(super) enum Taken<T> {
    Work(Dispatch<T>),
    Lacking,
    Unwanted,
    /// It does not cost what was assumed, so it may be another's turn.
    Otherwise,
}

impl<T> Queue<T> {
    /// Takes the work whose turn it is, if it is wanted and there is memory
    /// for it.
    pub(super) fn take(
        &mut self,
        at: usize,
        batch: u64,
        may_look: bool,
        needs: &mut impl FnMut(&T) -> Needs,
    ) -> Option<Taken<T>> {
        let Needs {
            memory: needed,
            expected,
            wanted,
        } = needs(self.first()?);
        self.look(expected);
        let next = self.next_place();
        if may_look && !self.place.is_some_and(|place| place.is_near(&next)) {
            return Some(Taken::Otherwise);
        }
        if !wanted {
            return Some(Taken::Unwanted);
        }
        if !self.fits_into(batch, needed) {
            self.lacking = self.front().map(|front| (front, needed));
            return Some(Taken::Lacking);
        }
        let (cost, is_cheap) = self.next_cost();
        let piece = self.pop()?;
        let charged = self.charge(cost);
        self.begin_in(batch, needed);
        self.unreleased += 1;
        self.held -= 1;
        let ticket = Ticket {
            queue: at,
            generation: self.generation,
            charged,
            is_large: !is_cheap,
            batch,
            origin: piece.origin,
            place: None,
        };
        Some(Taken::Work(Dispatch {
            item: piece.item,
            ready_us: piece.ready_us,
            ticket,
        }))
    }
}
