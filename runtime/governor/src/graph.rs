//! The graph of a tenant's rules: who can set off whom, known before anything
//! runs.
//!
//! A rule's manifest declares which events trigger it, which it emits and
//! which actions it asks for, and the declaration is enforced. A tenant
//! declares which event types an action comes back as. So one rule can set
//! off another only if the graph has an edge there, and every loop of rules
//! is a cycle of the graph. The reverse does not hold: a cycle may end on its
//! own, because a counter falls or a state changes.

mod components;
mod cycles;
mod declared;
mod growing;
mod index;
mod johnson;
mod pattern;
mod search;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use ringfence_model::{Manifest, Mode, RuleName, VersionId};

use crate::ActiveRule;
use components::components;
pub use cycles::{Cycle, Cycles, Hop};
use declared::Declared;
pub use declared::Way;
use index::{Row, Triggers};
use search::{Cut, Steps};

/// Edges that are kept: more than 400 rules of which each sets off each.
const EDGES_MAX: usize = 200_000;
/// Steps that finding the edges may take. Whatever 200 rules declare and
/// `causes` says, it is fewer: at most 64 emitted and 8,192 caused types, each
/// within 255 nested prefixes, and some 100 matches for each pair of rules.
const BUILD_STEPS_MAX: u64 = 20_000_000;

/// The event types that each action comes back as.
pub type Causes = BTreeMap<String, Vec<String>>;

/// What the graph knows of a rule in force.
#[derive(Debug, Clone)]
pub struct GraphRule {
    /// Its name.
    pub rule: RuleName,
    /// The version in force.
    pub version: VersionId,
    /// A rule in shadow is set off, and sets nothing off.
    pub mode: Mode,
    /// What the version declares.
    pub manifest: Arc<Manifest>,
}

impl From<&ActiveRule> for GraphRule {
    fn from(active: &ActiveRule) -> Self {
        Self {
            rule: active.activation.rule.clone(),
            version: active.activation.version,
            mode: active.activation.mode,
            manifest: Arc::clone(&active.manifest),
        }
    }
}

/// Which of a tenant's rules can set off which. Rules have numbers, in the
/// order of their names.
#[derive(Debug)]
pub struct RuleGraph {
    rules: Vec<GraphRule>,
    declared: Vec<Declared>,
    causes: Causes,
    /// Who is set off by each rule, itself left out.
    links: Vec<Vec<u32>>,
    /// Whether a rule sets itself off.
    own: Vec<bool>,
    /// The rules that can all set each other off, where there are several.
    components: Vec<Vec<u32>>,
    /// The component of each rule; none if it is in no cycle but its own.
    component_of: Vec<Option<u32>>,
    complete: bool,
}

impl RuleGraph {
    /// Of these rules, each of another name.
    pub fn new(mut rules: Vec<GraphRule>, causes: &Causes) -> Self {
        rules.sort_by(|a, b| a.rule.cmp(&b.rule));
        let declared: Vec<Declared> = rules.iter().map(Declared::of).collect();
        let mut steps = Steps(BUILD_STEPS_MAX);
        let mut links = Vec::with_capacity(rules.len());
        let complete = link(&declared, causes, &mut links, &mut steps).is_ok();
        links.resize(rules.len(), Vec::new());
        let mut own = vec![false; rules.len()];
        for (rule, (to, own)) in (0_u32..).zip(links.iter_mut().zip(&mut own)) {
            let others = to.len();
            to.retain(|to| *to != rule);
            *own = to.len() < others;
        }
        // At most one step per rule and edge, of which there are not so many.
        let all: Vec<u32> = (0_u32..).take(rules.len()).collect();
        let components = components(&links, &all, &mut Steps(u64::MAX)).unwrap_or_default();
        let mut component_of = vec![None; rules.len()];
        for (number, component) in (0_u32..).zip(&components) {
            for rule in component {
                component_of[*rule as usize] = Some(number);
            }
        }
        Self {
            rules,
            declared,
            causes: causes.clone(),
            links,
            own,
            components,
            component_of,
            complete,
        }
    }

    /// The rules, by name.
    pub fn rules(&self) -> &[GraphRule] {
        &self.rules
    }

    /// The number of the rule with this name.
    pub fn number(&self, name: &RuleName) -> Option<u32> {
        let at = self.rules.binary_search_by(|rule| rule.rule.cmp(name));
        at.ok().and_then(|at| u32::try_from(at).ok())
    }

    /// Whether all edges are known. They are for 200 rules whatever these
    /// declare, and for more unless there are more than 200,000 edges, or as
    /// many patterns that overlap.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Which rule can set off which, by number, in order.
    pub fn edges(&self) -> impl Iterator<Item = (u32, u32)> {
        (0_u32..).zip(&self.links).flat_map(|(from, links)| {
            let own = self.own[from as usize].then_some(from);
            let (before, after) = links.split_at(links.partition_point(|to| *to < from));
            let to = before
                .iter()
                .copied()
                .chain(own)
                .chain(after.iter().copied());
            to.map(move |to| (from, to))
        })
    }

    /// The ways along an edge, by emitted events first, at most so many.
    pub fn ways(&self, from: u32, to: u32, most: usize) -> Vec<Way> {
        let (from, to) = (&self.declared[from as usize], &self.declared[to as usize]);
        let mut ways: Vec<Way> = Vec::new();
        for way in from.ways(to, &self.causes) {
            if ways.len() == most {
                break;
            }
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        ways
    }

    /// Whether an edge is part of a cycle.
    pub fn is_cyclic(&self, from: u32, to: u32) -> bool {
        let of = |rule: u32| self.component_of[rule as usize];
        from == to || (of(from).is_some() && of(from) == of(to))
    }
}

/// Adds for each rule those that it sets off.
fn link(
    declared: &[Declared],
    causes: &Causes,
    links: &mut Vec<Vec<u32>>,
    steps: &mut Steps,
) -> Result<(), Cut> {
    let triggers = Triggers::new(declared);
    let mut by_action = BTreeMap::new();
    for (action, events) in causes {
        let mut row = Row::new(declared.len());
        for event in events {
            triggers.triggered(event, &mut row, steps)?;
        }
        by_action.insert(action.clone(), row);
    }
    let mut edges = 0;
    for rule in declared {
        let mut row = Row::new(declared.len());
        for emitted in &rule.emits {
            triggers.triggered(emitted, &mut row, steps)?;
        }
        for (_, caused) in rule.acts(&by_action) {
            steps.take(1 + row.words())?;
            row.add(caused);
        }
        let to: Vec<u32> = row.rules().collect();
        edges += to.len();
        if edges > EDGES_MAX {
            return Err(Cut);
        }
        links.push(to);
    }
    Ok(())
}
