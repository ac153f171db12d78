//! A cascade drawn: as text that Mermaid or Graphviz make a picture of.

use std::collections::HashSet;
use std::fmt::Write;

use ringfence_model::{ExecutionId, RunSummary};
use ringfence_store::CascadeRecord;

/// Whose text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notation {
    /// A Mermaid flow chart.
    Mermaid,
    /// Graphviz's DOT.
    Dot,
}

/// The tree of a cascade's executions, from its root event down.
pub(crate) fn draw(cascade: &CascadeRecord, runs: &[RunSummary], notation: Notation) -> String {
    let mut text = String::from(match notation {
        Notation::Mermaid => "flowchart TD\n",
        Notation::Dot => "digraph cascade {\n  node [shape=box];\n",
    });
    let root = cascade.events.first().map(|record| &record.event);
    let ty = root.map_or("", |event| &event.ty);
    let subject = root.and_then(|event| event.subject.as_deref());
    let label = [Some(ty), subject].into_iter().flatten();
    node(&mut text, notation, "root", label);
    let shown: HashSet<ExecutionId> = runs.iter().map(|run| run.id).collect();
    for run in runs {
        let used = format!("{} fuel", run.fuel);
        let stop = run.stop.map(|code| format!("stopped: {code}"));
        let label = [
            Some(run.rule.as_str()),
            Some(used.as_str()),
            stop.as_deref(),
        ];
        node(
            &mut text,
            notation,
            &name(run.id),
            label.into_iter().flatten(),
        );
        let parent = run.parent.filter(|parent| shown.contains(parent));
        let from = parent.map_or_else(|| "root".to_owned(), name);
        edge(&mut text, notation, &from, &name(run.id), &run.event_type);
    }
    if notation == Notation::Dot {
        text.push_str("}\n");
    }
    text
}

fn name(run: ExecutionId) -> String {
    format!("e{run}")
}

fn node<'a>(
    text: &mut String,
    notation: Notation,
    name: &str,
    lines: impl Iterator<Item = &'a str>,
) {
    let lines: Vec<String> = lines.map(|line| quoted(line, notation)).collect();
    // Writing to a string does not fail.
    let _ = match notation {
        Notation::Mermaid => writeln!(text, "  {name}[\"{}\"]", lines.join("<br/>")),
        Notation::Dot => writeln!(text, "  {name} [label=\"{}\"];", lines.join("\\n")),
    };
}

fn edge(text: &mut String, notation: Notation, from: &str, to: &str, label: &str) {
    let label = quoted(label, notation);
    // Writing to a string does not fail.
    let _ = match notation {
        Notation::Mermaid => writeln!(text, "  {from} -->|\"{label}\"| {to}"),
        Notation::Dot => writeln!(text, "  {from} -> {to} [label=\"{label}\"];"),
    };
}

/// A text that a stranger chose, as it may stand between quotes.
fn quoted(text: &str, notation: Notation) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || " .,:;/_-*".contains(c);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match notation {
            _ if is_plain(c) && c != ';' => out.push(c),
            Notation::Mermaid => out.push_str(&format!("#{};", u32::from(c))),
            Notation::Dot if c == '"' || c == '\\' => out.extend(['\\', c]),
            Notation::Dot => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_stays_between_its_quotes() {
        for (text, mermaid, dot) in [
            (
                "conversation.updated",
                "conversation.updated",
                "conversation.updated",
            ),
            ("a\"]; x", "a#34;#93;#59; x", "a\\\"]; x"),
            ("a\\", "a#92;", "a\\\\"),
            ("<b>", "#60;b#62;", "<b>"),
            ("é", "é", "é"),
        ] {
            assert_eq!(quoted(text, Notation::Mermaid), mermaid);
            assert_eq!(quoted(text, Notation::Dot), dot);
        }
    }
}
