//! The graph in languages that other programs draw.

use std::fmt::Write;

use ringfence_model::Mode;

use super::{Drawn, EdgeView};
use crate::drawing::{DOT, Language, MERMAID};

/// All ways of one pair of rules.
fn label(ways: &[EdgeView], language: Language) -> String {
    let lines = ways.iter().map(|way| match &way.action {
        Some(action) => format!("{} → {}", language.text(action), language.text(&way.event)),
        None => language.text(&way.event),
    });
    lines.collect::<Vec<_>>().join(language.line)
}

/// As a Mermaid flowchart; edges of cycles are red.
pub(super) fn mermaid(graph: &Drawn) -> String {
    let mut text = String::from("flowchart LR\n");
    let mut cyclic = Vec::new();
    // Writing to a `String` cannot fail.
    for (number, node) in graph.nodes.iter().enumerate() {
        let name = &node.rule;
        let _ = match node.mode {
            Mode::Enforce => writeln!(text, "  n{number}[\"{name}\"]"),
            Mode::Shadow => writeln!(text, "  n{number}([\"{name} #40;shadow#41;\"])"),
        };
    }
    for (index, ways) in pairs(graph).enumerate() {
        let ((from, to), label) = (ways[0].ends, label(ways, MERMAID));
        let _ = writeln!(text, "  n{from} -->|\"{label}\"| n{to}");
        if ways[0].cyclic {
            cyclic.push(index.to_string());
        }
    }
    if !cyclic.is_empty() {
        let _ = writeln!(text, "  linkStyle {} stroke:red", cyclic.join(","));
    }
    if graph.edges_truncated {
        text.push_str("  %% There are more edges.\n");
    }
    text
}

/// In Graphviz's language; edges of cycles are red.
pub(super) fn dot(graph: &Drawn) -> String {
    let mut text = String::from("digraph rules {\n  node [shape=box];\n");
    // Writing to a `String` cannot fail.
    for (number, node) in graph.nodes.iter().enumerate() {
        let style = match node.mode {
            Mode::Enforce => "",
            Mode::Shadow => ", style=dashed",
        };
        let _ = writeln!(text, "  n{number} [label=\"{}\"{style}];", node.rule);
    }
    for ways in pairs(graph) {
        let ((from, to), label) = (ways[0].ends, label(ways, DOT));
        let color = if ways[0].cyclic { ", color=red" } else { "" };
        let _ = writeln!(text, "  n{from} -> n{to} [label=\"{label}\"{color}];");
    }
    if graph.edges_truncated {
        text.push_str("  // There are more edges.\n");
    }
    text.push_str("}\n");
    text
}

/// The edges, all ways of one pair of rules together.
fn pairs(graph: &Drawn) -> impl Iterator<Item = &[EdgeView]> {
    graph.edges.chunk_by(|one, other| one.ends == other.ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\"]; end <b> & #quot; `\\N` %% | {x} \u{202e}é 日本";

    fn graph() -> Drawn {
        let node = |name: &str, mode| super::super::NodeView {
            rule: name.parse().unwrap(),
            version: ringfence_model::VersionId::of(b""),
            mode,
        };
        let edge = |ends: (u32, u32), event: &str, action: Option<&str>| EdgeView {
            from: "end".parse().unwrap(),
            to: "b".parse().unwrap(),
            event: event.into(),
            action: action.map(Into::into),
            cyclic: ends.0 == 0,
            ends,
        };
        Drawn {
            nodes: vec![node("end", Mode::Enforce), node("b", Mode::Shadow)],
            edges: vec![
                edge((0, 0), "a.*", None),
                edge((0, 1), "a.b", None),
                edge((0, 1), HOSTILE, Some("act\"")),
                edge((1, 1), "c", None),
            ],
            edges_truncated: true,
        }
    }

    #[test]
    fn mermaid_says_what_is_there_whatever_names_hold() {
        let text = mermaid(&graph());
        let hostile = "a#34;#93;#59; end #60;b#62; #38; #35;quot#59; #96;#92;N#96; #37;#37; #124; #123;x#125; #92;u#123;202e#125;é 日本";
        let expected = format!(
            "flowchart LR\n  n0[\"end\"]\n  n1([\"b #40;shadow#41;\"])\n  \
             n0 -->|\"a.*\"| n0\n  \
             n0 -->|\"a.b<br/>act#34; → {hostile}\"| n1\n  \
             n1 -->|\"c\"| n1\n  \
             linkStyle 0,1 stroke:red\n  %% There are more edges.\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn dot_says_what_is_there_whatever_names_hold() {
        let text = dot(&graph());
        let hostile = "a&#34;&#93;&#59; end &#60;b&#62; &#38; &#35;quot&#59; &#96;&#92;&#92;N&#96; &#37;&#37; &#124; &#123;x&#125; &#92;&#92;u&#123;202e&#125;é 日本";
        let expected = format!(
            "digraph rules {{\n  node [shape=box];\n  n0 [label=\"end\"];\n  \
             n1 [label=\"b\", style=dashed];\n  \
             n0 -> n0 [label=\"a.*\", color=red];\n  \
             n0 -> n1 [label=\"a.b\\nact&#34; → {hostile}\", color=red];\n  \
             n1 -> n1 [label=\"c\"];\n  // There are more edges.\n}}\n"
        );
        assert_eq!(text, expected);
    }
}
