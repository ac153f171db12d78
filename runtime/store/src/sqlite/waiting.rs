//! What waits for the writer, and what of it shares the next transaction.

use std::collections::VecDeque;

use ringfence_model::TenantId;
use tokio::sync::OwnedSemaphorePermit;

use super::bulk::Bulk;
use super::job::Job;
use super::turns::Turns;

/// What may wait for the writer, each request a KiB at least; beyond that senders
/// wait. What is large has as much of its own, and so have events.
pub(super) const QUEUE_KIB: u32 = 64 * 1024;

/// More of events or of code is large: some milliseconds' work.
const LARGE_KIB: u32 = 128;

/// What one transaction takes at most; it keeps the wait of each request
/// short.
const GROUP_REQUESTS: usize = 512;
const GROUP_KIB: usize = 8 * 1024;

/// What requests that append events cost at most in one transaction, unless it
/// is one alone: at the beginning, and the bounds of it.
pub(super) const APPENDS_FIRST: u32 = 64;
const APPENDS_LEAST: u32 = 32;
const APPENDS_MOST: u32 = 256;

/// How long a transaction that is full of events should take, in microseconds.
/// Whoever sends the next event waits for it; but more events in one share pages
/// and a sync, so they are more in a second.
const APPENDS_US: u64 = 5_000;

/// How much more is in the next one if it took less.
const APPENDS_STEP: u32 = 8;

/// So many KiB of events cost as much as an event: about as many pages.
const COST_KIB: u32 = 8;

/// Which way a request takes to its transaction.
pub(super) enum Way {
    /// In the order in which it came.
    Other,
    /// Tenants take turns. The cost is about the number of events.
    Append { tenant: TenantId, cost: u32 },
    /// One by one, between all that is not large.
    Large,
}

/// What a request is for the writer.
pub(super) struct Load {
    pub(super) kib: u32,
    pub(super) way: Way,
}

impl Load {
    /// `bytes` is about what it holds and writes.
    pub(super) fn of(bytes: u64) -> Self {
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
        Self {
            kib: kib.saturating_add(1).min(QUEUE_KIB),
            way: Way::Other,
        }
    }

    /// The same for code, which a client may make as large as it likes: it
    /// does not keep others waiting.
    pub(super) fn of_code(bytes: u64) -> Self {
        let load = Self::of(bytes);
        let way = if load.kib > LARGE_KIB {
            Way::Large
        } else {
            Way::Other
        };
        Self { way, ..load }
    }

    /// The same for a tenant's new events, of which there may also be many.
    pub(super) fn of_events(tenant: &TenantId, events: usize, bytes: u64) -> Self {
        let load = Self::of_code(bytes);
        let way = match load.way {
            Way::Large => Way::Large,
            _ => Way::Append {
                tenant: tenant.clone(),
                cost: u32::try_from(events)
                    .unwrap_or(u32::MAX)
                    .saturating_add(load.kib / COST_KIB),
            },
        };
        Self { way, ..load }
    }
}

/// Work, and the room that it takes until it is done.
pub(super) struct Request {
    pub(super) job: Box<dyn Job>,
    pub(super) room: OwnedSemaphorePermit,
}

/// Requests that have come. There is a limit to them: each keeps its room.
pub(super) struct Waiting {
    pub(super) large: Bulk<Request>,
    appends: Turns<Request>,
    /// What appends may cost in one transaction.
    appends_max: u32,
    others: VecDeque<Request>,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            large: Bulk::default(),
            appends: Turns::default(),
            appends_max: APPENDS_FIRST,
            others: VecDeque::new(),
        }
    }
}

impl Waiting {
    /// A transaction took so long. Where it was full, the next ones hold more
    /// or less of what is appended (additive increase, multiplicative decrease;
    /// Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for
    /// Congestion Avoidance in Computer Networks", 1989).
    pub(super) fn took(&mut self, was_full: bool, took_us: u64) {
        let before = self.appends_max;
        let after = match (was_full, took_us <= APPENDS_US) {
            (false, _) => before,
            (true, true) => before + APPENDS_STEP,
            (true, false) => before - before / 8,
        };
        self.appends_max = after.clamp(APPENDS_LEAST, APPENDS_MOST);
    }

    pub(super) fn push(&mut self, way: Way, request: Request) {
        match way {
            Way::Other => self.others.push_back(request),
            Way::Append { tenant, cost } => self.appends.push(tenant, cost, request),
            Way::Large => self.large.push(request),
        }
    }

    /// Whether nothing waits that is not large.
    pub(super) fn is_empty(&self) -> bool {
        self.appends.is_empty() && self.others.is_empty()
    }

    /// What shares the next transaction: empty only if nothing waits that is
    /// not large.
    pub(super) fn group(&mut self) -> Group {
        let mut group = Group::default();
        self.take_appends(&mut group);
        // Appends leave half of the group to the others at least, so none starves.
        while group.jobs.len() < GROUP_REQUESTS
            && group.kib < GROUP_KIB
            && let Some(request) = self.others.pop_front()
        {
            group.add(request);
        }
        group
    }

    fn take_appends(&mut self, group: &mut Group) {
        let mut costs = 0u32;
        while let Some(cost) = self.appends.next_cost() {
            costs = costs.saturating_add(cost);
            // The first one comes whatever it costs, or it never would.
            if costs > self.appends_max && !group.jobs.is_empty() {
                group.is_full = true;
                return;
            }
            if let Some(request) = self.appends.next() {
                group.add(request);
            }
        }
    }
}

/// Requests that share a transaction, and the room that they take in the
/// queue.
#[derive(Default)]
pub(super) struct Group {
    pub(super) jobs: Vec<Box<dyn Job>>,
    rooms: Vec<OwnedSemaphorePermit>,
    kib: usize,
    pub(super) is_large: bool,
    /// Whether more events wait than it may hold.
    pub(super) is_full: bool,
}

impl Group {
    pub(super) fn of_large(request: Request) -> Self {
        let mut group = Self::default();
        group.add(request);
        group.is_large = true;
        group
    }

    fn add(&mut self, request: Request) {
        self.kib += request.room.num_permits();
        self.jobs.push(request.job);
        self.rooms.push(request.room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_full_of_events_take_about_as_long_as_they_should() {
        for (begin_us, each_us, least, most) in [
            (500, 5, APPENDS_MOST, APPENDS_MOST),
            (500, 40, 90, 120),
            (500, 200, APPENDS_LEAST, APPENDS_LEAST),
        ] {
            let mut waiting = Waiting::default();
            for _ in 0..500 {
                let took_us = begin_us + each_us * u64::from(waiting.appends_max);
                waiting.took(true, took_us);
                // What took long for another reason says nothing.
                waiting.took(false, 100_000);
            }
            let settled = waiting.appends_max;
            assert!((least..=most).contains(&settled), "{settled} of {each_us}");
        }
    }
}
