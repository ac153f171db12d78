//! Events that sleep, because rules that they wait for are in quarantine or
//! paused.

use ringfence_model::{RuleName, StopCode};

use super::make::{commit, decision, execution, rule, tenant_id, with_events};
use super::{Place, ok, some};
use crate::{Accepted, CommitOutcome, EventState, Pending, RunCommit, Sleepers, Woken};

/// The last commit of an event that waits for these rules.
fn sleeps(accepted: &Accepted, parks: &[&str]) -> RunCommit {
    RunCommit {
        parks: parks.iter().map(|name| rule(name)).collect(),
        ..commit(accepted, execution(&accepted.event, "r", None))
    }
}

fn seqs(pending: &[Pending]) -> Vec<u64> {
    pending.iter().map(|pending| pending.seq).collect()
}

fn woken_seqs(woken: &[Woken]) -> Vec<u64> {
    woken.iter().map(|woken| woken.pending.seq).collect()
}

pub(super) async fn events_sleep_and_wake(place: &dyn Place) {
    let (store, accepted) = with_events(place, &["a", "b", "c", "d"]).await;
    let id = tenant_id("t");
    let [a, b, c, d] = &accepted[..] else {
        panic!("four were accepted");
    };
    let commits = vec![
        sleeps(a, &["x"]),
        sleeps(b, &["x", "y"]),
        sleeps(c, &["x"]),
        commit(d, execution(&d.event, "r", None)),
    ];
    assert_eq!(
        ok(store.commit(commits).await),
        vec![CommitOutcome::Committed; 4]
    );
    assert!(
        ok(store.pending(&id, 0, 10, u64::MAX).await).is_empty(),
        "none is work"
    );
    let counts = ok(store.counts(&id).await);
    assert_eq!((counts.waiting, counts.done), (3, 1), "but they wait");
    let record = some(ok(store.event(&id, b.event.id).await));
    assert_eq!(record.state, EventState::Waiting);
    assert_eq!(record.parked, [rule("x"), rule("y")]);
    drop(store);
    let store = place.open().await;
    let all = ok(store.parked(None, 10).await);
    let parked: Vec<(RuleName, u64)> = all.iter().map(|one| (one.rule.clone(), one.seq)).collect();
    let of_x = |accepted: &Accepted| (rule("x"), accepted.seq);
    assert_eq!(parked, [of_x(a), of_x(b), of_x(c), (rule("y"), b.seq)]);
    assert!(all.iter().all(|one| one.tenant == id));
    assert_eq!(all[1].subject, b.event.subject);
    // In pages.
    assert_eq!(ok(store.parked(None, 2).await), all[..2]);
    assert_eq!(ok(store.parked(Some(&all[1]), 9).await), all[2..]);
    // The first two, in the order of the log; what was decided is known.
    let woken = ok(store.wake(&id, &rule("x"), 2).await);
    assert_eq!(woken_seqs(&woken), [a.seq, b.seq]);
    let first = &woken[0].pending;
    assert_eq!((first.decided.len(), first.slept), (1, true));
    assert_eq!(woken[1].parked, [rule("x"), rule("y")]);
    let left = ok(store.parked(None, 10).await);
    assert_eq!(left.len(), 1, "b sleeps for y no more");
    assert_eq!(
        seqs(&ok(store.pending(&id, 0, 10, u64::MAX).await)),
        [a.seq, b.seq]
    );
    assert_eq!(
        woken_seqs(&ok(store.wake(&id, &rule("x"), 9).await)),
        [c.seq]
    );
    assert!(ok(store.wake(&id, &rule("x"), 9).await).is_empty());
    // It waits for the other rule still, and is woken for it again.
    let again = RunCommit {
        execution: None,
        decisions: Vec::new(),
        ..sleeps(b, &["y"])
    };
    assert_eq!(
        ok(store.commit(vec![again]).await),
        [CommitOutcome::Committed]
    );
    assert_eq!(
        woken_seqs(&ok(store.wake(&id, &rule("y"), 9).await)),
        [b.seq]
    );
    let last = commit(b, execution(&b.event, "y", None));
    assert_eq!(
        ok(store.commit(vec![last]).await),
        [CommitOutcome::Committed]
    );
    let record = some(ok(store.event(&id, b.event.id).await));
    assert_eq!(
        (record.state, record.decisions.len()),
        (EventState::Done, 2)
    );
    assert!(ok(store.parked(None, 10).await).is_empty());
}

pub(super) async fn sleepers_are_kept(place: &dyn Place) {
    let (store, accepted) = with_events(place, &["a", "b"]).await;
    let id = tenant_id("t");
    let at = |accepted: &Accepted, rules: &[&str], done_us| RunCommit {
        completion: Some(crate::Completion { done_us }),
        ..sleeps(accepted, rules)
    };
    ok(store
        .commit(vec![
            at(&accepted[0], &["x"], 100),
            at(&accepted[1], &["y"], 100),
        ])
        .await);
    ok(store.keep(&id, &rule("x"), 101, 500).await);
    ok(store.keep(&id, &rule("y"), 100, 500).await);
    ok(store.keep(&tenant_id("nobody"), &rule("y"), 900, 900).await);
    let old = ok(store.sleeping(&Sleepers::Since(500), 10).await);
    assert_eq!(old.len(), 1, "the other sleeps since 500");
    assert_eq!(old[0].seq, accepted[1].seq);
    assert_eq!(ok(store.sleeping(&Sleepers::Since(501), 10).await).len(), 2);
}

pub(super) async fn sleepers_are_given_up(place: &dyn Place) {
    let (store, accepted) = with_events(place, &["a", "b"]).await;
    let id = tenant_id("t");
    let early = RunCommit {
        completion: Some(crate::Completion { done_us: 100 }),
        ..sleeps(&accepted[0], &["x", "y"])
    };
    ok(store
        .commit(vec![early, sleeps(&accepted[1], &["x"])])
        .await);
    let old = ok(store.sleeping(&Sleepers::Since(101), 10).await);
    assert_eq!(old.len(), 1);
    assert_eq!(old[0].event, accepted[0].event);
    assert_eq!(old[0].parked, [rule("x"), rule("y")]);
    let of_x = Sleepers::Of(id.clone(), rule("x"));
    assert_eq!(ok(store.sleeping(&of_x, 10).await).len(), 2);
    // Given up for one rule, it sleeps on for the other.
    let stopped = execution(&accepted[0].event, "x", Some(StopCode::Quarantined));
    let given_up = RunCommit {
        execution: None,
        decisions: vec![decision(&stopped)],
        asleep: true,
        ..sleeps(&accepted[0], &["y"])
    };
    assert_eq!(
        ok(store.commit(vec![given_up.clone()]).await),
        [CommitOutcome::Committed]
    );
    assert_eq!(ok(store.sleeping(&of_x, 10).await).len(), 1);
    let old = ok(store.sleeping(&Sleepers::Since(101), 10).await);
    assert_eq!(old.len(), 1, "as long as it has");
    // Once it is awake, it is whoever runs it that decides.
    ok(store.wake(&id, &rule("y"), 1).await);
    assert_eq!(
        ok(store.commit(vec![given_up]).await),
        [CommitOutcome::Repeated]
    );
    let last = commit(&accepted[0], execution(&accepted[0].event, "y", None));
    assert_eq!(
        ok(store.commit(vec![last]).await),
        [CommitOutcome::Committed]
    );
    let record = some(ok(store.event(&id, accepted[0].event.id).await));
    assert_eq!(record.state, EventState::DeadLettered);
}
