//! Tenants share one way, and nobody waits behind all that another has on it.

use std::collections::{HashMap, VecDeque};

use ringfence_model::TenantId;

/// Things that wait for something that is done one after the other. Each
/// tenant's stay in their order; tenants take turns, one thing each (round
/// robin), so that what a tenant brings is behind at most one thing of each
/// other, and behind its own. For things that cost about the same.
///
/// It keeps tenants only as long as something of theirs waits; how much waits
/// is for the caller to bound.
#[derive(Debug)]
pub struct RoundRobin<T> {
    lines: HashMap<TenantId, VecDeque<T>>,
    /// Tenants of which something waits, in the order of their turns.
    order: VecDeque<TenantId>,
    len: usize,
}

impl<T> Default for RoundRobin<T> {
    fn default() -> Self {
        Self {
            lines: HashMap::new(),
            order: VecDeque::new(),
            len: 0,
        }
    }
}

impl<T> RoundRobin<T> {
    /// How many things wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds something, behind all that waits of its tenant.
    pub fn push(&mut self, tenant: &TenantId, item: T) {
        self.len += 1;
        if let Some(line) = self.lines.get_mut(tenant) {
            line.push_back(item);
            return;
        }
        self.order.push_back(tenant.clone());
        self.lines.insert(tenant.clone(), VecDeque::from([item]));
    }

    /// Takes the first thing of the tenant whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let tenant = self.order.pop_front()?;
        let line = self.lines.get_mut(&tenant)?;
        let item = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&tenant);
        } else {
            self.order.push_back(tenant);
        }
        self.len -= usize::from(item.is_some());
        item
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tenant(number: u8) -> TenantId {
        format!("t{number}").parse().unwrap()
    }

    #[test]
    fn tenants_take_turns() {
        let mut turns = RoundRobin::default();
        for (tenant_of, item) in [
            (0, "a1"),
            (0, "a2"),
            (0, "a3"),
            (1, "b1"),
            (2, "c1"),
            (1, "b2"),
        ] {
            turns.push(&tenant(tenant_of), item);
        }
        assert_eq!(turns.len(), 6);
        let taken: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(taken, ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert!(turns.is_empty() && turns.lines.is_empty() && turns.order.is_empty());
    }

    proptest! {
        /// Whatever comes when: nothing is lost, each tenant's things come in
        /// their order, and before a tenant's first thing at most one of each
        /// other tenant is taken.
        #[test]
        fn nobody_waits_for_more_than_one_of_each(
            steps in prop::collection::vec(prop::option::of(0_u8..6), 1..300)
        ) {
            let mut turns = RoundRobin::default();
            let mut sent = [0_u32; 6];
            let mut taken = [0_u32; 6];
            // Of each tenant, what was taken of each other since its first
            // thing became the first.
            let mut ahead = [[0_u32; 6]; 6];
            let ends = std::iter::repeat_n(None, steps.len());
            for step in steps.into_iter().chain(ends) {
                if let Some(number) = step {
                    let at = usize::from(number);
                    turns.push(&tenant(number), (at, sent[at]));
                    sent[at] += 1;
                    continue;
                }
                let left: u32 = sent.iter().sum::<u32>() - taken.iter().sum::<u32>();
                prop_assert_eq!(turns.len(), left as usize);
                let Some((at, number)) = turns.pop() else {
                    prop_assert_eq!(left, 0);
                    continue;
                };
                prop_assert_eq!(number, taken[at]);
                taken[at] += 1;
                ahead[at] = [0; 6];
                for (other, ahead) in ahead.iter_mut().enumerate() {
                    if other != at && sent[other] > taken[other] {
                        ahead[at] += 1;
                        prop_assert!(ahead[at] <= 1);
                    }
                }
            }
            prop_assert_eq!(sent, taken);
        }
    }
}
