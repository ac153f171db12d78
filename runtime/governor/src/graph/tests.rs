use std::collections::BTreeSet;

use proptest::prelude::*;
use ringfence_model::{Trigger, pattern_matches};

use super::growing::{Root, growing};
use super::search::Found;
use super::*;

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn rule(name: &str, triggers: &[&str], emits: &[&str], acts: &[&str]) -> GraphRule {
    let triggers = texts(triggers)
        .into_iter()
        .map(|ty| Trigger { ty, ignore: vec![] });
    GraphRule {
        rule: name.parse().unwrap(),
        version: VersionId::of(name.as_bytes()),
        mode: Mode::Enforce,
        manifest: Arc::new(Manifest {
            triggers: triggers.collect(),
            emits: texts(emits),
            acts: texts(acts),
            ..Manifest::default()
        }),
    }
}

fn causes(causes: &[(&str, &[&str])]) -> Causes {
    let causes = causes.iter();
    causes
        .map(|(action, types)| ((*action).to_owned(), texts(types)))
        .collect()
}

/// A rule per row of a matrix, which sets off those that it has edges to.
fn linked(count: usize, has_edge: impl Fn(usize, usize) -> bool) -> RuleGraph {
    let rules = (0..count).map(|from| {
        let to = (0..count).filter(|to| has_edge(from, *to));
        let emits: Vec<String> = to.map(|to| format!("e{to}")).collect();
        let emits: Vec<&str> = emits.iter().map(String::as_str).collect();
        rule(&format!("r{from:03}"), &[&format!("e{from}")], &emits, &[])
    });
    RuleGraph::new(rules.collect(), &Causes::new())
}

fn numbers(graph: &RuleGraph, cycles: &Cycles) -> Vec<Vec<usize>> {
    let number = |hop: &Hop| graph.number(&hop.rule).unwrap() as usize;
    let cycles = cycles.list.iter();
    cycles
        .map(|cycle| cycle.0.iter().map(number).collect())
        .collect()
}

/// All elementary cycles, by trying all simple paths, from the first rule of
/// each; those through `root` alone from there.
fn brute(count: usize, edges: &BTreeSet<(u32, u32)>, root: Option<usize>) -> Vec<Vec<usize>> {
    fn extend(
        path: &mut Vec<usize>,
        next: &dyn Fn(usize) -> Vec<usize>,
        found: &mut Vec<Vec<usize>>,
    ) {
        for to in next(path[path.len() - 1]) {
            if to == path[0] {
                found.push(path.clone());
            } else if !path.contains(&to) {
                path.push(to);
                extend(path, next, found);
                path.pop();
            }
        }
    }
    let mut found = Vec::new();
    for from in 0..count {
        let next = |at: usize| {
            let to = (0..count).filter(|to| edges.contains(&(at as u32, *to as u32)));
            to.filter(|to| root.is_some() || *to >= from).collect()
        };
        if root.is_none_or(|root| root == from) {
            extend(&mut vec![from], &next, &mut found);
        }
    }
    found.sort_by_key(|cycle| (cycle.len(), cycle.clone()));
    found
}

#[test]
fn a_cycle_through_an_action_is_drawn_as_a_path() {
    let rules = || {
        vec![
            rule("tag-vip", &["conversation.updated"], &["vip.tagged"], &[]),
            rule("sync-tags", &["vip.*"], &[], &["conversation.*"]),
            rule("unrelated", &["message.received"], &["message.read"], &[]),
        ]
    };
    let known = causes(&[
        ("conversation.update", &["conversation.updated"]),
        ("conversation.close", &["conversation.closed"]),
    ]);
    let graph = RuleGraph::new(rules(), &known);
    let path = "sync-tags → conversation.update (act) → conversation.updated → tag-vip → vip.tagged → sync-tags";
    let drawn = |cycles: Cycles| cycles.list.iter().map(Cycle::to_string).collect::<Vec<_>>();
    assert_eq!(drawn(graph.cycles()), [path]);
    let through = graph.cycles_through(&"tag-vip".parse().unwrap());
    let path = "tag-vip → vip.tagged → sync-tags → conversation.update (act) → conversation.updated → tag-vip";
    assert_eq!(drawn(through), [path]);
    for other in ["unrelated", "unknown"] {
        let none = graph.cycles_through(&other.parse().unwrap());
        assert_eq!(none, Cycles::default(), "{other}");
    }
    // Without what the action causes, nothing is known to come back.
    assert!(
        RuleGraph::new(rules(), &Causes::new())
            .cycles()
            .list
            .is_empty()
    );
    // A rule in shadow sets nothing off.
    let mut shadow = rules();
    shadow[1].mode = Mode::Shadow;
    let graph = RuleGraph::new(shadow, &known);
    assert!(graph.cycles().list.is_empty());
    assert_eq!(graph.edges().count(), 1);
}

#[test]
fn an_edge_says_all_its_ways() {
    let known = causes(&[("update", &["a.two", "a.one"]), ("other", &["b"])]);
    let graph = RuleGraph::new(
        vec![
            rule("from", &["x"], &["a.*", "a.two", "c"], &["*"]),
            rule("to", &["a.one", "a.two", "d"], &[], &[]),
        ],
        &known,
    );
    let ways = graph.ways(0, 1, 10);
    let ways: Vec<(&str, Option<&str>)> = ways
        .iter()
        .map(|way| (way.event.as_str(), way.action.as_deref()))
        .collect();
    let update = Some("update");
    let all = [
        ("a.one", None),
        ("a.two", None),
        ("a.two", update),
        ("a.one", update),
    ];
    assert_eq!(ways, all);
    assert_eq!(graph.ways(0, 1, 3).len(), 3);
    assert!(graph.ways(1, 0, 3).is_empty());
}

#[test]
fn long_cycles_are_drawn_without_their_middle() {
    let graph = linked(200, |from, to| (from + 1) % 200 == to);
    let cycles = graph.cycles();
    assert!(!cycles.truncated);
    assert_eq!(cycles.list[0].0.len(), 200);
    let drawn = cycles.list[0].to_string();
    let middle = "r018 → e19 → … 180 more rules … → r199 → e0 → r000";
    assert!(drawn.starts_with("r000 → e1 → r001"), "{drawn}");
    assert!(drawn.ends_with(middle), "{drawn}");
}

#[test]
fn of_many_cycles_the_shortest_are_listed() {
    // Each sets off each other: 15 cycles of two rules, 40 of three, 90 of
    // four, and more.
    let graph = linked(6, |from, to| from != to);
    for (cycles, lengths) in [
        (graph.cycles(), [0, 0, 15, 40, 45]),
        (
            graph.cycles_through(&"r003".parse().unwrap()),
            [0, 0, 5, 20, 60],
        ),
    ] {
        assert!(cycles.truncated);
        for (length, count) in lengths.into_iter().enumerate() {
            let of_length = cycles.list.iter().filter(|cycle| cycle.0.len() == length);
            assert_eq!(of_length.count(), count, "{length}");
        }
    }
    // One rule fewer, and all are listed.
    let cycles = linked(5, |from, to| from != to).cycles();
    assert_eq!((cycles.list.len(), cycles.truncated), (84, false));
    // Rules that set themselves off come first.
    let cycles = linked(120, |from, to| from == to || from + 1 == to).cycles();
    assert_eq!((cycles.list.len(), cycles.truncated), (100, true));
}

#[test]
fn what_is_listed_is_bounded_in_all() {
    // Twelve rings of 90 rules.
    let graph = linked(1_080, |from, to| {
        from / 90 == to / 90 && (from + 1) % 90 == to % 90
    });
    let cycles = graph.cycles();
    assert!(graph.is_complete());
    // 1,000 rules beyond the first cycle's.
    assert_eq!((cycles.list.len(), cycles.truncated), (12, false));
    let graph = linked(1_170, |from, to| {
        from / 90 == to / 90 && (from + 1) % 90 == to % 90
    });
    let cycles = graph.cycles();
    assert_eq!((cycles.list.len(), cycles.truncated), (12, true));
}

/// No graph, however large, hides that a rule is in a cycle.
#[test]
fn where_there_is_a_cycle_one_is_found() {
    for count in [2, 60, 200, 440] {
        let last = count - 1;
        for (graph, shortest) in [
            // Each sets off each.
            (linked(count, |_, _| true), 1),
            (linked(count, |from, to| from != to), 2),
            // Each sets off all later ones, and the last the first.
            (
                linked(count, |from, to| from < to || (from, to) == (last, 0)),
                2,
            ),
            (linked(count, |from, to| (from + 1) % count == to), count),
        ] {
            assert!(graph.is_complete());
            let of_last = graph.cycles_through(&graph.rules()[last].rule);
            for cycles in [graph.cycles(), of_last] {
                assert_eq!(cycles.list[0].0.len(), shortest, "of {count}");
                assert!(cycles.list.len() <= 100);
            }
        }
    }
}

#[test]
fn a_graph_beyond_its_bound_says_so() {
    let rules = |count: usize| (0..count).map(|n| rule(&format!("r{n}"), &["*"], &["*"], &[]));
    let graph = RuleGraph::new(rules(447).collect(), &Causes::new());
    assert!(graph.is_complete());
    assert_eq!(graph.edges().count(), 447 * 447);
    let graph = RuleGraph::new(rules(448).collect(), &Causes::new());
    assert!(!graph.is_complete());
    let last = graph.cycles_through(&graph.rules()[447].rule);
    assert!(last.truncated);
}

/// Whatever 200 rules declare, all edges are known.
#[test]
fn the_most_that_200_rules_declare_is_known() {
    let long = |prefix: &str, n: usize| format!("{prefix}{:>0width$}", n, width = 200);
    let known: Causes = (0..256)
        .map(|action| {
            let types = (0..32).map(|ty| long("c", action * 32 + ty));
            (format!("act{action}"), types.collect())
        })
        .collect();
    let rules = (0..200).map(|n| {
        let mut triggers: Vec<String> = (0..16).map(|t| long("c", n * 16 + t)).collect();
        triggers.extend((0..16).map(|t| format!("{}*", "e".repeat(n + t + 1))));
        let mut emits: Vec<String> = (0..63).map(|e| "e".repeat(100 + e)).collect();
        emits.push("*".into());
        let of = |texts: &[String]| texts.to_vec();
        let (triggers, emits) = (of(&triggers), of(&emits));
        let triggers: Vec<&str> = triggers.iter().map(String::as_str).collect();
        let emits: Vec<&str> = emits.iter().map(String::as_str).collect();
        rule(&format!("r{n:03}"), &triggers, &emits, &["*"])
    });
    let graph = RuleGraph::new(rules.collect(), &known);
    assert!(graph.is_complete());
    assert_eq!(graph.edges().count(), 200 * 200);
}

/// Names that patterns of at most two letters can tell apart.
fn names() -> Vec<String> {
    let mut names = vec![String::new()];
    for length in 0..3 {
        let longest = names.iter().filter(|name| name.len() == length);
        let longer = longest.flat_map(|name| ["a", "b"].map(|letter| format!("{name}{letter}")));
        let longer: Vec<String> = longer.collect();
        names.extend(longer);
    }
    names
}

type Lists = (Vec<String>, Vec<String>, Vec<String>);

fn lists() -> impl Strategy<Value = Lists> {
    let patterns = |least| prop::collection::vec("[ab]{1,2}[*]?", least..3);
    (patterns(1), patterns(0), patterns(0))
}

fn edges_by_name(lists: &[Lists], causes: &Causes) -> BTreeSet<(u32, u32)> {
    let any = |patterns: &[String], name: &str| patterns.iter().any(|p| pattern_matches(p, name));
    let mut edges = BTreeSet::new();
    for (from, (_, emits, acts)) in (0..).zip(lists) {
        for (to, (triggers, _, _)) in (0..).zip(lists) {
            let emitted = |name: &String| any(emits, name) && any(triggers, name);
            let caused = |(action, types): (&String, &Vec<String>)| {
                any(acts, action) && types.iter().any(|ty| any(triggers, ty))
            };
            if names().iter().any(emitted) || causes.iter().any(caused) {
                edges.insert((from, to));
            }
        }
    }
    edges
}

proptest! {
    /// There is an edge, and a way along it, exactly where a name exists that
    /// leads there.
    #[test]
    fn edges_are_those_that_names_make(
        lists in prop::collection::vec(lists(), 0..6),
        causes in prop::collection::btree_map(
            "[ab]{1,2}", prop::collection::vec("[ab]{1,2}", 0..3), 0..3),
    ) {
        let rules = lists.iter().enumerate().map(|(n, (triggers, emits, acts))| {
            let [triggers, emits, acts] = [triggers, emits, acts]
                .map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
            rule(&format!("r{n}"), &triggers, &emits, &acts)
        });
        let graph = RuleGraph::new(rules.collect(), &causes);
        let edges: Vec<(u32, u32)> = graph.edges().collect();
        let expected: Vec<(u32, u32)> = edges_by_name(&lists, &causes).into_iter().collect();
        prop_assert_eq!(&edges, &expected);
        let count = graph.rules().len() as u32;
        for (from, to) in (0..count).flat_map(|from| (0..count).map(move |to| (from, to))) {
            let ways = graph.ways(from, to, 1);
            prop_assert_eq!(ways.is_empty(), !edges.contains(&(from, to)));
        }
    }

    /// Each cycle once, the shortest first, whichever way it is looked for.
    #[test]
    fn cycles_are_those_that_trying_all_paths_finds(
        matrix in prop::collection::vec(prop::collection::vec(prop::bool::weighted(0.35), 6), 6),
        most in 0_usize..20,
    ) {
        let graph = linked(6, |from, to| matrix[from][to]);
        let edges: BTreeSet<(u32, u32)> = graph.edges().collect();
        let all = brute(6, &edges, None);
        let cycles = graph.cycles();
        prop_assert_eq!(cycles.truncated, all.len() > 100);
        prop_assert_eq!(numbers(&graph, &cycles), &all[..all.len().min(100)]);
        for root in 0..6 {
            let through = brute(6, &edges, Some(root));
            let found = graph.cycles_through(&graph.rules()[root].rule);
            prop_assert_eq!(numbers(&graph, &found), &through[..through.len().min(100)]);
        }
        for (from, to) in &edges {
            let pair = [*from as usize, *to as usize];
            let on = |cycle: &Vec<usize>| {
                let next = cycle.iter().cycle().skip(1);
                cycle.iter().zip(next).any(|(from, to)| [*from, *to] == pair)
            };
            prop_assert_eq!(graph.is_cyclic(*from, *to), all.iter().any(on));
        }

        // By growing length alone, with room for fewer.
        let rules: Vec<u32> = (0..6).collect();
        let roots: Vec<Root<'_>> = (0..6)
            .map(|first| Root { rule: first, within: &rules[first as usize..] })
            .collect();
        let several: Vec<Vec<usize>> = all.into_iter().filter(|cycle| cycle.len() > 1).collect();
        let mut found = Found::new(most, 100_000);
        let cut = growing(&graph.links, &roots, &mut found).is_err();
        prop_assert_eq!(cut, several.len() > most);
        let found = found.cycles.iter().map(|c| c.iter().map(|rule| *rule as usize).collect());
        let found: Vec<Vec<usize>> = found.collect();
        prop_assert_eq!(&found[..], &several[..several.len().min(most)]);
    }
}
