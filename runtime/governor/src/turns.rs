//! Whose turn it is among tenants: those whose work may be dispatched, by the
//! tags of start-time fair queueing.
//!
//! The start tag of a tenant's next piece of work is where the tenant's virtual
//! time stands, its finish tag where it will stand when the piece is charged.
//! Taking the least start tag is start-time fair queueing; taking the least
//! finish tag prefers small work. A worker's stagger says how much of its cost
//! counts: from nothing, for the first, to all of it, for the last. So large
//! work comes to the first workers, which take it when its tenant's turn comes,
//! while the last pass it over as long as there is small work that is not
//! further ahead than the large is large. This is after 2DFQ (Mace et al.,
//! 2016), which staggers the moment from which a worker may take work.
//!
//! So that a decision costs the same for any number of workers, tenants are
//! kept in classes by what their next piece costs, within a factor of two. Of
//! each class only who has the least start tag is looked at. Who has little to do
//! is in classes of its own, so that it can be preferred.

use std::collections::BTreeMap;

/// Classes of costs, by powers of two; the first and the last hold the rest.
const CLASSES: usize = 48;

/// The first class ends at this power of two: what a run costs at least, over a
/// weight of a thousand.
const FIRST: u32 = 18;

/// Where a tenant stands with its next piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The start tag, in fuel over weight.
    pub(crate) start: u128,
    /// What the piece is expected to be charged, in fuel over weight.
    pub(crate) cost: u128,
    /// Whether it is small enough for the express lane.
    pub(crate) is_cheap: bool,
    /// Whether the tenant has little to do.
    pub(crate) is_brief: bool,
}

impl Place {
    pub(crate) fn class(&self) -> usize {
        let power = (u128::BITS - self.cost.leading_zeros()).saturating_sub(FIRST);
        let class = (power as usize).min(CLASSES - 1);
        class + if self.is_cheap { 0 } else { CLASSES }
    }

    fn kind(&self) -> usize {
        usize::from(self.is_brief)
    }

    /// Whether it may be in the place of the other: the same kind of work, and
    /// not in another class than the next.
    pub(crate) fn is_near(&self, other: &Self) -> bool {
        self.is_cheap == other.is_cheap && self.class().abs_diff(other.class()) <= 1
    }
}

/// How much of a piece's cost counts for a worker: this part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stagger {
    pub(crate) part: u32,
    pub(crate) of: u32,
}

impl Stagger {
    pub(crate) const START: Self = Self { part: 0, of: 1 };
    pub(crate) const FINISH: Self = Self { part: 1, of: 1 };
}

/// Who has the least tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) tag: u128,
    pub(crate) at: usize,
    /// The least start tag of all who were looked at.
    pub(crate) least_start: u128,
}

/// What waits for a worker, by its tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waits {
    pub(crate) start: u128,
    pub(crate) finish: u128,
}

/// Tenants whose next piece of work costs about the same.
#[derive(Debug, Clone, Default)]
struct Class {
    /// By start tag and tenant: what the piece costs.
    costs: BTreeMap<(u128, usize), u128>,
    /// Who is first, so that a decision need not look for it.
    first: Option<((u128, usize), u128)>,
}

impl Class {
    fn insert(&mut self, key: (u128, usize), cost: u128) {
        self.costs.insert(key, cost);
        if self.first.is_none_or(|first| key < first.0) {
            self.first = Some((key, cost));
        }
    }

    fn remove(&mut self, key: (u128, usize)) {
        self.costs.remove(&key);
        if self.first.is_some_and(|first| key == first.0) {
            let first = self.costs.first_key_value();
            self.first = first.map(|(key, cost)| (*key, *cost));
        }
    }
}

/// Of whom work may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    All,
    /// Who has little to do.
    Brief,
}

/// Who has the least tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Next {
    /// Of all.
    pub(crate) all: Turn,
    /// Of those with little to do, if there are any.
    pub(crate) brief: Option<Turn>,
}

/// The classes of those of one kind: with much to do, or with little.
#[derive(Debug)]
struct Kind {
    classes: Vec<Class>,
    /// A bit for each class that has somebody.
    occupied: u128,
}

impl Default for Kind {
    fn default() -> Self {
        Self {
            classes: vec![Class::default(); 2 * CLASSES],
            occupied: 0,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// By [`Place::kind`].
    kinds: [Kind; 2],
}

/// The classes of cheap work.
const CHEAP: u128 = (1 << CLASSES) - 1;

impl Turns {
    pub(crate) fn is_empty(&self) -> bool {
        self.kinds.iter().all(|kind| kind.occupied == 0)
    }

    /// Whether anybody has cheap work.
    pub(crate) fn has_cheap(&self) -> bool {
        self.kinds.iter().any(|kind| kind.occupied & CHEAP != 0)
    }

    pub(crate) fn insert(&mut self, at: usize, place: Place) {
        let (class, kind) = (place.class(), &mut self.kinds[place.kind()]);
        kind.classes[class].insert((place.start, at), place.cost);
        kind.occupied |= 1 << class;
    }

    pub(crate) fn remove(&mut self, at: usize, place: Place) {
        let (class, kind) = (place.class(), &mut self.kinds[place.kind()]);
        kind.classes[class].remove((place.start, at));
        if kind.classes[class].first.is_none() {
            kind.occupied &= !(1 << class);
        }
    }

    /// Whose turn it is for a worker.
    pub(crate) fn next(&self, stagger: Stagger) -> Option<Next> {
        self.least(u128::MAX, stagger)
    }

    /// Whose turn it is of those with cheap work, by finish tag.
    pub(crate) fn next_cheap(&self) -> Option<Next> {
        self.least(CHEAP, Stagger::FINISH)
    }

    /// The least tags of those whose work is not cheap.
    pub(crate) fn next_large(&self) -> Option<Waits> {
        let least = self.least(!CHEAP, Stagger::FINISH)?.all;
        Some(Waits {
            start: least.least_start,
            finish: least.tag,
        })
    }

    fn least(&self, classes: u128, stagger: Stagger) -> Option<Next> {
        let [long, brief] = &self.kinds;
        let brief = brief.least(classes, stagger);
        let all = match (long.least(classes, stagger), brief) {
            (Some(long), Some(brief)) => long.or(brief),
            (long, brief) => long.or(brief)?,
        };
        Some(Next { all, brief })
    }
}

impl Turn {
    /// Of two, whose tag is less.
    fn or(self, other: Self) -> Self {
        let least_start = self.least_start.min(other.least_start);
        let (tag, at) = (self.tag, self.at).min((other.tag, other.at));
        Self {
            tag,
            at,
            least_start,
        }
    }
}

impl Kind {
    fn least(&self, classes: u128, stagger: Stagger) -> Option<Turn> {
        let mut left = self.occupied & classes;
        let mut least: Option<Turn> = None;
        while left != 0 {
            let class = left.trailing_zeros() as usize;
            left &= left - 1;
            let Some(((start, at), cost)) = self.classes[class].first else {
                continue;
            };
            let tag = start + cost * u128::from(stagger.part) / u128::from(stagger.of);
            let next = Turn {
                tag,
                at,
                least_start: start,
            };
            least = Some(least.map_or(next, |least| least.or(next)));
        }
        least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(places: &[(u128, u128, bool)]) -> Turns {
        let mut turns = Turns::default();
        for (at, &(start, cost, is_cheap)) in places.iter().enumerate() {
            let place = Place {
                start,
                cost,
                is_cheap,
                is_brief: at % 2 == 0,
            };
            turns.insert(at, place);
        }
        turns
    }

    const UNIT: u128 = 1 << 30;

    #[test]
    fn the_first_worker_takes_the_least_start_and_the_last_the_least_finish() {
        let turns = turns(&[
            (0, 100 * UNIT, false),
            (30 * UNIT, UNIT, true),
            (40 * UNIT, UNIT, true),
        ]);
        let next = |part| {
            let stagger = Stagger { part, of: 10 };
            turns.next(stagger).unwrap().all.at
        };
        assert_eq!([0, 2, 3, 4, 10].map(next), [0, 0, 0, 1, 1]);
        let next = turns.next(Stagger::FINISH).unwrap();
        assert_eq!(next.all.least_start, 0);
        // Of even ones, which have little to do.
        assert_eq!(next.brief.unwrap().at, 2);
        assert_eq!(turns.next_cheap().unwrap().all.at, 1);
        let waits = turns.next_large().unwrap();
        assert_eq!((waits.start, waits.finish), (0, 100 * UNIT));
    }

    #[test]
    fn classes_are_left_when_they_are_empty() {
        let places = [(5, 0, true), (3, u128::MAX >> 1, false), (3, UNIT, false)];
        let mut turns = turns(&places);
        for (at, (start, cost, is_cheap)) in places.into_iter().enumerate() {
            assert_eq!(turns.has_cheap(), at == 0);
            let place = Place {
                start,
                cost,
                is_cheap,
                is_brief: at % 2 == 0,
            };
            turns.remove(at, place);
        }
        assert_eq!(turns.next(Stagger::START), None);
    }

    #[test]
    fn a_class_holds_costs_within_a_factor_of_two() {
        let class = |cost| {
            let place = Place {
                start: 0,
                cost,
                is_cheap: true,
                is_brief: false,
            };
            place.class()
        };
        assert_eq!(class(0), class((1 << 18) - 1));
        for power in 18..60 {
            let cost = 1u128 << power;
            assert_eq!(class(cost), class(2 * cost - 1));
            assert_eq!(class(cost), class(cost - 1) + 1);
        }
        assert_eq!(class(u128::MAX), CLASSES - 1);
    }
}
