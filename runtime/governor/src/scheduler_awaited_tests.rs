//! Work that somebody waits for, beside the rest of its tenant's.

use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;
use ringfence_model::TenantId;

use super::*;

const SHARE: Share = Share {
    weight: 1,
    concurrent: 4,
    memory: u64::MAX,
    unreleased: 100,
};

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

/// Finishes one piece of work that used `fuel`.
fn finish<T>(scheduler: &mut Scheduler<T>, mut ticket: Ticket, fuel: u64) {
    scheduler.ran(&mut ticket, fuel, 0);
    scheduler.release(ticket, None, 0);
}

#[test]
fn what_is_awaited_takes_turns_with_the_rest() {
    let mut scheduler = Scheduler::default();
    let acme = tenant("acme");
    let one = Share {
        concurrent: 1,
        ..SHARE
    };
    scheduler.set_share(&acme, one);
    for item in ["event 1", "event 2", "event 3"] {
        scheduler.push(&acme, None, item).unwrap();
    }
    for item in ["a", "b"] {
        scheduler.push_awaited(&acme, 0, item).unwrap();
    }
    let mut order = Vec::new();
    while let Some(mut dispatch) = scheduler.dispatch(|_| 0) {
        assert!(scheduler.dispatch(|_| 0).is_none(), "one at a moment");
        scheduler.ran(&mut dispatch.ticket, 1, 0);
        // What was begun goes on before what was not.
        let again = (dispatch.item == "a").then_some("a again");
        scheduler.release(dispatch.ticket, again, 0);
        order.push(dispatch.item);
    }
    assert_eq!(
        order,
        ["a", "event 1", "a again", "event 2", "b", "event 3"]
    );
    assert!(scheduler.push_awaited(&tenant("nobody"), 0, "c").is_err());
}

/// What somebody waits for is not on its way to the disk afterwards.
#[test]
fn what_is_awaited_does_not_wait_for_the_disk() {
    let mut scheduler = Scheduler::default();
    let acme = tenant("acme");
    let one = Share {
        unreleased: 1,
        ..SHARE
    };
    scheduler.set_share(&acme, one);
    for item in [1, 2] {
        scheduler.push(&acme, None, item).unwrap();
    }
    let mut first = scheduler.dispatch(|_| 0).unwrap();
    scheduler.ran(&mut first.ticket, 1, 0);
    assert!(scheduler.dispatch(|_| 0).is_none());
    scheduler.push_awaited(&acme, 0, 3).unwrap();
    scheduler.push_awaited(&acme, 0, 4).unwrap();
    for awaited in [3, 4] {
        let next = scheduler.dispatch(|_| 0).unwrap();
        assert_eq!(next.item, awaited);
        finish(&mut scheduler, next.ticket, 1);
    }
    scheduler.release(first.ticket, None, 0);
    assert_eq!(scheduler.dispatch(|_| 0).unwrap().item, 2);
}

#[test]
fn what_nobody_awaits_any_more_is_not_done() {
    let mut scheduler = Scheduler::default();
    let (acme, calm) = (tenant("acme"), tenant("calm"));
    let share = Share {
        memory: 64,
        ..SHARE
    };
    scheduler.set_share(&acme, share);
    scheduler.set_share(&calm, share);
    let memory = |item: &u64| *item;
    for item in [60, 61, 3] {
        scheduler.push_awaited(&acme, 0, item).unwrap();
    }
    let first = scheduler.dispatch(memory).unwrap();
    assert!(scheduler.dispatch(memory).is_none(), "61 do not fit");
    // What did not fit goes, and what is behind it fits.
    assert_eq!(scheduler.withdraw(&acme, |item| *item == 61), Some(61));
    assert_eq!(scheduler.dispatch(memory).unwrap().item, 3);
    assert_eq!(scheduler.withdraw(&acme, |_| true), None);
    scheduler.push_awaited(&acme, 0, 1).unwrap();
    scheduler.push_awaited(&calm, 0, 2).unwrap();
    scheduler.push(&calm, None, 5).unwrap();
    let mut all = scheduler.withdraw_all();
    all.sort_unstable();
    assert_eq!(all, [1, 2]);
    scheduler.release(first.ticket, Some(60), 0);
    assert_eq!(scheduler.remove(&acme), [60]);
    assert_eq!(scheduler.dispatch(memory).unwrap().item, 5);
    assert_eq!(scheduler.ready(), 0);
}

/// A flood of what is awaited is of its tenant's share like all else.
#[test]
fn what_is_awaited_is_charged_like_the_rest() {
    let mut scheduler = Scheduler::default();
    let (flood, calm) = (tenant("flood"), tenant("calm"));
    scheduler.set_share(&flood, SHARE);
    scheduler.set_share(&calm, SHARE);
    for _ in 0..1_000 {
        scheduler.push_awaited(&flood, 0, "flood").unwrap();
        scheduler.push(&calm, None, "calm").unwrap();
    }
    let mut turns = HashMap::new();
    for _ in 0..1_000 {
        let dispatch = scheduler.dispatch(|_| 0).unwrap();
        let fuel = if dispatch.item == "flood" { 9 } else { 1 };
        *turns.entry(dispatch.item).or_insert(0) += 1;
        finish(&mut scheduler, dispatch.ticket, fuel * 1_000_000);
    }
    assert!(turns["calm"] > 7 * turns["flood"], "{turns:?}");
}

/// A piece of work of a simulated host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    owner: usize,
    memory: u64,
    serial: usize,
    is_awaited: bool,
}

/// What a simulated host does next.
#[derive(Debug, Clone, Copy)]
enum Step {
    Push {
        owner: usize,
        memory: u64,
        is_awaited: bool,
    },
    Withdraw {
        owner: usize,
        which: usize,
    },
    Dispatch,
    Finish {
        which: usize,
        again: bool,
    },
    Share {
        owner: usize,
        memory: u64,
        concurrent: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (owner, which) = (0usize..3, any::<usize>());
    let push = (owner.clone(), 0u64..40, any::<bool>());
    let step = prop_oneof![
        4 => push.prop_map(|(owner, memory, is_awaited)| Step::Push { owner, memory, is_awaited }),
        1 => (owner.clone(), which)
            .prop_map(|(owner, which)| Step::Withdraw { owner, which }),
        3 => Just(Step::Dispatch),
        4 => (which, any::<bool>()).prop_map(|(which, again)| Step::Finish { which, again }),
        1 => (owner, 1u64..100, 1u64..6)
            .prop_map(|(owner, memory, concurrent)| Step::Share { owner, memory, concurrent }),
    ];
    prop::collection::vec(step, 1..300)
}

/// What a simulated host knows of one tenant.
#[derive(Debug, Clone)]
struct Owner {
    name: TenantId,
    share: Share,
    events: usize,
    /// By serial numbers, in the order in which they are to be done.
    awaited: VecDeque<usize>,
    /// Whether its latest turn was of what is awaited.
    awaited_last: bool,
}

/// A host that keeps its own account of what the scheduler allows.
struct Host {
    scheduler: Scheduler<Piece>,
    owners: Vec<Owner>,
    under_way: Vec<Dispatch<Piece>>,
    serial: usize,
}

impl Host {
    fn new() -> Self {
        let owner = |name| Owner {
            name: tenant(name),
            share: SHARE,
            events: 0,
            awaited: VecDeque::new(),
            awaited_last: false,
        };
        let mut host = Self {
            scheduler: Scheduler::default(),
            owners: ["x", "y", "z"].map(owner).to_vec(),
            under_way: Vec::new(),
            serial: 0,
        };
        for owner in 0..3 {
            host.share(owner, 64, 4);
        }
        host
    }

    fn share(&mut self, owner: usize, memory: u64, concurrent: u64) {
        let owner = &mut self.owners[owner];
        owner.share = Share {
            memory,
            concurrent,
            ..SHARE
        };
        self.scheduler.set_share(&owner.name, owner.share);
    }

    fn running(&self, owner: usize) -> (u64, u64) {
        let work = self.under_way.iter().map(|run| run.item);
        let of_owner = work.filter(|run| run.owner == owner);
        of_owner.fold((0, 0), |(runs, memory), run| {
            (runs + 1, memory + run.memory)
        })
    }

    fn waits(&self, owner: usize) -> bool {
        self.owners[owner].events > 0 || !self.owners[owner].awaited.is_empty()
    }

    /// What began fits beside what ran; runs that need nothing may be there
    /// beside one that is too large.
    fn check(&self, piece: Piece) {
        let owner = &self.owners[piece.owner];
        let (runs, memory) = self.running(piece.owner);
        let share = owner.share;
        assert!(runs <= share.concurrent, "{runs} at once, {share:?}");
        let mut work = self.under_way.iter().map(|run| run.item);
        let alone = work.any(|run| (run.owner, run.memory) == (piece.owner, memory));
        assert!(memory <= share.memory || alone, "{memory} in {share:?}");
        assert_eq!(self.scheduler.reserved(&owner.name), memory);
    }

    fn dispatch(&mut self) -> bool {
        let Some(dispatch) = self.scheduler.dispatch(|item| item.memory) else {
            return false;
        };
        let piece = dispatch.item;
        let owner = &mut self.owners[piece.owner];
        if owner.events > 0 && !owner.awaited.is_empty() {
            assert_ne!(piece.is_awaited, owner.awaited_last, "{piece:?}");
        }
        owner.awaited_last = piece.is_awaited;
        if piece.is_awaited {
            assert_eq!(owner.awaited.pop_front(), Some(piece.serial));
        } else {
            owner.events -= 1;
        }
        self.under_way.push(dispatch);
        self.check(piece);
        true
    }

    fn finish(&mut self, which: usize, again: bool) {
        let mut run = self.under_way.swap_remove(which % self.under_way.len());
        self.scheduler.ran(&mut run.ticket, 1_000, 0);
        self.scheduler
            .release(run.ticket, again.then_some(run.item), 0);
        let owner = &mut self.owners[run.item.owner];
        match (again, run.item.is_awaited) {
            (false, _) => {}
            (true, true) => owner.awaited.push_front(run.item.serial),
            (true, false) => owner.events += 1,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Push {
                owner,
                memory,
                is_awaited,
            } => {
                self.serial += 1;
                let piece = Piece {
                    owner,
                    memory,
                    serial: self.serial,
                    is_awaited,
                };
                let owner = &mut self.owners[owner];
                if is_awaited {
                    owner.awaited.push_back(piece.serial);
                    self.scheduler.push_awaited(&owner.name, 0, piece).unwrap();
                } else {
                    owner.events += 1;
                    self.scheduler.push(&owner.name, None, piece).unwrap();
                }
            }
            Step::Withdraw { owner, which } if !self.owners[owner].awaited.is_empty() => {
                let owner = &mut self.owners[owner];
                let serial = owner.awaited.remove(which % owner.awaited.len()).unwrap();
                let is_it = |piece: &Piece| piece.serial == serial;
                let withdrawn = self.scheduler.withdraw(&owner.name, is_it).unwrap();
                assert_eq!(withdrawn.serial, serial);
            }
            Step::Dispatch => drop(self.dispatch()),
            Step::Finish { which, again } if !self.under_way.is_empty() => {
                self.finish(which, again);
            }
            Step::Share {
                owner,
                memory,
                concurrent,
            } => self.share(owner, memory, concurrent),
            _ => {}
        }
    }
}

proptest! {
    /// However work of both kinds, withdrawals and changes of shares are mixed:
    /// what begins fits beside what runs, in number and in memory; both kinds
    /// take turns; nobody waits while nothing of its tenant runs; and in the
    /// end all that was not withdrawn is done, once.
    #[test]
    fn memory_is_never_given_twice(steps in steps()) {
        let mut host = Host::new();
        for step in steps {
            host.take(step);
        }
        while !host.under_way.is_empty() || (0..3).any(|owner| host.waits(owner)) {
            while host.dispatch() {}
            for owner in 0..3 {
                prop_assert!(!host.waits(owner) || host.running(owner).0 > 0, "{owner} waits for nothing");
            }
            host.finish(0, false);
        }
        prop_assert_eq!(host.scheduler.ready(), 0);
    }
}
