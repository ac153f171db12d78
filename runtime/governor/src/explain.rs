//! Explanations: who used up a cascade's budget, and along which path.

use std::collections::HashMap;

use ringfence_model::{
    CycleStep, Dimension, Evidence, ExecutionId, RuleName, RuleShare, RunSummary, grouped,
};

use crate::revisit::{counted, drawn};

/// Rules that a sentence names.
const RULES_TOLD: usize = 3;
/// Rules and steps that evidence holds.
const SHOWN: usize = 16;

/// What each rule used, the most fuel first.
pub fn shares(runs: &[RunSummary]) -> Vec<RuleShare> {
    let mut shares: HashMap<&RuleName, RuleShare> = HashMap::new();
    for run in runs {
        let share = shares.entry(&run.rule).or_insert_with(|| RuleShare {
            rule: run.rule.clone(),
            executions: 0,
            fuel: 0,
            events: 0,
            stops: 0,
        });
        share.executions += 1;
        share.fuel = share.fuel.saturating_add(run.fuel);
        share.events += run.events;
        share.stops += u64::from(run.stop.is_some());
    }
    let mut shares: Vec<RuleShare> = shares.into_values().collect();
    shares.sort_by(|one, other| {
        let order = (other.fuel, other.executions).cmp(&(one.fuel, one.executions));
        order.then_with(|| one.rule.cmp(&other.rule))
    });
    shares
}

/// What a run adds to one dimension of its cascade's ledger, itself.
fn weight(run: &RunSummary, dimension: Dimension) -> u64 {
    match dimension {
        Dimension::Fuel => run.fuel,
        Dimension::Executions | Dimension::Depth => 1,
        // Of bytes only the number of events is known.
        Dimension::Events | Dimension::Bytes => run.events,
    }
}

/// The path from the root along which most was used: at each run on into the
/// branch that used most in all, or for depth into the deepest.
fn heaviest_path(runs: &[RunSummary], dimension: Dimension) -> Vec<CycleStep> {
    let places: HashMap<ExecutionId, usize> = (0..)
        .zip(runs)
        .map(|(place, run)| (run.id, place))
        .collect();
    let parent = |run: &RunSummary| {
        let parent = run.parent.as_ref()?;
        places.get(parent).copied()
    };
    let mut totals: Vec<u64> = runs.iter().map(|run| weight(run, dimension)).collect();
    let mut next: Vec<Option<usize>> = vec![None; runs.len()];
    // The deepest first, so that a run is complete before its parent is.
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(runs[*place].depth));
    for place in order {
        let Some(above) = parent(&runs[place]).filter(|above| *above != place) else {
            continue;
        };
        let best = next[above].map_or(0, |best| totals[best]);
        let mine = totals[place];
        if next[above].is_none() || mine > best {
            next[above] = Some(place);
        }
        let own = weight(&runs[above], dimension);
        totals[above] = match dimension {
            Dimension::Depth => totals[above].max(own + mine),
            _ => totals[above].saturating_add(mine),
        };
    }
    let roots = (0..runs.len()).filter(|place| parent(&runs[*place]).is_none());
    // Of equals the first.
    let mut at = roots.rev().max_by_key(|place| totals[*place]);
    let mut path = Vec::new();
    while let Some(place) = at {
        path.push(step(&runs[place]));
        at = next[place].filter(|_| path.len() <= runs.len());
    }
    path
}

fn step(run: &RunSummary) -> CycleStep {
    CycleStep {
        rule: run.rule.clone(),
        version: run.version,
        event_type: run.event_type.clone(),
        subject: run.subject.clone(),
    }
}

/// Who used up one dimension of a cascade's budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// For people; to be put after what happened.
    pub sentence: String,
    /// For programs.
    pub evidence: Evidence,
}

/// Who used up a budget, by the runs that are known; they may be fewer than
/// the cascade's. None if none is.
pub fn who(runs: &[RunSummary], dimension: Dimension) -> Option<Who> {
    let mut shares = shares(runs);
    let mut path = heaviest_path(runs, dimension);
    if shares.is_empty() {
        return None;
    }
    let told: Vec<String> = shares
        .iter()
        .take(RULES_TOLD)
        .map(|share| {
            format!(
                "`{}` {} and {} fuel",
                share.rule,
                counted(share.executions, "execution"),
                grouped(share.fuel)
            )
        })
        .collect();
    let more = match shares.len().saturating_sub(RULES_TOLD) {
        0 => String::new(),
        more => format!(", {} the rest", counted(more as u64, "other rule")),
    };
    let sentence = format!(
        "Of it used: {}{more}. Most went along {}.",
        told.join(", "),
        turns(&path)
    );
    shares.truncate(SHOWN);
    path.truncate(SHOWN);
    Some(Who {
        sentence,
        evidence: Evidence {
            path,
            shares,
            ..Evidence::default()
        },
    })
}

/// A path as text, a cycle in it once.
fn turns(path: &[CycleStep]) -> String {
    let is_turn = |period: &usize| {
        let mut later = path.iter().skip(*period).zip(path);
        later.all(|(one, other)| one.rule == other.rule && one.event_type == other.event_type)
    };
    // The root's event may be of another type than those of the cycle.
    match (1..=path.len() / 2).find(is_turn) {
        Some(period) => format!(
            "{}, again and again, {} deep",
            drawn(&path[..=period]),
            counted(path.len() as u64, "run")
        ),
        None => drawn(path),
    }
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
