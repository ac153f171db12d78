//! Whose request is next, among tenants that may send as many as they like.
//!
//! Self-clocked fair queueing (Golestani, "A Self-Clocked Fair Queueing Scheme
//! for Broadband Applications", INFOCOM 1994), without weights. A request has a
//! finish tag: its cost after its tenant's last tag, or after virtual time if
//! that is later. The least tag is next, and is then what virtual time is. So
//! who sends a little comes before the rest of what others have sent, whoever
//! has always something waiting has as much as others, and nobody starves.

use std::collections::{BTreeMap, HashMap};

use ringfence_model::TenantId;

/// Requests that wait, each tenant's in the order in which they came.
pub(super) struct Turns<R> {
    /// By tag, and then in the order of arrival. A tenant's tags do not
    /// decrease, so this is its own order, too.
    waiting: BTreeMap<(u64, u64), Waits<R>>,
    /// Those for whom something waits. Others' last tags do not matter: a
    /// tenant's last request that is taken sets virtual time to its tag.
    tenants: HashMap<TenantId, Last>,
    /// The tag of the latest request taken. It begins anew when nothing waits,
    /// so it is at most the cost of what was sent since then: at a million a
    /// second it takes half a million years to be too large. Even then sums
    /// saturate: tags are equal and the order of arrival is left.
    virtual_time: u64,
    /// How many have come since nothing waited.
    arrivals: u64,
}

struct Waits<R> {
    tenant: TenantId,
    cost: u32,
    request: R,
}

/// Where a tenant stands.
#[derive(Default)]
struct Last {
    tag: u64,
    waiting: usize,
}

impl<R> Default for Turns<R> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            tenants: HashMap::new(),
            virtual_time: 0,
            arrivals: 0,
        }
    }
}

impl<R> Turns<R> {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, tenant: TenantId, cost: u32, request: R) {
        let last = self.tenants.entry(tenant.clone()).or_default();
        last.tag = last.tag.max(self.virtual_time).saturating_add(cost.into());
        last.waiting += 1;
        let place = (last.tag, self.arrivals);
        self.arrivals += 1;
        let waits = Waits {
            tenant,
            cost,
            request,
        };
        self.waiting.insert(place, waits);
    }

    /// What the next one costs.
    pub(super) fn next_cost(&self) -> Option<u32> {
        let (_, next) = self.waiting.first_key_value()?;
        Some(next.cost)
    }

    /// Takes the next one.
    pub(super) fn next(&mut self) -> Option<R> {
        let ((tag, _), next) = self.waiting.pop_first()?;
        self.virtual_time = tag;
        if let Some(last) = self.tenants.get_mut(&next.tenant) {
            last.waiting -= 1;
            if last.waiting == 0 {
                self.tenants.remove(&next.tenant);
            }
        }
        if self.waiting.is_empty() {
            (self.virtual_time, self.arrivals) = (0, 0);
        }
        Some(next.request)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const COST_MAX: u32 = 20;

    fn tenant(number: usize) -> TenantId {
        format!("t-{number}").parse().unwrap()
    }

    fn push(turns: &mut Turns<&'static str>, requests: &[(usize, u32, &'static str)]) {
        for &(of, cost, name) in requests {
            turns.push(tenant(of), cost, name);
        }
    }

    fn take(turns: &mut Turns<&'static str>, count: usize) -> Vec<&'static str> {
        (0..count).map_while(|_| turns.next()).collect()
    }

    #[test]
    fn who_sends_one_comes_before_the_rest_of_anothers() {
        let mut turns = Turns::default();
        push(&mut turns, &[(0, 10, "a"), (0, 10, "b"), (0, 10, "c")]);
        assert_eq!(take(&mut turns, 1), ["a"]);
        push(&mut turns, &[(1, 1, "x"), (2, 10, "y"), (2, 1, "z")]);
        assert_eq!(turns.next_cost(), Some(1));
        // Of equal tags who came first is first.
        assert_eq!(take(&mut turns, 9), ["x", "b", "y", "z", "c"]);
        assert_eq!((turns.next_cost(), turns.is_empty()), (None, true));
    }

    #[test]
    fn what_was_not_used_is_not_kept() {
        let mut turns = Turns::default();
        push(
            &mut turns,
            &[(0, 5, "a"), (0, 5, "b"), (0, 5, "c"), (0, 5, "d")],
        );
        assert_eq!(take(&mut turns, 2), ["a", "b"]);
        // Who has sent nothing until now has turns, not what others had.
        push(&mut turns, &[(1, 5, "w"), (1, 5, "x"), (1, 5, "y")]);
        assert_eq!(take(&mut turns, 9), ["c", "w", "d", "x", "y"]);
    }

    #[test]
    fn tags_that_are_too_large_leave_the_order_of_arrival() {
        let mut turns = Turns {
            virtual_time: u64::MAX - 5,
            ..Turns::default()
        };
        push(
            &mut turns,
            &[
                (0, 9, "a"),
                (0, 9, "b"),
                (1, 9, "x"),
                (0, 9, "c"),
                (1, 1, "y"),
            ],
        );
        assert_eq!(take(&mut turns, 9), ["a", "b", "x", "c", "y"]);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push { of: usize, cost: u32 },
        Next,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let push = (0usize..5, 0..=COST_MAX).prop_map(|(of, cost)| Step::Push { of, cost });
        prop::collection::vec(prop_oneof![3 => push, 2 => Just(Step::Next)], 0..200)
    }

    /// What must be true of one that waits.
    struct Sent {
        id: usize,
        cost: u32,
        /// Whether it had nothing of its tenant before it.
        is_first: bool,
        /// What each tenant was served since it came.
        served: [u32; 5],
    }

    proptest! {
        /// Each tenant's come in their order, none is lost, something is
        /// served if anything waits, and no more is remembered than waits.
        /// And nobody starves: who has nothing waiting waits for no more of
        /// each other tenant's than its own cost and one request.
        #[test]
        fn all_that_is_sent_has_its_turn(steps in steps()) {
            let mut turns = Turns::default();
            let mut sent: [VecDeque<Sent>; 5] = Default::default();
            let drained = std::iter::repeat_n(Step::Next, steps.len());
            for (id, step) in steps.iter().cloned().chain(drained).enumerate() {
                match step {
                    Step::Push { of, cost } => {
                        turns.push(tenant(of), cost, (of, id));
                        let is_first = sent[of].is_empty();
                        sent[of].push_back(Sent { id, cost, is_first, served: [0; 5] });
                    }
                    Step::Next => {
                        let waits = sent.iter().any(|sent| !sent.is_empty());
                        let cost = turns.next_cost();
                        let Some((of, id)) = turns.next() else {
                            prop_assert!(!waits && cost.is_none());
                            continue;
                        };
                        let one = sent[of].pop_front().unwrap();
                        prop_assert_eq!((one.id, Some(one.cost)), (id, cost));
                        for (other, served) in one.served.into_iter().enumerate() {
                            prop_assert!(!one.is_first || other == of || served <= one.cost + COST_MAX);
                        }
                        for one in sent.iter_mut().flatten() {
                            one.served[of] += cost.unwrap();
                        }
                    }
                }
                let tenants = sent.iter().filter(|sent| !sent.is_empty()).count();
                let waiting: usize = sent.iter().map(VecDeque::len).sum();
                prop_assert_eq!((turns.tenants.len(), turns.waiting.len()), (tenants, waiting));
                prop_assert_eq!(turns.is_empty(), waiting == 0);
                prop_assert!(waiting > 0 || (turns.virtual_time, turns.arrivals) == (0, 0));
            }
            prop_assert!(turns.is_empty());
        }

        /// From any moment to any other, two that have always something
        /// waiting are served as much but for the sum of their two largest
        /// (Golestani's bound), whatever a third one sends.
        #[test]
        fn who_has_always_something_waiting_has_an_equal_share(
            costs in prop::array::uniform2(prop::collection::vec(1..=COST_MAX, 20..60)),
            third in prop::collection::vec(prop::option::of(0..=COST_MAX), 0..40),
        ) {
            let mut turns = Turns::default();
            for (of, costs) in costs.iter().enumerate() {
                for cost in costs {
                    turns.push(tenant(of), *cost, Some(of));
                }
            }
            let mut left = costs.each_ref().map(Vec::len);
            let (mut ahead, mut least, mut most) = (0i64, 0i64, 0i64);
            let mut third = third.into_iter();
            while left.iter().all(|left| *left > 0) {
                if let Some(cost) = third.next().flatten() {
                    turns.push(tenant(2), cost, None);
                }
                let cost = i64::from(turns.next_cost().unwrap());
                let Some(of) = turns.next().unwrap() else {
                    continue;
                };
                left[of] -= 1;
                ahead += if of == 0 { cost } else { -cost };
                (least, most) = (least.min(ahead), most.max(ahead));
            }
            let largest = costs.iter().map(|costs| i64::from(*costs.iter().max().unwrap()));
            prop_assert!(most - least <= largest.sum());
        }
    }
}
