//! Commits: all or nothing, once, and on the state that the run saw.

use ringfence_model::{Stop, StopCode};

use super::make::{
    act, commit, execution, follow_up, json, not_last, recalled, remember, rule, tenant_id,
    with_effects, with_events,
};
use super::{Place, ok, some};
use crate::{CommitOutcome, Counts, Decision, EventState, Outcome, SkipReason};

pub(super) async fn a_commit_has_all_its_effects(place: &dyn Place) {
    let (store, accepted) = with_events(place, &["a"]).await;
    let id = tenant_id("t");
    let run = execution(&accepted[0].event, "r", None);
    let effects = vec![
        act("first", r#"{"b": 1, "a": 2}"#),
        remember("k", Some("[1]")),
        remember("k", Some("[2]")),
        remember("forgotten", None),
        act("second", "null"),
    ];
    let done = with_effects(commit(&accepted[0], run.clone()), effects);
    let outcomes = ok(store.commit(vec![done.clone()]).await);
    assert_eq!(outcomes, [CommitOutcome::Committed]);
    drop(store);
    let store = place.open().await;
    assert_eq!(ok(store.execution(&id, run.id).await), Some(run.clone()));
    let record = some(ok(store.event(&id, run.event).await));
    assert_eq!(
        (record.state, record.done_us),
        (EventState::Done, Some(3_000))
    );
    assert_eq!(record.decisions, done.decisions);
    assert_eq!(record.stop, None);
    assert_eq!(ok(store.recall(&id, &rule("r"), "k")), Some(json("[2]")));
    assert_eq!(ok(store.recall(&id, &rule("r"), "forgotten")), None);
    let outbox = ok(store.outgoing(&id, 0, 10).await).items;
    let names: Vec<_> = outbox.iter().map(|one| one.action.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
    assert_eq!(outbox[0].action.payload.as_str(), r#"{"b": 1, "a": 2}"#);
    assert_eq!(
        (outbox[0].id, outbox[0].since_us),
        (done.effects[0].0, 3_000)
    );
    assert_eq!((outbox[0].execution, outbox[0].event), (run.id, run.event));
    let counts = ok(store.counts(&id).await);
    assert_eq!((counts.waiting, counts.done), (0, 1));
}

pub(super) async fn a_repetition_changes_nothing(place: &dyn Place) {
    let (store, accepted) = with_events(place, &["a", "b"]).await;
    let id = tenant_id("t");
    let mut run = execution(&accepted[0].event, "r", None);
    // What it recalled is changed by the commit itself.
    run.recalled = vec![recalled("n", None)];
    let effects = || vec![remember("n", Some("1")), act("x", "1")];
    let mut first = not_last(with_effects(commit(&accepted[0], run), effects()));
    first.follow_ups = vec![follow_up(&accepted[0].event, 0, None)];
    first.draw.executions = 1;
    let run = execution(&accepted[1].event, "r", None);
    let last = with_effects(commit(&accepted[1], run), effects());
    let both = vec![first.clone(), first.clone(), last.clone()];
    let outcomes = ok(store.commit(both).await);
    let [committed, repeated] = [CommitOutcome::Committed, CommitOutcome::Repeated];
    assert_eq!(outcomes, [committed.clone(), repeated.clone(), committed]);
    drop(store);
    let store = place.open().await;
    let outcomes = ok(store.commit(vec![last, first.clone()]).await);
    assert_eq!(outcomes, [repeated.clone(), repeated.clone()]);
    // A run is recognized without its decisions, and they without it.
    let mut undecided = first.clone();
    undecided.decisions.clear();
    assert_eq!(
        ok(store.commit(vec![undecided]).await),
        [CommitOutcome::Repeated]
    );
    let mut skipped = first;
    skipped.execution = None;
    skipped.effects.clear();
    assert_eq!(ok(store.commit(vec![skipped]).await), [repeated]);
    assert_eq!(ok(store.outgoing(&id, 0, 10).await).items.len(), 2);
    assert_eq!(
        ok(store.executions(&id, &Default::default(), None, 10).await)
            .items
            .len(),
        2
    );
    assert_eq!(
        ok(store.ledger(&id, accepted[0].event.id).await).executions,
        1
    );
    let expected = Counts {
        waiting: 2,
        done: 1,
        dead_lettered: 0,
    };
    assert_eq!(ok(store.counts(&id).await), expected);
}

pub(super) async fn decisions_add_up(place: &dyn Place) {
    let (store, accepted) = with_events(place, &["a", "b"]).await;
    let id = tenant_id("t");
    let run = |name, stop| execution(&accepted[0].event, name, stop);
    let first = not_last(commit(&accepted[0], run("r1", None)));
    let second = not_last(commit(&accepted[0], run("r2", Some(StopCode::Trap))));
    let mut third = commit(&accepted[0], run("r3", None));
    third.execution = None;
    third.decisions[0].outcome = Outcome::Skipped {
        reason: SkipReason::Percent,
    };
    ok(store.commit(vec![first.clone(), second.clone()]).await);
    drop(store);
    let store = place.open().await;
    let expected = [first.decisions.clone(), second.decisions.clone()].concat();
    let waiting = ok(store.pending(&id, 0, 10, u64::MAX).await);
    assert_eq!(
        waiting[0].decided, expected,
        "they are known after a restart"
    );
    assert_eq!(waiting[1].decided, []);
    let record = some(ok(store.event(&id, accepted[0].event.id).await));
    assert_eq!(
        (record.state, record.decisions),
        (EventState::Waiting, expected.clone())
    );
    ok(store.commit(vec![third.clone()]).await);
    let record = some(ok(store.event(&id, accepted[0].event.id).await));
    let expected: Vec<Decision> = [expected, third.decisions].concat();
    assert_eq!(
        (record.state, record.decisions),
        (EventState::DeadLettered, expected)
    );
    assert_eq!(ok(store.counts(&id).await).dead_lettered, 1);
    // An event that no rule wants.
    let mut unwanted = commit(&accepted[1], execution(&accepted[1].event, "r", None));
    unwanted.execution = None;
    unwanted.decisions.clear();
    assert_eq!(
        ok(store.commit(vec![unwanted]).await),
        [CommitOutcome::Committed]
    );
    let record = some(ok(store.event(&id, accepted[1].event.id).await));
    assert_eq!(
        (record.state, record.decisions.len()),
        (EventState::Done, 0)
    );
}

pub(super) async fn conflicts_are_found(place: &dyn Place) {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let (store, accepted) = with_events(place, &names).await;
    let conflict = CommitOutcome::Conflict { key: "k".into() };
    // What was recalled, what is remembered, and what becomes of it.
    let cases = [
        (None, Some("1"), CommitOutcome::Committed),
        (None, Some("2"), conflict.clone()),
        (Some("1"), Some("2"), CommitOutcome::Committed),
        // Equal as text, not as a number.
        (Some("2.0"), Some("3"), conflict.clone()),
        (Some("2"), None, CommitOutcome::Committed),
        (Some("2"), Some("3"), conflict.clone()),
        (None, Some("3"), CommitOutcome::Committed),
    ];
    for (one, (saw, remembers, expected)) in accepted.iter().zip(&cases) {
        let mut run = execution(&one.event, "r", None);
        run.recalled = vec![recalled("other", None), recalled("k", *saw)];
        let effects = vec![remember("k", *remembers), act("x", "1")];
        let outcomes = ok(store
            .commit(vec![with_effects(commit(one, run), effects)])
            .await);
        assert_eq!(&outcomes[..], std::slice::from_ref(expected), "{saw:?}");
    }
    let id = tenant_id("t");
    assert_eq!(ok(store.recall(&id, &rule("r"), "k")), Some(json("3")));
    assert_eq!(
        ok(store.outgoing(&id, 0, 10).await).items.len(),
        4,
        "no traces"
    );
    assert_eq!(ok(store.counts(&id).await).done, 4);
    // A run that was stopped for conflicts may say what it saw.
    let mut stopped = execution(&accepted[7].event, "r", Some(StopCode::StateConflict));
    stopped.recalled = vec![recalled("k", Some("0"))];
    let outcomes = ok(store.commit(vec![commit(&accepted[7], stopped)]).await);
    assert_eq!(outcomes, [CommitOutcome::Committed]);
}

pub(super) async fn remembered_state_is_bounded(place: &dyn Place) {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let (store, accepted) = with_events(place, &names).await;
    let committed = CommitOutcome::Committed;
    let too_large = |bytes| CommitOutcome::StateTooLarge { bytes };
    let cases = [
        // Key and value: 2 + 8 bytes.
        ("r", 10, vec![("k1", Some("12345678"))], committed.clone()),
        ("r", 10, vec![("k2", Some("1"))], too_large(13)),
        ("s", 10, vec![("k2", Some("1"))], committed.clone()),
        (
            "r",
            10,
            vec![("k1", Some("1")), ("k2", Some("12345"))],
            committed.clone(),
        ),
        (
            "r",
            10,
            vec![("k1", None), ("k3", Some("1"))],
            committed.clone(),
        ),
        ("r", 10, vec![("k3", Some("12"))], too_large(11)),
        // The last value of a key counts.
        (
            "r",
            10,
            vec![("k3", Some("123456")), ("k3", Some("2"))],
            committed.clone(),
        ),
        // The bound was lowered: what does not grow is still allowed.
        ("r", 5, vec![("k2", Some("123"))], committed),
        ("r", 5, vec![("k2", Some("1234"))], too_large(9)),
    ];
    for (one, (name, max, entries, expected)) in accepted.iter().zip(cases) {
        let run = execution(&one.event, name, None);
        let effects = entries.iter().map(|(key, value)| remember(key, *value));
        let mut done = with_effects(commit(one, run), effects.collect());
        done.state_bytes_max = max;
        let outcomes = ok(store.commit(vec![done]).await);
        assert_eq!(outcomes, [expected], "{name} {max} {entries:?}");
    }
    let id = tenant_id("t");
    for (key, expected) in [("k1", None), ("k2", Some("123")), ("k3", Some("2"))] {
        let value = ok(store.recall(&id, &rule("r"), key));
        assert_eq!(value, expected.map(json), "{key}");
    }
}

pub(super) async fn one_refused_commit_leaves_the_others(place: &dyn Place) {
    let (store, accepted) = with_events(place, &["a", "b", "c"]).await;
    let mut done: Vec<_> = accepted
        .iter()
        .map(|one| {
            let run = execution(&one.event, "r", None);
            let count = Some(if one.event.ce_id == "a" { "1" } else { "2" });
            with_effects(commit(one, run), vec![remember("n", count), act("x", "1")])
        })
        .collect();
    let mut stale = execution(&accepted[1].event, "r", None);
    stale.recalled = vec![recalled("n", None)];
    done[1].execution = Some(std::sync::Arc::new(stale));
    done[1].follow_ups = vec![follow_up(&accepted[1].event, 0, None)];
    done[1].decisions[0].outcome = Outcome::DeadLettered {
        execution: None,
        stop: Stop::new(StopCode::Trap, "No."),
    };
    let outcomes = ok(store.commit(done).await);
    let committed = CommitOutcome::Committed;
    let conflict = CommitOutcome::Conflict { key: "n".into() };
    assert_eq!(outcomes, [committed.clone(), conflict, committed]);
    let id = tenant_id("t");
    let waiting = ok(store.pending(&id, 0, 10, u64::MAX).await);
    assert_eq!(waiting.len(), 1);
    assert_eq!(
        (waiting[0].seq, waiting[0].decided.len()),
        (accepted[1].seq, 0)
    );
    let letters = ok(store.dead_letters(&id, &Default::default(), None, 10).await);
    assert!(letters.items.is_empty());
    assert_eq!(ok(store.outgoing(&id, 0, 10).await).items.len(), 2);
}
