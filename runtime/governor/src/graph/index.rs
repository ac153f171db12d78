//! Who is triggered by what, without asking every rule.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::declared::Declared;
use super::pattern::stem;
use super::search::{Cut, Steps};

/// A set of rules, by number.
#[derive(Debug, Clone)]
pub(super) struct Row(Vec<u64>);

impl Row {
    pub(super) fn new(rules: usize) -> Self {
        Self(vec![0; rules.div_ceil(64)])
    }

    fn insert(&mut self, rule: u32) {
        self.0[rule as usize / 64] |= 1 << (rule % 64);
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own |= other;
        }
    }

    pub(super) fn words(&self) -> usize {
        self.0.len()
    }

    /// The rules in it, in order.
    pub(super) fn rules(&self) -> impl Iterator<Item = u32> {
        let words = self.0.iter().zip(0_u32..);
        words.flat_map(|(word, at)| {
            let bits = (0..64).filter(move |bit| word & (1 << bit) != 0);
            bits.map(move |bit| at * 64 + bit)
        })
    }
}

/// The triggers of all rules.
pub(super) struct Triggers<'a> {
    /// Types without `*`, and the rules that name them.
    exact: BTreeMap<&'a str, Vec<u32>>,
    /// Types before their `*`, and the rules that name them.
    prefixes: BTreeMap<&'a str, Vec<u32>>,
    /// The lengths that these have, in bytes.
    lengths: Vec<usize>,
}

impl<'a> Triggers<'a> {
    pub(super) fn new(rules: &'a [Declared]) -> Self {
        let (mut exact, mut prefixes) = (BTreeMap::new(), BTreeMap::new());
        for (rule, declared) in (0_u32..).zip(rules) {
            for trigger in &declared.triggers {
                let is_exact = stem(trigger).len() == trigger.len();
                let named: &mut BTreeMap<_, Vec<u32>> = match is_exact {
                    true => &mut exact,
                    false => &mut prefixes,
                };
                named.entry(stem(trigger)).or_default().push(rule);
            }
        }
        let mut lengths: Vec<usize> = prefixes.keys().map(|prefix| prefix.len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        Self {
            exact,
            prefixes,
            lengths,
        }
    }

    /// Adds the rules that something with a name of this pattern triggers.
    pub(super) fn triggered(
        &self,
        pattern: &str,
        row: &mut Row,
        steps: &mut Steps,
    ) -> Result<(), Cut> {
        let name = stem(pattern);
        let mut add = |rules: &[u32]| {
            rules.iter().for_each(|rule| row.insert(*rule));
            steps.take(1 + rules.len())
        };
        for length in self
            .lengths
            .iter()
            .take_while(|length| **length <= name.len())
        {
            let prefix = name.get(..*length);
            let rules = prefix.and_then(|prefix| self.prefixes.get(prefix));
            add(rules.map_or(&[], Vec::as_slice))?;
        }
        if name.len() == pattern.len() {
            return add(self.exact.get(name).map_or(&[], Vec::as_slice));
        }
        for named in [&self.exact, &self.prefixes] {
            let from = (Bound::Included(name), Bound::Unbounded);
            let within = named.range::<str, _>(from);
            for (_, rules) in within.take_while(|(other, _)| other.starts_with(name)) {
                add(rules)?;
            }
        }
        Ok(())
    }
}
