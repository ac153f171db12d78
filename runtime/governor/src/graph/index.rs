//! Who is triggered by what, without asking every rule.

use std::collections::BTreeMap;

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
    /// Types without `*`, and the rules that name them, in order.
    exact: Vec<(&'a str, Vec<u32>)>,
    /// Types before their `*`, and the rules that name them, in order.
    prefixes: Vec<(&'a str, Vec<u32>)>,
    /// For each prefix the longest other one that it begins with.
    shorter: Vec<Option<usize>>,
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
        let prefixes: Vec<(&str, Vec<u32>)> = prefixes.into_iter().collect();
        let mut shorter = Vec::with_capacity(prefixes.len());
        let mut open: Vec<usize> = Vec::new();
        for (at, (prefix, _)) in prefixes.iter().enumerate() {
            while open
                .pop_if(|last| !prefix.starts_with(prefixes[*last].0))
                .is_some()
            {}
            shorter.push(open.last().copied());
            open.push(at);
        }
        Self {
            exact: exact.into_iter().collect(),
            prefixes,
            shorter,
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
        // What the name begins with does not come after it, and what lies
        // between begins with it, too.
        let after = self.prefixes.partition_point(|(prefix, _)| *prefix <= name);
        let mut before = after.checked_sub(1);
        while let Some(at) = before {
            let (prefix, rules) = &self.prefixes[at];
            add(if name.starts_with(prefix) { rules } else { &[] })?;
            before = self.shorter[at];
        }
        let from = self.exact.partition_point(|(exact, _)| *exact < name);
        if name.len() == pattern.len() {
            let found = self.exact.get(from).filter(|(exact, _)| *exact == name);
            return found.map_or(Ok(()), |(_, rules)| add(rules));
        }
        for within in [&self.exact[from..], &self.prefixes[after..]] {
            let within = within
                .iter()
                .take_while(|(other, _)| other.starts_with(name));
            for (_, rules) in within {
                add(rules)?;
            }
        }
        Ok(())
    }
}
