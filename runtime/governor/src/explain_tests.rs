use ringfence_model::{EventId, VersionId};

use super::*;

/// Runs as (number, the parent's number, rule, fuel, events); 0 is no parent.
fn runs(of: &[(u8, u8, &str, u64, u64)]) -> Vec<RunSummary> {
    let id = |number: u8| ExecutionId::from_bytes([number; 16]);
    let mut depths = HashMap::from([(0, 0)]);
    let run = |(number, parent, rule, fuel, events): &(u8, u8, &str, u64, u64)| {
        let depth = depths[parent];
        depths.insert(*number, depth + 1);
        RunSummary {
            id: id(*number),
            event: EventId::from_bytes([*number; 16]),
            parent: (*parent > 0).then(|| id(*parent)),
            depth,
            event_type: format!("for.{rule}"),
            subject: None,
            rule: rule.parse().unwrap(),
            version: VersionId::of(rule.as_bytes()),
            fuel: *fuel,
            events: *events,
            stop: None,
        }
    };
    of.iter().map(run).collect()
}

fn rules(path: &[CycleStep]) -> Vec<&str> {
    path.iter().map(|step| step.rule.as_str()).collect()
}

#[test]
fn the_path_goes_where_most_was_used() {
    let runs = runs(&[
        (1, 0, "root", 5, 2),
        (2, 1, "wide", 10, 9),
        (3, 1, "deep", 10, 1),
        (4, 3, "deeper", 10, 1),
        (5, 4, "deepest", 10, 0),
        (6, 2, "leaf", 500, 0),
        (7, 0, "other", 100, 3),
    ]);
    for (dimension, path) in [
        (Dimension::Fuel, &["root", "wide", "leaf"][..]),
        (
            Dimension::Executions,
            &["root", "deep", "deeper", "deepest"],
        ),
        (Dimension::Depth, &["root", "deep", "deeper", "deepest"]),
        (Dimension::Events, &["root", "wide", "leaf"]),
    ] {
        assert_eq!(
            rules(&heaviest_path(&runs, dimension)),
            path,
            "{dimension:?}"
        );
    }
    assert!(heaviest_path(&[], Dimension::Fuel).is_empty());
}

#[test]
fn shares_add_up_and_the_greatest_is_first() {
    let shares = shares(&runs(&[
        (1, 0, "a", 5, 2),
        (2, 1, "b", 10, 0),
        (3, 1, "a", 6, 0),
    ]));
    let told: Vec<_> = shares
        .iter()
        .map(|share| {
            (
                share.rule.as_str(),
                share.executions,
                share.fuel,
                share.events,
            )
        })
        .collect();
    assert_eq!(told, [("a", 2, 11, 2), ("b", 1, 10, 0)]);
}

#[test]
fn it_is_said_who_used_a_budget_up() {
    let runs = runs(&[
        (1, 0, "ping", 40_000, 1),
        (2, 1, "pong", 30_000, 1),
        (3, 2, "ping", 40_000, 1),
        (4, 3, "pong", 30_000, 1),
    ]);
    let who = who(&runs, Dimension::Executions).unwrap();
    assert_eq!(
        who.sentence,
        "Of it used: `ping` 2 executions and 80,000 fuel, `pong` 2 executions and 60,000 fuel. \
         Most went along ping → for.pong → pong → for.ping → ping, again and again, 4 runs deep."
    );
    assert_eq!(rules(&who.evidence.path), ["ping", "pong", "ping", "pong"]);
    assert_eq!(who.evidence.shares.len(), 2);
    assert_eq!(super::who(&[], Dimension::Executions), None);
}
