use proptest::prelude::*;

use super::*;
use crate::{Dispatch, Scheduler, Share};
use ringfence_model::TenantId;

const SHARE: Share = Share {
    weight: 1,
    concurrent: 3,
    memory: u64::MAX,
    unreleased: 3,
};

/// Takes so many, with a look before each.
fn take(list: &mut ReadyList<i32>, count: usize) -> Vec<i32> {
    (0..count)
        .filter_map(|_| {
            let front = list.front().copied();
            let popped = list.pop_front()?;
            assert_eq!(front, Some(popped.ready));
            Some(popped.ready)
        })
        .collect()
}

#[test]
fn while_dampened_root_events_go_first_and_follow_ups_get_one_turn_of_eight() {
    let mut list = ReadyList::default();
    for at in 0..20 {
        // Follow-ups are old enough to go in the order in which they came.
        let is_follow_up = at % 2 == 0;
        let ready_us = 60_000_000 + if is_follow_up { 0 } else { STEP_US };
        list.push_back(u32::from(is_follow_up), ready_us, at);
    }
    assert_eq!(take(&mut list, 2), [0, 1], "as they came");
    list.set_dampened(true);
    assert_eq!(take(&mut list, 9), [3, 5, 7, 9, 11, 13, 15, 2, 17]);
    list.push_front(1, 0, 22);
    list.push_front(0, 0, 21);
    assert_eq!(
        take(&mut list, 4),
        [21, 19, 22, 4],
        "each the first of its kind"
    );
    list.set_dampened(false);
    list.push_back(0, 90_000_000, 23);
    assert_eq!(take(&mut list, 99), [6, 8, 10, 12, 14, 16, 18, 23]);
    assert!(list.is_empty());
}

#[test]
fn lower_depths_go_first_until_deeper_ones_have_waited() {
    let mut list = ReadyList::default();
    for (item, depth, ready_us) in [
        (1, 3, 0),
        (2, 1, 0),
        (3, 0, 900_000),
        (4, 2, 900_000),
        // Later than all of these are due, but for the one at depth 3.
        (5, 0, 2_950_000),
        (6, 4_000_000_000, 0),
        (7, 0, 59_000_000),
        (8, 0, 61_000_000),
    ] {
        list.push_back(depth, ready_us, item);
    }
    list.push_front(1, 0, 9);
    assert_eq!(take(&mut list, 99), [9, 3, 2, 4, 5, 1, 7, 6, 8]);
}

proptest! {
    /// Whatever comes meanwhile, what waits goes before all that became ready
    /// later than it is due: so nothing starves.
    #[test]
    fn nothing_is_overtaken_by_what_comes_after_it_is_due(
        steps in prop::collection::vec((0u32..80, 0u64..3_000_000, any::<bool>()), 1..200),
    ) {
        let mut list = ReadyList::default();
        let mut waiting: Vec<(u64, u64, u32, usize)> = Vec::new();
        let mut now_us = 1;
        for (number, (depth, passes_us, takes)) in steps.into_iter().enumerate() {
            now_us += passes_us;
            let due_us = now_us + u64::from(depth.min(60)) * 1_000_000;
            list.push_back(depth, now_us, number);
            waiting.push((now_us, due_us, depth, number));
            if !takes {
                continue;
            }
            let popped = list.pop_front().unwrap();
            let at = waiting.iter().position(|one| one.3 == popped.ready).unwrap();
            let taken = waiting.remove(at);
            prop_assert_eq!((popped.ready_us, popped.depth), (taken.0, taken.2));
            for other in &waiting {
                prop_assert!(taken.0 <= other.1, "{taken:?} before {other:?}");
                let is_before = other.0 <= taken.0 && other.2 <= taken.2 && other.3 < taken.3;
                prop_assert!(!is_before, "{taken:?} before {other:?}");
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push { subject: usize, depth: u32 },
    Dispatch,
    Finish { which: usize, again: bool },
    Dampen(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0usize..4, 0u32..3).prop_map(|(subject, depth)| Step::Push { subject, depth }),
        3 => Just(Step::Dispatch),
        3 => (any::<usize>(), prop::bool::weighted(0.3))
            .prop_map(|(which, again)| Step::Finish { which, again }),
        1 => any::<bool>().prop_map(Step::Dampen),
    ];
    prop::collection::vec(step, 1..300)
}

/// Work on an event: its subject, its depth, and its number.
type Work = (usize, u32, usize);

/// The scheduler beside a list of what waits, in the order pushed.
struct Model {
    scheduler: Scheduler<Work>,
    acme: TenantId,
    waiting: Vec<Work>,
    begun: Vec<usize>,
    under_way: Vec<Dispatch<Work>>,
    is_dampened: bool,
    roots_in_a_row: u32,
}

const SUBJECTS: [Option<&str>; 4] = [None, Some("a"), Some("b"), Some("c")];

impl Model {
    fn new() -> Self {
        let acme: TenantId = "acme".parse().unwrap();
        let mut scheduler = Scheduler::default();
        scheduler.set_share(&acme, SHARE);
        Self {
            scheduler,
            acme,
            waiting: Vec::new(),
            begun: Vec::new(),
            under_way: Vec::new(),
            is_dampened: false,
            roots_in_a_row: 0,
        }
    }

    /// What may be taken: the first of each subject that is not under way.
    fn ready(&self) -> Vec<Work> {
        let mut taken: Vec<usize> = self.under_way.iter().map(|one| one.item.0).collect();
        let mut ready = Vec::new();
        for work in &self.waiting {
            if work.0 == 0 || !taken.contains(&work.0) {
                ready.push(*work);
                taken.push(work.0);
            }
        }
        ready
    }

    fn step(&mut self, step: &Step, number: usize) -> Result<(), TestCaseError> {
        match step {
            Step::Push { subject, depth } => {
                let work = (*subject, *depth, number);
                self.waiting.push(work);
                let pushed = self.scheduler.push_at(
                    &self.acme,
                    SUBJECTS[*subject],
                    *depth,
                    number as u64,
                    work,
                );
                prop_assert_eq!(pushed, Ok(()));
            }
            Step::Dispatch => self.dispatch()?,
            Step::Finish { which, again } if !self.under_way.is_empty() => {
                let which = which % self.under_way.len();
                let Dispatch {
                    item, mut ticket, ..
                } = self.under_way.swap_remove(which);
                self.scheduler.ran(&mut ticket, 1_000, 0);
                if *again {
                    self.waiting.insert(0, item);
                    self.begun.push(item.2);
                }
                self.scheduler
                    .release(ticket, again.then_some(item), number as u64);
            }
            Step::Finish { .. } => {}
            Step::Dampen(is_dampened) => {
                self.is_dampened = *is_dampened;
                self.roots_in_a_row = 0;
                self.scheduler.set_dampened(&self.acme, *is_dampened);
                prop_assert_eq!(self.scheduler.is_dampened(&self.acme), *is_dampened);
            }
        }
        Ok(())
    }

    fn dispatch(&mut self) -> Result<(), TestCaseError> {
        let ready = self.ready();
        let has_room = self.under_way.len() < SHARE.concurrent as usize;
        let next = self.scheduler.dispatch(|_| 0);
        // Where something may be done, something is.
        prop_assert_eq!(next.is_some(), has_room && !ready.is_empty());
        let Some(next) = next else { return Ok(()) };
        // Of one subject the first only, and only one at a time.
        prop_assert!(ready.contains(&next.item), "{:?} of {ready:?}", next.item);
        let of = |is_root: bool| ready.iter().any(|work| (work.1 == 0) == is_root);
        if self.is_dampened && of(true) && of(false) {
            let is_root = next.item.1 == 0;
            prop_assert_eq!(is_root, self.roots_in_a_row + 1 < TURNS);
        }
        let is_root = next.item.1 == 0;
        self.roots_in_a_row = if is_root && of(false) {
            self.roots_in_a_row + 1
        } else {
            0
        };
        let at = self.waiting.iter().position(|work| *work == next.item);
        self.waiting.remove(at.unwrap());
        self.under_way.push(next);
        Ok(())
    }
}

proptest! {
    /// Whatever is switched when: work is conserved, the order within a
    /// subject is kept, and who is dampened does root events first, and
    /// follow-ups every eighth time.
    #[test]
    fn dampening_keeps_order_and_conserves_work(steps in steps()) {
        let mut model = Model::new();
        for (number, step) in steps.iter().enumerate() {
            model.step(step, number)?;
        }
        while !model.waiting.is_empty() || !model.under_way.is_empty() {
            model.step(&Step::Dispatch, 0)?;
            model.step(&Step::Finish { which: 0, again: false }, 0)?;
        }
        prop_assert_eq!(model.scheduler.held(&model.acme), 0);
        prop_assert_eq!(model.scheduler.ready(), 0);
    }
}
