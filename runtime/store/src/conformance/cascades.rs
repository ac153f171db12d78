//! Follow-up events, ledgers and cascades.

use ringfence_model::{Ledger, StopCode};

use super::make::{commit, event, execution, follow_up, not_last, tenant, tenant_id};
use super::{Place, ok, open_with_feed, some};
use crate::{Append, CommitOutcome, Counts, EventState};

pub(super) async fn follow_ups_wait_or_are_given_up(place: &dyn Place) {
    let (store, fed) = open_with_feed(place).await;
    let id = tenant_id("t");
    ok(store.put_tenant(tenant("t")).await);
    ok(store.append(vec![event("t", "a")]).await);
    let root = fed.lock()[0].clone();
    let waits = follow_up(&root.event, 0, None);
    let given_up = follow_up(&root.event, 1, Some(StopCode::CascadeEvents));
    let mut done = commit(&root, execution(&root.event, "r", None));
    done.follow_ups = vec![waits.clone(), given_up.clone(), waits.clone()];
    assert_eq!(
        ok(store.commit(vec![done]).await),
        [CommitOutcome::Committed]
    );
    let told: Vec<_> = fed.lock().iter().map(|one| one.event.id).collect();
    assert_eq!(
        told,
        [root.event.id, waits.event.id],
        "only what waits, and once"
    );
    drop(store);
    let store = place.open().await;
    let waiting = ok(store.pending(&id, 0, 10, u64::MAX).await);
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].event, waits.event);
    let record = some(ok(store.event(&id, given_up.event.id).await));
    assert_eq!(&record.event, &*given_up.event);
    assert_eq!(
        (record.state, record.done_us),
        (EventState::DeadLettered, Some(3_000))
    );
    assert_eq!(
        (record.decisions.len(), record.stop),
        (0, given_up.stop.clone())
    );
    let letters = ok(store.dead_letters(&id, &Default::default(), None, 10).await).items;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].event, given_up.event.id);
    assert_eq!(letters[0].cascade, root.event.id);
    assert_eq!(
        (&letters[0].rule, letters[0].version, letters[0].execution),
        (&None, None, None)
    );
    assert_eq!(Some(&letters[0].stop), given_up.stop.as_ref());
    let expected = Counts {
        waiting: 1,
        done: 1,
        dead_lettered: 1,
    };
    assert_eq!(ok(store.counts(&id).await), expected);
    // They are known as events.
    let again = vec![(*waits.event).clone(), (*given_up.event).clone()];
    assert_eq!(ok(store.append(again).await), [Append::Duplicate; 2]);
}

pub(super) async fn ledgers_add_up(place: &dyn Place) {
    let (store, fed) = open_with_feed(place).await;
    let id = tenant_id("t");
    ok(store.put_tenant(tenant("t")).await);
    // The last one belongs to a cascade whose root never came here.
    let mut stray = event("t", "stray");
    stray.lineage.cascade = event("t", "unknown").id;
    ok(store
        .append(vec![event("t", "a"), event("t", "b"), stray.clone()])
        .await);
    let accepted = fed.lock().clone();
    let draw = |depth, fuel| Ledger {
        depth,
        executions: 1,
        fuel,
        events: 2,
        bytes: 100,
    };
    for (one, name, draw) in [
        (&accepted[0], "r1", draw(3, 10)),
        (&accepted[0], "r2", draw(1, 5)),
        (&accepted[0], "r3", Ledger::default()),
        (&accepted[2], "r1", draw(2, 7)),
        (&accepted[2], "r2", draw(1, u64::MAX)),
    ] {
        let mut run = not_last(commit(one, execution(&one.event, name, None)));
        run.draw = draw;
        ok(store.commit(vec![run]).await);
    }
    let expected = Ledger {
        depth: 3,
        executions: 2,
        fuel: 15,
        events: 4,
        bytes: 200,
    };
    drop(store);
    let store = place.open().await;
    assert_eq!(ok(store.ledger(&id, accepted[0].event.id).await), expected);
    assert_eq!(
        ok(store.ledger(&id, accepted[1].event.id).await),
        Ledger::default()
    );
    let of_stray = ok(store.ledger(&id, stray.lineage.cascade).await);
    assert_eq!((of_stray.depth, of_stray.executions), (2, 2));
    assert!(of_stray.fuel >= i64::MAX as u64, "a sum never wraps");
    let waiting = ok(store.pending(&id, 0, 10, u64::MAX).await);
    let ledgers: Vec<_> = waiting.iter().map(|one| one.ledger).collect();
    assert_eq!(ledgers, [expected, Ledger::default(), of_stray]);
    assert_eq!(
        ok(store.ledger(&tenant_id("u"), accepted[0].event.id).await),
        Ledger::default()
    );
}

pub(super) async fn cascades_are_told_in_order(place: &dyn Place) {
    let (store, fed) = open_with_feed(place).await;
    let id = tenant_id("t");
    ok(store.put_tenant(tenant("t")).await);
    ok(store.append(vec![event("t", "a"), event("t", "b")]).await);
    let root = fed.lock()[0].clone();
    let mut first = commit(&root, execution(&root.event, "r", None));
    first.follow_ups = (0..3)
        .map(|index| follow_up(&root.event, index, None))
        .collect();
    first.draw.events = 3;
    ok(store.commit(vec![first]).await);
    let child = fed.lock()[2].clone();
    let mut second = commit(&child, execution(&child.event, "r", Some(StopCode::Trap)));
    second.follow_ups = vec![follow_up(&child.event, 0, Some(StopCode::CascadeDepth))];
    ok(store.commit(vec![second]).await);

    let cascade = some(ok(store.cascade(&id, root.event.id, 10).await));
    let states: Vec<_> = cascade.events.iter().map(|one| one.state).collect();
    use EventState::{DeadLettered, Done, Waiting};
    assert_eq!(states, [Done, DeadLettered, Waiting, Waiting, DeadLettered]);
    assert!(cascade.events.is_sorted_by(|a, b| a.seq < b.seq));
    assert_eq!(cascade.events[0].event, *root.event);
    assert_eq!((cascade.root, cascade.truncated), (root.event.id, false));
    assert_eq!(cascade.ledger.events, 3);
    let part = some(ok(store.cascade(&id, root.event.id, 2).await));
    assert_eq!((part.events.len(), part.truncated), (2, true));
    let whole = some(ok(store.cascade(&id, root.event.id, 5).await));
    assert_eq!((whole.events.len(), whole.truncated), (5, false));
    for not_a_root in [child.event.id, event("t", "unknown").id] {
        assert_eq!(ok(store.cascade(&id, not_a_root, 10).await), None);
    }
}

pub(super) async fn the_tree_is_told_up_and_down(place: &dyn Place) {
    let (store, fed) = open_with_feed(place).await;
    let id = tenant_id("t");
    ok(store.put_tenant(tenant("t")).await);
    ok(store.append(vec![event("t", "a")]).await);
    // A chain of three events; the first run sets off one more that is refused.
    let mut runs = Vec::new();
    for step in 0..3u64 {
        let accepted = some(fed.lock().last().cloned());
        let mut run = execution(&accepted.event, "r", None);
        run.usage.fuel = 10 + step;
        runs.push((run.clone(), (*accepted.event).clone()));
        let mut done = commit(&accepted, run);
        if step < 2 {
            done.follow_ups = vec![follow_up(&accepted.event, 0, None)];
        }
        if step == 0 {
            let refused = follow_up(&accepted.event, 1, Some(StopCode::CascadeEvents));
            done.follow_ups.push(refused);
        }
        ok(store.commit(vec![done]).await);
    }
    let up = ok(store.ancestors(&id, runs[2].0.id, 10).await);
    let expected: Vec<_> = runs.iter().rev().cloned().collect();
    assert_eq!(up, expected, "the nearest first, up to the root");
    assert_eq!(ok(store.ancestors(&id, runs[2].0.id, 2).await).len(), 2);
    assert!(ok(store.ancestors(&tenant_id("u"), runs[2].0.id, 9).await).is_empty());
    let root = runs[0].1.id;
    let (down, truncated) = ok(store.cascade_runs(&id, root, 10).await);
    assert!(!truncated);
    let told: Vec<_> = down
        .iter()
        .map(|run| (run.id, run.parent, run.depth, run.fuel, run.events))
        .collect();
    let [a, b, c] = [runs[0].0.id, runs[1].0.id, runs[2].0.id];
    let expected = [
        (a, None, 0, 10, 2),
        (b, Some(a), 1, 11, 1),
        (c, Some(b), 2, 12, 0),
    ];
    assert_eq!(told, expected);
    assert_eq!(down[1].event_type, runs[1].1.ty);
    let (few, truncated) = ok(store.cascade_runs(&id, root, 2).await);
    assert_eq!((few.len(), truncated), (2, true));
    let no_root = runs[1].1.id;
    assert!(ok(store.cascade_runs(&id, no_root, 9).await).0.is_empty());
}
