//! A cascade drawn: the tree of its executions, from its root event down.

use std::collections::HashSet;
use std::fmt::Write;

use ringfence_model::{ExecutionId, RunSummary};
use ringfence_store::CascadeRecord;

use crate::drawing::{DOT, Language, MERMAID};

/// As a Mermaid flowchart.
pub(super) fn mermaid(cascade: &CascadeRecord, runs: &[RunSummary]) -> String {
    let mut text = String::from("flowchart TD\n");
    // Writing to a string does not fail.
    for (name, label) in nodes(cascade, runs, MERMAID) {
        let _ = writeln!(text, "  {name}[\"{label}\"]");
    }
    for (from, to, label) in edges(runs, MERMAID) {
        let _ = writeln!(text, "  {from} -->|\"{label}\"| {to}");
    }
    text
}

/// In Graphviz's language.
pub(super) fn dot(cascade: &CascadeRecord, runs: &[RunSummary]) -> String {
    let mut text = String::from("digraph cascade {\n  node [shape=box];\n");
    // Writing to a string does not fail.
    for (name, label) in nodes(cascade, runs, DOT) {
        let _ = writeln!(text, "  {name} [label=\"{label}\"];");
    }
    for (from, to, label) in edges(runs, DOT) {
        let _ = writeln!(text, "  {from} -> {to} [label=\"{label}\"];");
    }
    text.push_str("}\n");
    text
}

/// Names and labels, the root event's first.
fn nodes(
    cascade: &CascadeRecord,
    runs: &[RunSummary],
    language: Language,
) -> Vec<(String, String)> {
    let root = cascade.events.first().map(|record| &record.event);
    let subject = root.and_then(|event| event.subject.clone());
    let ty = root.map(|event| event.ty.clone());
    let label = |lines: Vec<String>| {
        let lines = lines.iter().map(|line| language.text(line));
        lines.collect::<Vec<_>>().join(language.line)
    };
    let root = label(ty.into_iter().chain(subject).collect());
    let runs = runs.iter().map(|run| {
        let mut lines = vec![run.rule.to_string(), format!("{} fuel", run.fuel)];
        lines.extend(run.stop.map(|code| format!("stopped: {code}")));
        (name(run.id), label(lines))
    });
    std::iter::once(("root".to_owned(), root))
        .chain(runs)
        .collect()
}

/// From what set a run off to the run, by which event.
fn edges(runs: &[RunSummary], language: Language) -> Vec<(String, String, String)> {
    let shown: HashSet<ExecutionId> = runs.iter().map(|run| run.id).collect();
    let edge = |run: &RunSummary| {
        let parent = run.parent.filter(|parent| shown.contains(parent));
        let from = parent.map_or_else(|| "root".to_owned(), name);
        (from, name(run.id), language.text(&run.event_type))
    };
    runs.iter().map(edge).collect()
}

fn name(run: ExecutionId) -> String {
    format!("e{run}")
}

#[cfg(test)]
mod tests {
    use ringfence_model::{Ancestry, Event, EventId, Json, Ledger, Lineage, StopCode, VersionId};
    use ringfence_store::{EventRecord, EventState};

    use super::*;

    #[test]
    fn what_a_stranger_wrote_stays_between_its_quotes() {
        let root = EventId::from_bytes([1; 16]);
        let event = Event {
            id: root,
            tenant: "acme".parse().unwrap(),
            ce_id: String::new(),
            source: String::new(),
            ty: "a\"]; &quot; \\".into(),
            subject: Some("c-1\u{202e}".into()),
            time: String::new(),
            data: Json::null(),
            accepted_us: 0,
            lineage: Lineage::root(root),
            ancestry: Ancestry::default(),
        };
        let run = RunSummary {
            id: ExecutionId::from_bytes([2; 16]),
            event: root,
            parent: None,
            depth: 0,
            event_type: event.ty.clone(),
            subject: None,
            rule: "r".parse().unwrap(),
            version: VersionId::of(b"v"),
            fuel: 7,
            events: 0,
            stop: Some(StopCode::Revisit),
        };
        let record = EventRecord {
            seq: 1,
            event,
            state: EventState::Done,
            done_us: None,
            decisions: Vec::new(),
            stop: None,
            parked: Vec::new(),
        };
        let cascade = CascadeRecord {
            root,
            ledger: Ledger::default(),
            events: vec![record],
            truncated: false,
        };
        let id = "02".repeat(16);
        let hostile = "a#34;#93;#59; #38;quot#59; #92;";
        let expected = format!(
            "flowchart TD\n  root[\"{hostile}<br/>c-1#92;u#123;202e#125;\"]\n  \
             e{id}[\"r<br/>7 fuel<br/>stopped: revisit\"]\n  root -->|\"{hostile}\"| e{id}\n"
        );
        assert_eq!(mermaid(&cascade, std::slice::from_ref(&run)), expected);
        let hostile = "a&#34;&#93;&#59; &#38;quot&#59; &#92;&#92;";
        let expected = format!(
            "digraph cascade {{\n  node [shape=box];\n  \
             root [label=\"{hostile}\\nc-1&#92;&#92;u&#123;202e&#125;\"];\n  \
             e{id} [label=\"r\\n7 fuel\\nstopped: revisit\"];\n  \
             root -> e{id} [label=\"{hostile}\"];\n}}\n"
        );
        assert_eq!(dot(&cascade, &[run]), expected);
    }
}
