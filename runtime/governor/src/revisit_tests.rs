use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;
use ringfence_model::{
    Ancestry, EventId, ExecutionId, Json, Lineage, Log, NewEvent, RuleName, Status, TenantId,
    Usage, VersionId,
};

use super::*;

/// A rule and the state that it is shown.
type Node = (usize, usize);
/// What each sets off.
type Table = HashMap<Node, Vec<Node>>;

fn event(node: Node, noise: u64, ancestry: Ancestry) -> Event {
    let tenant: TenantId = "acme".parse().unwrap();
    let id = EventId::root(&tenant, "/t", &noise.to_string());
    Event {
        id,
        tenant,
        ce_id: noise.to_string(),
        source: "/t".into(),
        ty: format!("shown.{}", node.0),
        subject: Some("c-1".into()),
        time: noise.to_string(),
        data: Json::parse(&format!(r#"{{"at": {noise}, "state": {}}}"#, node.1)).unwrap(),
        accepted_us: noise,
        lineage: Lineage::root(id),
        ancestry,
    }
}

fn run(event: &Event, node: Node, sets_off: &[Node]) -> Execution {
    let rule: RuleName = format!("r{}", node.0).parse().unwrap();
    let version = VersionId::of(rule.as_str().as_bytes());
    let emit = |to: &Node| {
        Effect::Emit(NewEvent {
            ty: format!("shown.{}", to.0),
            subject: None,
            data: Json::null(),
        })
    };
    Execution {
        id: ExecutionId::of(event, &rule, version),
        tenant: event.tenant.clone(),
        rule,
        version,
        event: event.id,
        lineage: event.lineage,
        mode: Mode::Enforce,
        status: Status::Ok,
        stop: None,
        usage: Usage::default(),
        limits: None,
        near_limits: Vec::new(),
        started_us: 0,
        config: Json::empty_object(),
        effects: sets_off.iter().map(emit).collect(),
        recalled: Vec::new(),
        asked_now: false,
        asked_random: false,
        log: Log::default(),
        fingerprint: 0,
        cycle: Vec::new(),
    }
}

/// What came of a cascade: the runs, each with its ancestors, and whether it
/// was found to be a loop.
struct Done {
    runs: Vec<(Node, Vec<Node>, bool)>,
    /// The longest cycle that was shown.
    turn: usize,
}

/// Runs a cascade as the engine does, at most this many runs.
fn cascade(table: &Table, root: Node, most: usize) -> Done {
    let ignore = ["/at".to_owned()];
    let mut done = Done {
        runs: Vec::new(),
        turn: 0,
    };
    let mut waiting = VecDeque::from([(root, Vec::<Ancestor>::new(), Ancestry::default())]);
    while let Some((node, ancestors, ancestry)) = waiting.pop_front() {
        if done.runs.len() >= most {
            break;
        }
        let event = event(node, done.runs.len() as u64, ancestry.clone());
        let next = table.get(&node).map_or(&[][..], Vec::as_slice);
        let mut run = run(&event, node, next);
        run.fingerprint = fingerprint(&run, &event, &ignore);
        let nearest: Vec<&Ancestor> = ancestors.iter().rev().collect();
        let distance = ancestry
            .distances(run.fingerprint)
            .find(|distance| is_same(&run, &event, &ignore, nearest[distance - 1]));
        let is_loop = is_judged(&run) && distance.is_some();
        let state = |ancestor: &Ancestor| {
            let state = ancestor.event.data.to_value()["state"].as_u64().unwrap();
            let rule = ancestor.execution.rule.as_str()[1..].parse().unwrap();
            (rule, usize::try_from(state).unwrap())
        };
        let seen = ancestors.iter().map(state).collect();
        done.runs.push((node, seen, is_loop));
        if let (true, Some(distance)) = (is_loop, distance) {
            let chain: Vec<Ancestor> = nearest.into_iter().take(distance).cloned().collect();
            let steps = cycle(&run, &event, &chain);
            assert_eq!(
                steps.first(),
                steps.last(),
                "a full turn ends where it began"
            );
            assert_eq!(steps.len(), distance + 1);
            done.turn = done.turn.max(distance);
            continue;
        }
        let after = ancestry.with(run.fingerprint);
        let mut line = ancestors;
        line.push(Ancestor {
            execution: run,
            event,
        });
        for to in next {
            waiting.push_back((*to, line.clone(), after.clone()));
        }
    }
    done
}

fn table(edges: Vec<(Node, Node)>) -> Table {
    let mut table = Table::new();
    for (from, to) in edges {
        table.entry(from).or_default().push(to);
    }
    table
}

fn node() -> impl Strategy<Value = Node> {
    (0usize..3, 0usize..4)
}

proptest! {
    /// The verdict and the definition agree: a run is stopped if, and only if,
    /// one of its own ancestors was the same rule in the same state.
    #[test]
    fn a_run_is_stopped_if_an_ancestor_was_given_the_same_and_only_then(
        edges in prop::collection::vec((node(), node()), 0..14), root in node(),
    ) {
        let table = table(edges);
        for (node, ancestors, is_loop) in cascade(&table, root, 300).runs {
            let sets_off = table.contains_key(&node);
            prop_assert_eq!(is_loop, sets_off && ancestors.contains(&node), "{:?} {:?}", node, ancestors);
        }
    }

    /// What ends by itself is never stopped, whatever meets again on the way:
    /// diamonds, and chains that make progress.
    #[test]
    fn what_makes_progress_is_never_stopped(
        edges in prop::collection::vec((node(), node()), 0..14), root in node(),
    ) {
        let forward = edges.into_iter().filter(|(from, to)| from.1 < to.1).collect();
        let done = cascade(&table(forward), root, 2_000);
        prop_assert!(done.runs.iter().all(|(.., is_loop)| !is_loop));
    }

    /// Nothing goes on for ever: every path ends within as many runs as there
    /// are states.
    #[test]
    fn every_loop_is_stopped_after_one_turn(edges in prop::collection::vec((node(), node()), 0..8), root in node()) {
        let done = cascade(&table(edges), root, 100_000);
        prop_assert!(done.runs.len() < 100_000);
        prop_assert!(done.runs.iter().all(|(_, ancestors, _)| ancestors.len() <= 12));
        prop_assert!(done.turn <= 12);
    }
}

#[test]
fn a_long_countdown_runs_to_its_end() {
    let steps = (0..2_000).map(|state| ((0, state), vec![(0, state + 1)]));
    let done = cascade(&steps.collect(), (0, 0), 3_000);
    assert_eq!(done.runs.len(), 2_001);
    assert!(done.runs.iter().all(|(.., is_loop)| !is_loop));
}

#[test]
fn who_asked_for_the_clock_or_sets_nothing_off_is_not_judged() {
    let event = event((0, 0), 0, Ancestry::default());
    let judged = run(&event, (0, 0), &[(0, 0)]);
    assert!(is_judged(&judged));
    for change in [
        |run: &mut Execution| run.asked_now = true,
        |run: &mut Execution| run.asked_random = true,
        |run: &mut Execution| run.mode = Mode::Shadow,
        |run: &mut Execution| run.effects.clear(),
    ] {
        let mut run = judged.clone();
        change(&mut run);
        assert!(!is_judged(&run));
    }
}

/// A rule in between that counts, or that looks at the clock, may end a turn
/// that looks the same from where it began.
#[test]
fn a_turn_that_may_end_otherwise_is_not_closed() {
    let event = event((0, 0), 0, Ancestry::default());
    let pure = run(&event, (0, 0), &[(1, 0)]);
    let closed = |between: Execution| {
        let ancestor = |execution: Execution| Ancestor {
            execution,
            event: event.clone(),
        };
        is_closed(&pure, &[ancestor(between), ancestor(pure.clone())])
    };
    let recalled = Recalled {
        key: "n".into(),
        value: None,
    };
    let remembered = Effect::Remember(ringfence_model::Entry {
        key: "n".into(),
        value: Some(Json::null()),
    });
    assert!(closed(pure.clone()));
    type Change = fn(&mut Execution, Recalled, Effect);
    let changes: [(Change, bool); 5] = [
        (|run, _, _| run.asked_now = true, false),
        (|run, _, _| run.asked_random = true, false),
        (|run, recalled, _| run.recalled.push(recalled), true),
        (|run, _, remembered| run.effects.push(remembered), true),
        (
            |run, recalled, remembered| {
                run.recalled.push(recalled);
                run.effects.push(remembered);
            },
            false,
        ),
    ];
    for (index, (change, is_still)) in changes.into_iter().enumerate() {
        let mut between = pure.clone();
        change(&mut between, recalled.clone(), remembered.clone());
        assert_eq!(closed(between), is_still, "{index}");
    }
}

#[test]
fn whatever_a_rule_is_given_counts() {
    let event = event((0, 0), 0, Ancestry::default());
    let one = run(&event, (0, 0), &[(0, 0)]);
    let earlier = Ancestor {
        execution: one.clone(),
        event: event.clone(),
    };
    let recalled = |value: &str| {
        vec![Recalled {
            key: "k".into(),
            value: Some(Json::parse(value).unwrap()),
        }]
    };
    type Change = fn(&mut Execution, &mut Event);
    let changes: [Change; 6] = [
        |run, _| run.version = VersionId::of(b"other"),
        |run, _| run.config = Json::null(),
        |run, _| run.recalled = Vec::new(),
        |_, event| event.ty.push('x'),
        |_, event| event.subject = None,
        |_, event| event.data = Json::parse(r#"{"at": 0, "state": 9}"#).unwrap(),
    ];
    let mut earlier = earlier;
    earlier.execution.recalled = recalled("1");
    let mut base = one;
    base.recalled = recalled("1");
    let print = |run: &Execution, event: &Event| fingerprint(run, event, &["/at".to_owned()]);
    let same = print(&base, &event);
    assert!(is_same(&base, &event, &["/at".to_owned()], &earlier));
    for (index, change) in changes.iter().enumerate() {
        let (mut run, mut event) = (base.clone(), event.clone());
        change(&mut run, &mut event);
        assert!(
            !is_same(&run, &event, &["/at".to_owned()], &earlier),
            "{index}"
        );
        assert_ne!(print(&run, &event), same, "{index}");
    }
}

#[test]
fn the_sentence_names_the_cycle_and_what_it_cost() {
    let step = |rule: &str| CycleStep {
        rule: rule.parse().unwrap(),
        version: VersionId::of(b"v"),
        event_type: "conversation.updated".into(),
        subject: Some("c-17".into()),
    };
    let used = Ledger {
        executions: 6,
        fuel: 131_000,
        ..Ledger::default()
    };
    let turn = vec![step("tag-vip"), step("sync-tags"), step("tag-vip")];
    let message = stop(turn, 2, &used).message;
    assert_eq!(
        message,
        "`tag-vip` was shown c-17 in the same state a second time, 2 runs later. Cycle: tag-vip \
         → conversation.updated → sync-tags → conversation.updated → tag-vip. 6 executions and \
         131,000 fuel were used by the cascade; nothing else was affected."
    );
    let long = stop(vec![step("a"); 30], 29, &used);
    assert!(
        long.message.contains("… → conversation.updated → a."),
        "{}",
        long.message
    );
}
