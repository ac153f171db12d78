use proptest::prelude::*;
use ringfence_model::TenantId;

use super::*;

const SHARE: Share = Share {
    weight: 1,
    concurrent: 4,
    memory: 100,
    unreleased: 100,
};

const WORKER: Lane = Lane::Worker { index: 0, of: 1 };

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn wanted(memory: u64) -> Needs {
    Needs {
        memory,
        expected: Some(0),
        wanted: true,
    }
}

/// With so many pieces of work, which need as much memory as their number
/// says.
fn scheduler(share: Share, work: impl IntoIterator<Item = u64>) -> Scheduler<u64> {
    let mut scheduler = Scheduler::default();
    scheduler.set_share(&tenant("acme"), share);
    for item in work {
        scheduler.push(&tenant("acme"), None, item).unwrap();
    }
    scheduler
}

fn fill(scheduler: &mut Scheduler<u64>, batch: &mut Batch) -> Vec<Dispatch<u64>> {
    let mut taken = Vec::new();
    while let Some(next) = scheduler.dispatch_into(batch, |memory| wanted(*memory)) {
        taken.push(next);
    }
    taken
}

#[test]
fn runs_of_one_batch_are_one_run_at_a_moment() {
    let one = Share {
        concurrent: 1,
        ..SHARE
    };
    let mut scheduler = scheduler(one, [60, 60, 80, 30]);
    let (mut first, mut second) = (scheduler.begin_batch(WORKER), scheduler.begin_batch(WORKER));
    let mut taken = fill(&mut scheduler, &mut first);
    assert_eq!(taken.len(), 4);
    assert_eq!(scheduler.reserved(&tenant("acme")), 80);
    scheduler.push(&tenant("acme"), None, 10).unwrap();
    assert!(fill(&mut scheduler, &mut second).is_empty());
    // The others go on, so the tenant has its run still.
    let mut ended = taken.remove(0).ticket;
    scheduler.ran(&mut ended, 1, 0);
    assert!(fill(&mut scheduler, &mut second).is_empty());
    assert_eq!(scheduler.reserved(&tenant("acme")), 80);
    for Dispatch { mut ticket, .. } in taken {
        scheduler.ran(&mut ticket, 1, 0);
    }
    assert_eq!(scheduler.reserved(&tenant("acme")), 0);
    assert_eq!(fill(&mut scheduler, &mut second).len(), 1);
}

#[test]
fn batches_share_their_tenants_memory() {
    let mut scheduler = scheduler(SHARE, [50, 50, 60, 1]);
    let (mut first, mut second) = (scheduler.begin_batch(WORKER), scheduler.begin_batch(WORKER));
    let next = |scheduler: &mut Scheduler<u64>, batch: &mut Batch| {
        scheduler.dispatch_into(batch, |memory| wanted(*memory))
    };
    let one = next(&mut scheduler, &mut first).unwrap();
    let other = next(&mut scheduler, &mut second).unwrap();
    assert_eq!(scheduler.reserved(&tenant("acme")), 100);
    // 10 more do not fit, neither here nor there.
    assert!(next(&mut scheduler, &mut first).is_none());
    assert!(next(&mut scheduler, &mut second).is_none());
    // What does not fit waits until there is room for all that it needs.
    let (mut one, mut other) = (one.ticket, other.ticket);
    scheduler.ran(&mut other, 1, 0);
    assert!(next(&mut scheduler, &mut first).is_none());
    scheduler.ran(&mut one, 1, 0);
    assert_eq!(next(&mut scheduler, &mut first).unwrap().item, 60);
    assert_eq!(scheduler.reserved(&tenant("acme")), 60);
}

#[test]
fn what_is_not_wanted_stays_first() {
    let mut scheduler = scheduler(SHARE, [1, 2]);
    let mut batch = scheduler.begin_batch(WORKER);
    let refused = scheduler.dispatch_into(&mut batch, |_| Needs {
        wanted: false,
        ..wanted(1)
    });
    assert!(refused.is_none());
    assert_eq!(scheduler.ready(), 2);
    let taken = fill(&mut scheduler, &mut batch);
    let items: Vec<_> = taken.iter().map(|taken| taken.item).collect();
    assert_eq!(items, [1, 2]);
    assert_eq!(scheduler.ready(), 0);
}

proptest! {
    /// Whatever is done in whatever order: a tenant has no more batches under
    /// way than runs at once, and reserves no more than it may, and at the end
    /// all was done and nothing is reserved.
    #[test]
    fn bounds_hold_and_all_is_done(
        concurrent in 1u64..4,
        memories in prop::collection::vec((0usize..3, 1u64..100), 1..60),
        turns in prop::collection::vec((0usize..3, any::<bool>()), 1..400),
    ) {
        let share = Share { concurrent, ..SHARE };
        let mut scheduler = scheduler(share, []);
        let subjects = [None, Some("a"), Some("b")];
        let total = memories.len();
        for (subject, memory) in memories {
            scheduler.push(&tenant("acme"), subjects[subject], memory).unwrap();
        }
        let mut lanes: [(Option<Batch>, Vec<Ticket>); 3] = Default::default();
        let mut done = 0;
        let rest = (0..3).flat_map(|lane| [(lane, true), (lane, false)]).cycle();
        for (turn, (lane, takes)) in turns.into_iter().chain(rest).enumerate() {
            if done == total {
                break;
            }
            prop_assert!(turn < 10_000, "work is left that is never given");
            let (batch, tickets) = &mut lanes[lane];
            if takes {
                let batch = batch.get_or_insert_with(|| scheduler.begin_batch(WORKER));
                let next = scheduler.dispatch_into(batch, |memory| wanted(*memory));
                tickets.extend(next.map(|next| next.ticket));
            } else if let Some(mut ticket) = tickets.pop() {
                scheduler.ran(&mut ticket, 1, 0);
                scheduler.release(ticket, None, 0);
                done += 1;
                if tickets.is_empty() {
                    *batch = None;
                }
            }
            let busy = lanes.iter().filter(|(_, tickets)| !tickets.is_empty());
            prop_assert!(busy.count() as u64 <= concurrent);
            prop_assert!(scheduler.reserved(&tenant("acme")) <= 100);
        }
        prop_assert_eq!(scheduler.reserved(&tenant("acme")), 0);
        prop_assert_eq!(scheduler.ready(), 0);
    }
}

/// Where the disk is slow, work waits here, and its turn is decided when there
/// is room for it. Who has little to do goes on until there is twice as much.
#[test]
fn no_more_results_are_on_their_way_than_may_be() {
    for order in [Order::Fair, Order::Fifo] {
        let mut scheduler = Scheduler::new(order, 1);
        let [much, little] = [tenant("much"), tenant("little")];
        scheduler.set_results_max(2);
        for tenant in [&much, &little] {
            scheduler.set_share(tenant, SHARE);
        }
        for item in 0..1_000 {
            scheduler.push(&much, None, item).unwrap();
        }
        let mut under_way: Vec<_> = (0..2).map(|_| scheduler.dispatch(|_| 0).unwrap()).collect();
        // What ran is not free before it is on disk.
        for dispatch in &mut under_way {
            scheduler.ran(&mut dispatch.ticket, 0, 0);
        }
        assert!(scheduler.dispatch(|_| 0).is_none() && scheduler.is_work_due());
        // What waits for a while holds no place.
        under_way[0].ticket.postpone();
        under_way.push(scheduler.dispatch(|_| 0).unwrap());
        assert!(scheduler.dispatch(|_| 0).is_none());
        for item in 1_000..1_003 {
            scheduler.push(&little, None, item).unwrap();
        }
        let taken: Vec<_> = std::iter::from_fn(|| scheduler.dispatch(|_| 0)).collect();
        let items: Vec<_> = taken.iter().map(|dispatch| dispatch.item).collect();
        match order {
            Order::Fifo => assert!(items.is_empty()),
            _ => assert_eq!(items, [1_000, 1_001]),
        }
        // A tenant that is gone holds no places, and a ticket that is lost, as in
        // a panic, holds none.
        scheduler.remove(&much);
        for dispatch in under_way {
            scheduler.release(dispatch.ticket, None, 0);
        }
        drop(taken);
        let left = std::iter::from_fn(|| scheduler.dispatch(|_| 0));
        let left: Vec<_> = left.map(|dispatch| dispatch.item).collect();
        match order {
            Order::Fifo => assert_eq!(left, [1_000, 1_001, 1_002]),
            _ => assert_eq!(left, [1_002]),
        }
    }
}
