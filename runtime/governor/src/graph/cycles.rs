//! Cycles of rules, found within bounds, and drawn.

use std::fmt;

use ringfence_model::{RuleName, excerpt};

use super::growing::{Root, growing};
use super::search::{Cut, Found};
use super::{RuleGraph, johnson};

/// Cycles that are listed.
const CYCLES_MAX: usize = 100;
/// Rules in all listed cycles together, beyond the first cycle's.
const HOPS_MAX: usize = 1_000;
/// Steps of either search. One step is a few nanoseconds. As many are enough
/// to find a first cycle in the largest graph that is kept.
const STEPS_MAX: u64 = 1_000_000;
/// Rules that are drawn of one cycle.
const DRAWN_MAX: usize = 20;
/// Bytes that are drawn of one event type or action.
const NAME_BYTES_MAX: usize = 80;

/// One rule of a cycle, and how it leads to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The rule.
    pub rule: RuleName,
    /// The event type, or the pattern of types, that leads to the next rule;
    /// the first, where there are several.
    pub event: String,
    /// The action that comes back as this event; none if the rule emits it.
    pub action: Option<String>,
}

/// Rules of which each can set off the next, and the last the first; each
/// rule is there once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle(pub Vec<Hop>);

/// Cycles, the shortest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cycles {
    /// At most 100, and together at most 1,000 rules beyond the first.
    pub list: Vec<Cycle>,
    /// Whether there may be more.
    pub truncated: bool,
}

/// As a path: the first rule, the event that leads to the second, and so on
/// back to the first. Of long cycles the middle is left out.
impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hops = &self.0;
        let skipped = match hops.len() > DRAWN_MAX {
            true => DRAWN_MAX - 1..hops.len() - 1,
            false => 0..0,
        };
        for (index, hop) in hops.iter().enumerate() {
            if skipped.contains(&index) {
                if index == skipped.start {
                    write!(f, "… {} more rules … → ", skipped.len())?;
                }
                continue;
            }
            write!(f, "{} → ", hop.rule)?;
            if let Some(action) = &hop.action {
                write!(f, "{} (act) → ", excerpt(action, NAME_BYTES_MAX))?;
            }
            write!(f, "{} → ", excerpt(&hop.event, NAME_BYTES_MAX))?;
        }
        match hops.first() {
            Some(first) => write!(f, "{}", first.rule),
            None => Ok(()),
        }
    }
}

impl RuleGraph {
    /// All cycles, each from the rule on whose name is first.
    ///
    /// They are found with Johnson's algorithm. If there are more than 100, or
    /// if it takes too many steps, those with the fewest rules are looked for
    /// instead, because they say most to people. Either way, if there is a
    /// cycle, one is listed.
    pub fn cycles(&self) -> Cycles {
        let own = (0_u32..).zip(&self.own).filter(|(_, own)| **own);
        let own: Vec<Vec<u32>> = own.map(|(rule, _)| vec![rule]).collect();
        let sorted = self.components.iter().map(|component| {
            let mut sorted = component.clone();
            sorted.sort_unstable();
            sorted
        });
        let sorted: Vec<Vec<u32>> = sorted.collect();
        // A cycle is found from its first rule, through later ones.
        let from_each = sorted.iter().flat_map(|component| {
            (0..component.len()).map(|first| Root {
                rule: component[first],
                within: &component[first..],
            })
        });
        let mut roots: Vec<Root<'_>> = from_each.collect();
        roots.sort_by_key(|root| root.rule);
        let all = |found: &mut Found| johnson::all(&self.links, self.components.clone(), found);
        self.search(own, all, &roots)
    }

    /// All cycles through one rule, each from this rule on; found as all are.
    pub fn cycles_through(&self, name: &RuleName) -> Cycles {
        let Some(rule) = self.number(name) else {
            return Cycles::default();
        };
        let own = self.own[rule as usize].then(|| vec![rule]);
        let component = self.component_of[rule as usize];
        let component = component.and_then(|number| self.components.get(number as usize));
        let within = component.map_or(&[][..], Vec::as_slice);
        let through = |found: &mut Found| match within {
            [] => Ok(()),
            within => johnson::through(&self.links, rule, within, found),
        };
        let own = own.into_iter().collect();
        self.search(own, through, &[Root { rule, within }])
    }

    fn search(
        &self,
        own: Vec<Vec<u32>>,
        all: impl FnOnce(&mut Found) -> Result<(), Cut>,
        roots: &[Root<'_>],
    ) -> Cycles {
        let most = CYCLES_MAX.saturating_sub(own.len());
        let mut found = Found::new(most, STEPS_MAX);
        let mut cut = own.len() > CYCLES_MAX;
        let mut cycles = own;
        if all(&mut found).is_err() {
            let mut short = Found::new(most, STEPS_MAX);
            cut |= growing(&self.links, roots, &mut short).is_err();
            cycles.extend(short.cycles);
        }
        // What was found first counts where the second search was cut.
        cycles.extend(found.cycles);
        cycles.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        cycles.dedup();
        let kept = self.kept(&cycles);
        Cycles {
            truncated: cut || kept < cycles.len() || !self.complete,
            list: cycles[..kept]
                .iter()
                .map(|cycle| self.cycle(cycle))
                .collect(),
        }
    }

    /// How many of these cycles there is room for.
    fn kept(&self, cycles: &[Vec<u32>]) -> usize {
        let mut hops = 0;
        let fits = cycles.iter().take(CYCLES_MAX).skip(1).take_while(|cycle| {
            hops += cycle.len();
            hops <= HOPS_MAX
        });
        fits.count() + usize::from(!cycles.is_empty())
    }

    fn cycle(&self, rules: &[u32]) -> Cycle {
        let next = rules.iter().cycle().skip(1);
        let hops = rules.iter().zip(next).flat_map(|(from, to)| {
            let way = self.ways(*from, *to, 1).pop();
            way.map(|way| Hop {
                rule: self.rules[*from as usize].rule.clone(),
                event: way.event,
                action: way.action,
            })
        });
        Cycle(hops.collect())
    }
}
