//! What it takes to know which of a tenant's 200 rules can set off which, and
//! the cycles of them: in graphs that people make, and in those that are made
//! to take long. What is printed are medians over the rounds.
//!
//! `graph [--rounds N]`

#![allow(clippy::print_stdout, reason = "prints what it measured")]

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use ringfence_benches::options::Options;
use ringfence_benches::{median, start, table};
use ringfence_engine::{Causes, GraphRule, RuleGraph};
use ringfence_model::{Manifest, Mode, Trigger, VersionId};

const RULES: usize = 200;
const ROUNDS: usize = 20;

struct Case {
    name: &'static str,
    rules: Vec<GraphRule>,
    causes: Causes,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse(ROUNDS, "--case")?;
    let mut rows = Vec::new();
    for case in [
        sparse()?,
        random()?,
        dense()?,
        later()?,
        bottleneck()?,
        declared()?,
    ] {
        if options.name.as_deref().is_none_or(|name| name == case.name) {
            rows.push(measure(&case, options.rounds)?);
        }
    }
    ensure!(!rows.is_empty(), "there is no such case");
    let head = [
        "200 rules",
        "edges",
        "cycles",
        "ms: graph",
        "ms: all cycles",
        "ms: through one rule",
    ];
    table(&head, &rows);
    Ok(())
}

fn measure(case: &Case, rounds: usize) -> anyhow::Result<Vec<String>> {
    ensure!(case.rules.len() == RULES, "{} rules", case.rules.len());
    let mut times = [const { Vec::new() }; 3];
    let (mut edges, mut found) = (0, String::new());
    for _ in 0..rounds {
        let rules = case.rules.clone();
        let (graph, built) = timed(|| RuleGraph::new(rules, &case.causes));
        ensure!(graph.is_complete(), "{}: not complete", case.name);
        let (cycles, all) = timed(|| graph.cycles());
        let first = &graph.rules()[0].rule;
        let (_, through) = timed(|| graph.cycles_through(first));
        for (times, took) in times.iter_mut().zip([built, all, through]) {
            times.push(took);
        }
        edges = graph.edges().count();
        let more = if cycles.truncated { " of more" } else { "" };
        found = format!("{}{more}", cycles.list.len());
    }
    let medians = times.map(|mut times| format!("{:.2}", median(&mut times)));
    let mut row = vec![case.name.to_owned(), edges.to_string(), found];
    row.extend(medians);
    Ok(row)
}

/// With how long it took, in milliseconds.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let begun = start();
    let done = work();
    (done, begun.elapsed().as_secs_f64() * 1e3)
}

fn rule(number: usize, triggers: &[String], emits: &[String]) -> anyhow::Result<GraphRule> {
    let triggers = triggers.iter().map(|ty| Trigger {
        ty: ty.clone(),
        ignore: vec![],
    });
    let manifest = Manifest {
        triggers: triggers.collect(),
        emits: emits.to_vec(),
        acts: vec!["*".into()],
        ..Manifest::default()
    };
    manifest.check().context("a case declares too much")?;
    Ok(GraphRule {
        rule: format!("r{number:03}").parse()?,
        version: VersionId::of(b""),
        mode: Mode::Enforce,
        manifest: Arc::new(manifest),
    })
}

fn case(
    name: &'static str,
    declare: impl Fn(usize) -> (Vec<String>, Vec<String>),
) -> anyhow::Result<Case> {
    let rules = (0..RULES).map(|number| {
        let (triggers, emits) = declare(number);
        rule(number, &triggers, &emits)
    });
    Ok(Case {
        name,
        rules: rules.collect::<anyhow::Result<_>>()?,
        causes: Causes::new(),
    })
}

fn ty(number: usize) -> String {
    format!("thing.{number}")
}

/// Each sets off the next, and each tenth one five before it.
fn sparse() -> anyhow::Result<Case> {
    case("a chain with some ways back", |n| {
        let back = (n % 10 == 9).then(|| ty(n - 5));
        let next = [ty(n + 1)].into_iter().chain(back);
        (vec![ty(n)], next.collect())
    })
}

/// Each sets off three, here and there.
fn random() -> anyhow::Result<Case> {
    case("each sets off three, at random", |n| {
        let to = [n * 7 + 3, n * 31 + 11, n * n + 5].map(|to| to % RULES);
        let mut to = to.to_vec();
        to.sort_unstable();
        to.dedup();
        (vec![ty(n)], to.into_iter().map(ty).collect())
    })
}

/// Each sets off each.
fn dense() -> anyhow::Result<Case> {
    case("each sets off each", |_| {
        (vec!["thing.*".into()], vec![ty(0)])
    })
}

/// Each sets off all after it, and the last one the first.
fn later() -> anyhow::Result<Case> {
    case("each sets off all later ones", |n| {
        let last = (n + 1 == RULES).then(|| "a".into());
        let emits = [format!("{}*", "a".repeat(n + 2))].into_iter().chain(last);
        (vec!["a".repeat(n + 1)], emits.collect())
    })
}

/// Made to take long: from the first rule, many paths come back to where they
/// were before they can close, and those that close are long.
fn bottleneck() -> anyhow::Result<Case> {
    let of = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    case("made to take long", |n| match n {
        0 => (of(&["s"]), of(&["v", "c1"])),
        1 => (of(&["v"]), of(&["k", "s"])),
        2..110 => (of(&["k"]), of(&["k", "v"])),
        110..160 => (vec![format!("c{}", n - 109)], vec![format!("c{}", n - 108)]),
        160..180 => (of(&["c51"]), of(&["m"])),
        _ => (of(&["m"]), of(&["s"])),
    })
}

/// As many triggers, emitted types and caused types as may be declared.
fn declared() -> anyhow::Result<Case> {
    let long = |number: usize| format!("c{number:0>200}");
    let mut most = case("the most that may be declared", |n| {
        let own = (0..16).map(|t| long(n * 16 + t));
        let wide = (0..16).map(|t| format!("{}*", "e".repeat(n + t + 1)));
        let emits = (0..63).map(|e| "e".repeat(100 + e));
        (
            own.chain(wide).collect(),
            emits.chain(["*".into()]).collect(),
        )
    })?;
    let causes = (0..256).map(|action| {
        let types = (0..32).map(|ty| long(action * 32 + ty));
        (format!("act{action}"), types.collect())
    });
    most.causes = causes.collect();
    Ok(most)
}
