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

#[test]
fn root_events_go_first_and_follow_ups_get_one_turn_of_eight() {
    let mut list = ReadyList::default();
    for at in 0..20 {
        list.push_back(u32::from(at % 2 == 0), at);
    }
    let take = |list: &mut ReadyList<i32>, count: usize| -> Vec<i32> {
        (0..count)
            .filter_map(|_| {
                let front = list.front().copied();
                let (depth, taken) = list.pop_front()?;
                assert_eq!((front, depth), (Some(taken), u32::from(taken % 2 == 0)));
                Some(taken)
            })
            .collect()
    };
    assert_eq!(take(&mut list, 2), [0, 1], "as they came");
    list.set_dampened(true);
    assert_eq!(take(&mut list, 9), [3, 5, 7, 9, 11, 13, 15, 2, 17]);
    list.push_front(1, 22);
    list.push_front(0, 21);
    assert_eq!(
        take(&mut list, 4),
        [21, 19, 22, 4],
        "each the first of its kind"
    );
    list.set_dampened(false);
    list.push_back(0, 23);
    assert_eq!(take(&mut list, 99), [6, 8, 10, 12, 14, 16, 18, 23]);
    assert!(list.is_empty());
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
                let pushed = self
                    .scheduler
                    .push_at(&self.acme, SUBJECTS[*subject], *depth, work);
                prop_assert_eq!(pushed, Ok(()));
            }
            Step::Dispatch => self.dispatch()?,
            Step::Finish { which, again } if !self.under_way.is_empty() => {
                let which = which % self.under_way.len();
                let Dispatch { item, mut ticket } = self.under_way.swap_remove(which);
                self.scheduler.ran(&mut ticket, 1_000, 0);
                if *again {
                    self.waiting.insert(0, item);
                    self.begun.push(item.2);
                }
                self.scheduler.release(ticket, again.then_some(item));
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
