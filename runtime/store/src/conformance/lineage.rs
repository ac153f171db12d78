//! Keys for lineage tokens, and where events come from.

use ringfence_model::{Event, ExecutionId, Ledger, Lineage, Origin};

use super::make::{
    commit, event, execution, follow_up, not_last, rule, tenant, tenant_id, with_events,
};
use super::{Place, ok, open_with_feed, some};
use crate::{LINEAGE_KEYS_MAX, StoreError};

pub(super) async fn keys_are_numbered_and_the_newest_stays(place: &dyn Place) {
    let store = place.open().await;
    assert_eq!(ok(store.lineage_keys().await), []);
    assert_eq!(ok(store.remove_lineage_keys(9).await), 0);
    let mut keys = Vec::new();
    for secret in [[1; 32], [2; 32], [3; 32]] {
        keys.push(ok(store.put_lineage_key(secret, 5).await));
    }
    let numbers: Vec<u32> = keys.iter().map(|key| key.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    drop(store);
    let store = place.open().await;
    assert_eq!(ok(store.lineage_keys().await), keys);
    assert_eq!((keys[1].secret, keys[1].since_us), ([2; 32], 5));
    assert_eq!(ok(store.remove_lineage_keys(1).await), 1);
    assert_eq!(ok(store.lineage_keys().await), keys[1..]);
    assert_eq!(ok(store.remove_lineage_keys(u32::MAX).await), 1);
    assert_eq!(ok(store.lineage_keys().await), keys[2..]);
    // A number is never given again.
    assert_eq!(ok(store.put_lineage_key([4; 32], 6).await).number, 4);
}

pub(super) async fn keys_are_bounded(place: &dyn Place) {
    let store = place.open().await;
    for _ in 0..LINEAGE_KEYS_MAX {
        ok(store.put_lineage_key([1; 32], 5).await);
    }
    let full = store.put_lineage_key([1; 32], 5).await;
    let is_full = matches!(full, Err(StoreError::Full { max, .. }) if max == LINEAGE_KEYS_MAX);
    assert!(is_full, "{full:?}");
}

/// An event that came back from outside, with what a run on this one led to.
fn returned(cause: &Event, run: ExecutionId, name: &str) -> Event {
    Event {
        lineage: Lineage {
            cascade: cause.lineage.cascade,
            depth: cause.lineage.depth + 1,
            parent: Some(run),
            origin: Origin::Returned,
        },
        ..event("t", name)
    }
}

pub(super) async fn an_execution_knows_what_led_to_it(place: &dyn Place) {
    let (store, accepted) = with_events(place, &["a"]).await;
    let root = &accepted[0];
    let run = execution(&root.event, "r", None);
    let (id, fingerprint) = (run.id, run.fingerprint);
    let mut first = commit(root, run);
    let child = follow_up(&root.event, 0, None);
    first.follow_ups = vec![child.clone()];
    ok(store.commit(vec![first]).await);
    let tenant = tenant_id("t");
    let waiting = ok(store.pending(&tenant, 0, 10, u64::MAX).await);
    let second = execution(&child.event, "s", None);
    let (of_child, of_root) = (second.id, id);
    let accepted = crate::Accepted {
        seq: waiting[0].seq,
        event: waiting[0].event.clone(),
        ledger: Ledger::default(),
    };
    ok(store.commit(vec![commit(&accepted, second)]).await);
    for (id, name, cause) in [(of_root, "r", &root.event), (of_child, "s", &child.event)] {
        let parent = some(ok(store.parent(&tenant, id).await));
        assert_eq!((parent.rule, parent.lineage), (rule(name), cause.lineage));
        assert_eq!(parent.ancestry, cause.ancestry.with(fingerprint));
    }
    let nobody = ExecutionId::from_bytes([9; 16]);
    for (of, id) in [("t", nobody), ("u", of_root)] {
        assert_eq!(ok(store.parent(&tenant_id(of), id).await), None);
    }
}

pub(super) async fn events_know_their_place(place: &dyn Place) {
    let (store, accepted) = with_events(place, &["a"]).await;
    let root = &accepted[0].event;
    let run = ExecutionId::from_bytes([9; 16]);
    let back = returned(root, run, "back");
    let guessed = Event {
        lineage: Lineage {
            origin: Origin::Inferred,
            ..back.lineage
        },
        ..event("t", "guessed")
    };
    ok(store.append(vec![back.clone(), guessed.clone()]).await);
    let unknown = event("t", "unknown").id;
    let ids = vec![guessed.id, root.id, unknown, back.id];
    let expected = [guessed.lineage, root.lineage, root.lineage, back.lineage].map(Some);
    let found = ok(store.lineages(&tenant_id("t"), ids.clone()).await);
    assert_eq!(found[2], None);
    for index in [0, 1, 3] {
        assert_eq!(found[index], expected[index]);
    }
    let of_others = ok(store.lineages(&tenant_id("u"), ids).await);
    assert_eq!(of_others, [None; 4]);
}

/// As committed before it, also after a restart; and also where the root is
/// not known (any more).
pub(super) async fn who_arrives_in_a_cascade_is_told_its_ledger(place: &dyn Place) {
    let (store, fed) = open_with_feed(place).await;
    ok(store.put_tenant(tenant("t")).await);
    ok(store.append(vec![event("t", "a")]).await);
    let root = fed.lock()[0].clone();
    let run = execution(&root.event, "r", None);
    let id = run.id;
    let mut first = not_last(commit(&root, run));
    let draw = Ledger {
        executions: 1,
        fuel: 10,
        ..Ledger::default()
    };
    first.draw = draw;
    ok(store.commit(vec![first]).await);
    let mut stray = returned(&root.event, id, "stray");
    stray.lineage.cascade = event("t", "unknown").id;
    let events = vec![returned(&root.event, id, "back"), stray];
    ok(store.append(events).await);
    let arrived = fed.lock()[1..].to_vec();
    let ledgers: Vec<Ledger> = arrived.iter().map(|one| one.ledger).collect();
    assert_eq!(ledgers, [draw, Ledger::default()]);
    // Each draws what it is by arriving.
    let arrival = Ledger {
        depth: 1,
        events: 1,
        bytes: 7,
        ..Ledger::default()
    };
    for one in &arrived {
        let mut done = commit(one, execution(&one.event, "r", None));
        done.draw = arrival;
        ok(store.commit(vec![done]).await);
    }
    drop(store);
    let store = place.open().await;
    for (one, before) in arrived.iter().zip(ledgers) {
        let cascade = one.event.lineage.cascade;
        let ledger = ok(store.ledger(&tenant_id("t"), cascade).await);
        assert_eq!(ledger, before.after(&arrival));
    }
    let cascade = some(ok(store.cascade(&tenant_id("t"), root.event.id, 9).await));
    assert_eq!(cascade.events[1].event.lineage.origin, Origin::Returned);
}
