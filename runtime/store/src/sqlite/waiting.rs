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

/// What one transaction takes at most of what does not take turns; it keeps the
/// wait of each request short.
const GROUP_REQUESTS: usize = 512;
const GROUP_KIB: usize = 8 * 1024;

/// What one transaction holds at most of events, and of results, unless it is
/// one request alone: at the beginning, and the bounds of it.
pub(super) const EACH_FIRST: u32 = 64;
const EACH_LEAST: u32 = 32;
const EACH_MOST: u32 = 256;

/// How long a transaction that is full should take, in microseconds. Whoever
/// sends the next request waits for it; but more in one share pages and a sync,
/// so they are more in a second.
const FULL_US: u64 = 5_000;

/// Where to begin at all takes long, as on a slow disk, it may take so many times
/// that: the most of it is work then, whatever begins cost.
const FLOORS: u64 = 4;

/// A transaction that costs so little says how long it takes to begin.
const FEW: u32 = 4;

/// How much more is in the next one if it took less.
const EACH_STEP: u32 = 8;

/// So many KiB cost as much as an event: about as many pages.
const COST_KIB: u32 = 8;

/// Which way a request takes to its transaction.
pub(super) enum Way {
    /// In the order in which it came.
    Other,
    /// Tenants take turns. The cost is about the number of events.
    Events { tenant: TenantId, cost: u32 },
    /// The same for results of runs, beside events.
    Results { tenant: TenantId, cost: u32 },
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
            _ => Way::Events {
                tenant: tenant.clone(),
                cost: load.cost(events),
            },
        };
        Self { way, ..load }
    }

    /// The same for results of a tenant's runs, and for the events that these set
    /// off.
    pub(super) fn of_results(
        tenant: &TenantId,
        (results, follow_ups): (usize, usize),
        bytes: u64,
    ) -> Self {
        let load = Self::of(bytes);
        let way = Way::Results {
            tenant: tenant.clone(),
            cost: load.cost(results.saturating_add(follow_ups)),
        };
        Self { way, ..load }
    }

    fn cost(&self, count: usize) -> u32 {
        u32::try_from(count)
            .unwrap_or(u32::MAX)
            .saturating_add(self.kib / COST_KIB)
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
    events: Turns<Request>,
    results: Turns<Request>,
    /// What events may cost in one transaction, and results.
    each_max: u32,
    /// How long a transaction of few takes at least, in microseconds; it is
    /// forgotten by and by.
    floor_us: u64,
    others: VecDeque<Request>,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            large: Bulk::default(),
            events: Turns::default(),
            results: Turns::default(),
            each_max: EACH_FIRST,
            floor_us: FULL_US / FLOORS,
            others: VecDeque::new(),
        }
    }
}

impl Waiting {
    /// A transaction at this cost took so long. Where it was full, the next ones hold
    /// more or less (additive increase, multiplicative decrease; Chiu
    /// and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion
    /// Avoidance in Computer Networks", 1989).
    pub(super) fn took(&mut self, cost: u32, was_full: bool, took_us: u64) {
        if cost <= FEW {
            // The least, because others may be in the way of one.
            self.floor_us = took_us.min(self.floor_us + self.floor_us.div_ceil(16));
        }
        if !was_full {
            return;
        }
        let full_us = FULL_US.max(FLOORS.saturating_mul(self.floor_us));
        let each_max = if took_us <= full_us {
            self.each_max + EACH_STEP
        } else {
            self.each_max - self.each_max / 8
        };
        self.each_max = each_max.clamp(EACH_LEAST, EACH_MOST);
    }

    pub(super) fn push(&mut self, way: Way, request: Request) {
        match way {
            Way::Other => self.others.push_back(request),
            Way::Events { tenant, cost } => self.events.push(tenant, cost, request),
            Way::Results { tenant, cost } => self.results.push(tenant, cost, request),
            Way::Large => self.large.push(request),
        }
    }

    /// Whether nothing waits that is not large.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.results.is_empty() && self.others.is_empty()
    }

    /// What shares the next transaction: empty only if nothing waits that is
    /// not large.
    pub(super) fn group(&mut self) -> Group {
        let mut group = Group::default();
        group.take_turns(&mut self.events, self.each_max);
        group.take_turns(&mut self.results, self.each_max);
        // They leave room for the others, so none starves.
        for _ in 0..GROUP_REQUESTS {
            if group.kib >= GROUP_KIB {
                break;
            }
            let Some(request) = self.others.pop_front() else {
                break;
            };
            group.cost += 1;
            group.add(request);
        }
        group
    }
}

/// Requests that share a transaction, and the room that they take in the
/// queue.
#[derive(Default)]
pub(super) struct Group {
    pub(super) jobs: Vec<Box<dyn Job>>,
    rooms: Vec<OwnedSemaphorePermit>,
    kib: usize,
    pub(super) cost: u32,
    pub(super) is_large: bool,
    /// Whether more events or results wait than it may hold.
    pub(super) is_full: bool,
}

impl Group {
    pub(super) fn of_large(request: Request) -> Self {
        let mut group = Self::default();
        group.add(request);
        group.is_large = true;
        group
    }

    /// Takes as many as cost this much.
    fn take_turns(&mut self, turns: &mut Turns<Request>, most: u32) {
        let mut costs = 0u32;
        while let Some(cost) = turns.next_cost() {
            // The first one comes whatever it costs, or it never would.
            if costs > 0 && costs.saturating_add(cost) > most {
                self.is_full = true;
                return;
            }
            costs = costs.saturating_add(cost);
            self.cost = self.cost.saturating_add(cost);
            if let Some(request) = turns.next() {
                self.add(request);
            }
        }
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

    /// Where it takes this long to begin and for each request that: how many are
    /// in a transaction in the end, which is always full but now and then.
    fn settled(waiting: &mut Waiting, begin_us: u64, each_us: u64) -> u32 {
        for round in 0..1_000 {
            let count = if round % 10 == 0 { 1 } else { waiting.each_max };
            let took_us = begin_us + each_us * u64::from(count);
            waiting.took(count, count > 1, took_us);
            // What took long for another reason says nothing.
            waiting.took(FEW + 1, false, 100_000);
            assert!((EACH_LEAST..=EACH_MOST).contains(&waiting.each_max));
        }
        waiting.each_max
    }

    #[test]
    fn full_transactions_take_about_as_long_as_they_should() {
        for (begin_us, each_us, least, most) in [
            (500, 5, EACH_MOST, EACH_MOST),
            (500, 40, 90, 120),
            (500, 200, EACH_LEAST, EACH_LEAST),
            // A slow disk: to do little at once would do little at all.
            (10_000, 200, 120, 160),
        ] {
            let settled = settled(&mut Waiting::default(), begin_us, each_us);
            assert!((least..=most).contains(&settled), "{settled} of {each_us}");
        }
    }

    #[test]
    fn they_follow_what_things_cost() {
        let mut waiting = Waiting::default();
        for (each_us, expected) in [(5, EACH_MOST), (300, EACH_LEAST), (5, EACH_MOST)] {
            assert_eq!(settled(&mut waiting, 300, each_us), expected);
        }
    }
}
