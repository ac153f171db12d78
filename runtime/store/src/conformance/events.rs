//! Appending, and what waits.

use ringfence_model::{Digest, Limits, VersionId};

use super::make::{
    activation, commit, event, execution, follow_up, new_version, remember, rule, tenant,
    tenant_id, token, with_effects, with_events,
};
use super::{Place, ok, open_with_feed, some};
use crate::{Append, Backlog, Counts, EventState, StoreError};

pub(super) async fn duplicates_change_nothing(place: &dyn Place) {
    let (store, fed) = open_with_feed(place).await;
    ok(store.put_tenant(tenant("t")).await);
    let mut changed = event("t", "a");
    changed.ty = "other".into();
    for (batch, expected) in [
        (vec![event("t", "a")], vec![Append::Accepted]),
        (vec![changed.clone()], vec![Append::Duplicate]),
        (
            vec![event("t", "b"), event("t", "b"), event("t", "a")],
            vec![Append::Accepted, Append::Duplicate, Append::Duplicate],
        ),
    ] {
        assert_eq!(ok(store.append(batch).await), expected);
    }
    assert_eq!(fed.lock().len(), 2);
    let kept = some(ok(store.event(&tenant_id("t"), changed.id).await));
    assert_eq!(kept.event, event("t", "a"), "the first one stays");
    // Also when it is finished, and after a restart.
    let first = fed.lock()[0].clone();
    let run = execution(&first.event, "r", None);
    ok(store.commit(vec![commit(&first, run)]).await);
    drop(store);
    let (store, fed) = open_with_feed(place).await;
    let batch = vec![event("t", "a"), event("t", "b")];
    assert_eq!(ok(store.append(batch).await), [Append::Duplicate; 2]);
    assert!(fed.lock().is_empty());
}

pub(super) async fn a_batch_is_all_or_nothing(place: &dyn Place) {
    let (store, fed) = open_with_feed(place).await;
    ok(store.put_tenant(tenant("t")).await);
    let refused = store
        .append(vec![event("t", "a"), event("gone", "b")])
        .await;
    assert!(matches!(refused, Err(StoreError::NoTenant)), "{refused:?}");
    assert!(fed.lock().is_empty());
    let id = event("t", "a").id;
    assert_eq!(ok(store.event(&tenant_id("t"), id).await), None);
    assert_eq!(ok(store.append(Vec::new()).await), []);
}

pub(super) async fn the_feed_is_the_log(place: &dyn Place) {
    let (store, accepted) = with_events(place, &["c", "a", "b"]).await;
    let names: Vec<_> = accepted.iter().map(|one| one.event.ce_id.clone()).collect();
    assert_eq!(names, ["c", "a", "b"]);
    assert!(accepted.is_sorted_by(|a, b| a.seq < b.seq));
    let waiting = ok(store.pending(&tenant_id("t"), 0, 10, u64::MAX).await);
    for (fed, read) in accepted.iter().zip(&waiting) {
        assert_eq!((fed.seq, &fed.event), (read.seq, &read.event));
    }
    let last = some(accepted.last()).seq;
    drop(store);
    let (store, fed) = open_with_feed(place).await;
    ok(store.append(vec![event("t", "d")]).await);
    assert!(fed.lock()[0].seq > last, "places go on after a restart");
}

pub(super) async fn what_waits_can_be_read_in_pages(place: &dyn Place) {
    let (store, accepted) = with_events(place, &["a", "b", "c", "d"]).await;
    let run = execution(&accepted[1].event, "r", None);
    ok(store.commit(vec![commit(&accepted[1], run)]).await);
    let id = tenant_id("t");
    for (after, limit, expected) in [
        (0, 10, vec![0, 2, 3]),
        (0, 2, vec![0, 2]),
        (accepted[0].seq, 1, vec![2]),
        (accepted[2].seq, 5, vec![3]),
        (accepted[3].seq, 5, vec![]),
    ] {
        let read = ok(store.pending(&id, after, limit, u64::MAX).await);
        let read: Vec<_> = read.iter().map(|one| one.seq).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|index: &usize| accepted[*index].seq)
            .collect();
        assert_eq!(read, expected, "after {after}, at most {limit}");
    }
    // A page ends with the event that makes it as large as it may be.
    let size = accepted[0].event.size();
    for (bytes, count) in [
        (1, 1),
        (size, 1),
        (size + 1, 2),
        (3 * size, 3),
        (u64::MAX, 3),
    ] {
        let read = ok(store.pending(&id, 0, 10, bytes).await);
        assert_eq!(read.len(), count, "{bytes} bytes");
    }
    let expected = [Backlog {
        tenant: id.clone(),
        events: 3,
        bytes: accepted[0].event.size() * 3,
    }];
    assert_eq!(ok(store.backlog().await), expected);
    drop(store);
    let store = place.open().await;
    assert_eq!(ok(store.backlog().await), expected);
    assert_eq!(ok(store.pending(&id, 0, 10, u64::MAX).await).len(), 3);
}

pub(super) async fn tenants_do_not_see_each_other(place: &dyn Place) {
    let (store, fed) = open_with_feed(place).await;
    for name in ["t", "u"] {
        ok(store.put_tenant(tenant(name)).await);
    }
    // The same id under two tenants is two events.
    let mut twin = event("t", "a");
    twin.tenant = tenant_id("u");
    let answers = ok(store.append(vec![event("t", "a"), twin.clone()]).await);
    assert_eq!(answers, [Append::Accepted; 2]);
    let accepted = fed.lock().clone();
    let run = execution(&accepted[0].event, "r", None);
    let effects = vec![remember("k", Some("1"))];
    ok(store
        .commit(vec![with_effects(
            commit(&accepted[0], run.clone()),
            effects,
        )])
        .await);
    let (t, u) = (tenant_id("t"), tenant_id("u"));
    let state = |record: Option<crate::EventRecord>| some(record).state;
    assert_eq!(state(ok(store.event(&t, twin.id).await)), EventState::Done);
    assert_eq!(
        state(ok(store.event(&u, twin.id).await)),
        EventState::Waiting
    );
    assert!(ok(store.execution(&t, run.id).await).is_some());
    assert_eq!(ok(store.execution(&u, run.id).await), None);
    assert!(ok(store.recall(&t, &rule("r"), "k")).is_some());
    assert_eq!(ok(store.recall(&u, &rule("r"), "k")), None);
    assert_eq!(ok(store.recall(&t, &rule("s"), "k")), None);
}

pub(super) async fn a_deleted_tenant_leaves_nothing(place: &dyn Place) {
    let (store, accepted) = with_events(place, &["a", "b"]).await;
    let (t, u, limits) = (tenant_id("t"), tenant_id("u"), Limits::default());
    ok(store.put_tenant(tenant("u")).await);
    ok(store.put_token(token("t", "secret")).await);
    let shared = VersionId::of(b"shared");
    ok(store.put_activation(&t, activation("r", shared)).await);
    for (tenant, component) in [(&t, &b"own"[..]), (&t, b"shared"), (&u, b"shared")] {
        ok(store
            .put_version(tenant, new_version("r", component), &limits)
            .await);
    }
    let run = execution(&accepted[0].event, "r", None);
    let mut done = with_effects(
        commit(&accepted[0], run.clone()),
        vec![remember("k", Some("1"))],
    );
    done.follow_ups = vec![follow_up(&accepted[0].event, 0, None)];
    ok(store.commit(vec![done]).await);

    assert!(ok(store.delete_tenant(&t).await));
    assert!(!ok(store.delete_tenant(&t).await));
    let late = commit(&accepted[1], execution(&accepted[1].event, "r", None));
    let outcomes = ok(store.commit(vec![late]).await);
    assert_eq!(outcomes, [crate::CommitOutcome::Repeated]);
    let refused = store.append(vec![event("t", "z")]).await;
    assert!(matches!(refused, Err(StoreError::NoTenant)), "{refused:?}");
    // Nor does a new tenant of that name, nor after a restart.
    drop(store);
    let store = place.open().await;
    ok(store.put_tenant(tenant("t")).await);
    assert_eq!(ok(store.backlog().await), []);
    assert_eq!(ok(store.counts(&t).await), Counts::default());
    assert!(ok(store.pending(&t, 0, 10, u64::MAX).await).is_empty());
    assert_eq!(ok(store.event(&t, accepted[0].event.id).await), None);
    assert_eq!(ok(store.execution(&t, run.id).await), None);
    assert_eq!(ok(store.recall(&t, &rule("r"), "k")), None);
    assert_eq!(ok(store.token(&Digest::of(b"secret")).await), None);
    assert_eq!(ok(store.rules(&t).await), []);
    assert_eq!(ok(store.activations(&t).await), []);
    assert_eq!(ok(store.component(VersionId::of(b"own")).await), None);
    assert!(
        ok(store.component(shared).await).is_some(),
        "another has it"
    );
    assert_eq!(
        ok(store.append(vec![event("t", "a")]).await),
        [Append::Accepted]
    );
}

pub(super) async fn a_closed_store_refuses(place: &dyn Place) {
    let (store, _) = with_events(place, &["a"]).await;
    store.close().await;
    store.close().await;
    for refused in [
        store.append(vec![event("t", "b")]).await.err(),
        store.counts(&tenant_id("t")).await.err(),
        store.recall(&tenant_id("t"), &rule("r"), "k").err(),
    ] {
        assert!(matches!(refused, Some(StoreError::Closed)), "{refused:?}");
    }
    drop(store);
    let store = place.open().await;
    assert_eq!(ok(store.counts(&tenant_id("t")).await).waiting, 1);
}
