//! Windows: how much of each tenant's backlog is in memory.
//!
//! A tenant's window holds the oldest of its waiting events, up to a bound of
//! its own and up to its share of what all windows may hold together
//! ([`Space`]). What does not fit stays on disk and is paged in when there is
//! room.

use ringfence_governor::{Drain, Gate, Load, RateLimiter, Space};
use ringfence_model::{Event, TenantId};
use ringfence_store::{Pending, Seq};
use tokio::sync::mpsc::UnboundedSender;

use crate::ahead::Ahead;

/// What an event in memory takes beside its texts, in bytes: itself, its job,
/// its places in the queue of its tenant and in the lane of its subject, its
/// cascade. An estimate, from the sizes of these and one allocation for each.
pub(crate) const JOB_BYTES: u64 = 1_536;

/// Events of one page at most, and of the first of a tenant that has nothing in
/// memory: so that all have something soon where many begin at once.
const PAGE_EVENTS: u64 = 128;
const FIRST_PAGE_EVENTS: u64 = 16;

/// The bounds of windows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Events of one tenant.
    pub(crate) events: usize,
    /// The same, in bytes of events.
    pub(crate) bytes: u64,
}

impl Bounds {
    /// With room for root events that go ahead, a quarter more.
    fn with_reserve(self) -> Self {
        Self {
            events: self.events.saturating_add(self.events.div_ceil(4)),
            bytes: self.bytes.saturating_add(self.bytes / 4),
        }
    }
}

/// What an event in memory takes, in bytes.
fn cost(event: &Event) -> u64 {
    event.size() + JOB_BYTES
}

/// A tenant's window, and the counts of what waits at all.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Distinguishes a tenant from a later one with the same name.
    pub(crate) lifetime: u64,
    /// In memory.
    events: usize,
    bytes: u64,
    /// What it takes of the space that all windows share.
    held: u64,
    /// In memory and on disk.
    pub(crate) waiting_events: u64,
    pub(crate) waiting_bytes: u64,
    /// Nothing of it is done until it is resumed.
    pub(crate) is_paused: bool,
    pub(crate) rate: RateLimiter,
    pub(crate) gate: Gate,
    /// How fast what waits gets less, and what that is beside others.
    pub(crate) drain: Drain,
    pub(crate) load: Load,
    /// On their way to the disk.
    pub(crate) reserved_events: u64,
    pub(crate) reserved_bytes: u64,
    /// The latest event that was taken into memory, and the latest known.
    pub(crate) loaded: Seq,
    pub(crate) seen: Seq,
    /// Whether something is on disk that is not in memory.
    pub(crate) unread: bool,
    pub(crate) paging: bool,
    /// Root events that do not wait for that.
    pub(crate) ahead: Ahead,
}

impl Window {
    /// Of this lifetime.
    pub(crate) fn new(lifetime: u64) -> Self {
        Self {
            lifetime,
            ..Self::default()
        }
    }

    /// Events that wait for their turn: none while the tenant is paused.
    pub(crate) fn wanted(&self) -> u64 {
        if self.is_paused {
            0
        } else {
            self.waiting_events
        }
    }

    fn is_within(&self, bounds: Bounds) -> bool {
        self.events < bounds.events && self.bytes < bounds.bytes
    }

    /// Whether some event may be taken into memory.
    pub(crate) fn has_room(&self, bounds: Bounds, space: &Space) -> bool {
        self.events == 0 || self.is_within(bounds) && space.fits(self.held, JOB_BYTES)
    }

    /// Whether this event may be taken into memory. One always may.
    pub(crate) fn fits(&self, event: &Event, bounds: Bounds, space: &Space) -> bool {
        self.events == 0 || self.is_within(bounds) && space.fits(self.held, cost(event))
    }

    /// The same for one that goes ahead of what is on disk.
    pub(crate) fn fits_ahead(&self, event: &Event, bounds: Bounds, space: &Space) -> bool {
        self.is_within(bounds.with_reserve()) && space.fits_ahead(self.held, cost(event))
    }

    /// An event is in memory now.
    pub(crate) fn load(&mut self, event: &Event, space: &mut Space) {
        self.events += 1;
        self.bytes += event.size();
        self.held += cost(event);
        space.take(cost(event));
    }

    /// An event is in memory no more.
    pub(crate) fn unload(&mut self, event: &Event, space: &mut Space) {
        self.events -= 1;
        self.bytes -= event.size();
        self.held -= cost(event);
        space.give(cost(event));
    }

    /// The tenant is gone.
    pub(crate) fn end(&self, space: &mut Space) {
        space.give(self.held);
    }

    /// An event is left on disk.
    pub(crate) fn leave(&mut self, seq: Seq, event: &Event, space: &mut Space) {
        if !self.unread {
            self.unread = true;
            self.ahead.begin();
        }
        // What is known of the disk must not take the room of what comes from
        // it.
        let may_grow = self.held + Ahead::FILTER_BYTES <= space.share() / 2;
        self.change_ahead(space, |ahead| {
            ahead.leave(seq, event.subject.as_deref(), may_grow);
        });
    }

    /// Whether a root event goes ahead of what is on disk.
    pub(crate) fn goes_ahead(
        &mut self,
        seq: Seq,
        event: &Event,
        bounds: Bounds,
        space: &mut Space,
    ) -> bool {
        self.unread
            && self.fits_ahead(event, bounds, space)
            && self.change_ahead(space, |ahead| ahead.takes(seq, event.subject.as_deref()))
    }

    /// What is known of the disk takes room, too.
    fn change_ahead<R>(&mut self, space: &mut Space, change: impl FnOnce(&mut Ahead) -> R) -> R {
        let before = self.ahead.bytes();
        let changed = change(&mut self.ahead);
        let after = self.ahead.bytes();
        space.give(before);
        space.take(after);
        self.held = self.held - before + after;
        changed
    }

    /// The next page, as far as there is room.
    pub(crate) fn begin_page(&self, bounds: Bounds, space: &Space) -> PageRequest {
        let room = space.share().saturating_sub(self.held);
        let most = match self.events {
            0 => FIRST_PAGE_EVENTS,
            _ => PAGE_EVENTS,
        };
        let events = bounds.events.saturating_sub(self.events) as u64;
        let events = events.min(room / JOB_BYTES).clamp(1, most);
        PageRequest {
            lifetime: self.lifetime,
            after: self.loaded,
            seen: self.seen,
            events: events as u32,
            bytes: room.min(bounds.bytes.saturating_sub(self.bytes)).max(1),
        }
    }

    /// What becomes of an event that was read.
    pub(crate) fn takes(&mut self, pending: &Pending, bounds: Bounds, space: &Space) -> Taken {
        if self.ahead.has(pending.seq) {
            self.loaded = pending.seq;
            return Taken::Before;
        }
        if !self.fits(&pending.event, bounds, space) {
            return Taken::Not;
        }
        self.loaded = pending.seq;
        Taken::Now
    }

    /// A page was read, and all of it was taken or was not.
    pub(crate) fn end_page(&mut self, request: &PageRequest, whole: bool, space: &mut Space) {
        if whole {
            self.loaded = self.loaded.max(request.seen);
            self.unread = self.seen > self.loaded;
        }
        self.paging = false;
        let loaded = self.loaded;
        self.change_ahead(space, |ahead| ahead.passed(loaded));
    }

    /// Asks for the next page once half of the window is free.
    pub(crate) fn ask_for_page(
        &mut self,
        pages: &UnboundedSender<TenantId>,
        bounds: Bounds,
        tenant: &TenantId,
        space: &Space,
    ) {
        if !self.unread || self.paging {
            return;
        }
        let half = self.events < bounds.events.div_ceil(2)
            && self.bytes < bounds.bytes.div_ceil(2)
            && self.held < space.share().div_ceil(2);
        if half || self.events == 0 {
            // Fails only while the engine is being dropped.
            self.paging = pages.send(tenant.clone()).is_ok();
        }
    }
}

/// What becomes of an event that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is taken into memory.
    Now,
    /// It went ahead.
    Before,
    /// There is no room for it.
    Not,
}

/// A page to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageRequest {
    pub(crate) lifetime: u64,
    /// After which event it begins.
    pub(crate) after: Seq,
    /// The latest event known when it was asked for.
    seen: Seq,
    /// How many events it has at most, and at which bytes it ends.
    pub(crate) events: u32,
    pub(crate) bytes: u64,
}

impl PageRequest {
    /// Whether a page is all that waited.
    pub(crate) fn is_whole(&self, page: &[Pending]) -> bool {
        let bytes: u64 = page.iter().map(|pending| pending.event.size()).sum();
        page.len() < self.events as usize && bytes < self.bytes
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
