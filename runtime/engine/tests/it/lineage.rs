//! Events that come back from the host application.

use ringfence_model::{Event, ExecutionId, LimitOverrides, Lineage, Origin};
use ringfence_store::EventState;

use crate::host::{Host, config};

const URGENT: &str = r#"{"priority": "urgent"}"#;

/// An event that an execution in this cascade led to.
fn returned(host: &Host, id: &str, lineage: Lineage) -> Event {
    // Another state each time, or it would be a loop.
    let data = format!(r#"{{"priority": "urgent", "state": "{id}"}}"#);
    Event {
        lineage,
        ..host.event(id, "conversation.created", Some("c-1"), &data)
    }
}

/// Its ancestors are those of the run that led to it, and that run; where the
/// journal does not know the run, it belongs to the cascade all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_come_back_have_the_ancestors_of_their_cause() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), config(50)).await;
    host.put_tenant(LimitOverrides::default()).await;
    host.activate("escalate-urgent").await;
    let root = host.event("root", "conversation.created", Some("c-1"), URGENT);
    host.accept(vec![root.clone()]).await;
    host.finished().await;
    let mut cause = host.actions().await[0].execution;
    for depth in 1..4 {
        let lineage = Lineage {
            cascade: root.id,
            depth,
            parent: Some(cause),
            origin: Origin::Returned,
        };
        let back = returned(&host, &format!("back-{depth}"), lineage);
        let id = back.id;
        let receipts = host.engine.accept(&host.tenant, vec![back]).await.unwrap();
        assert_eq!((receipts[0].event, receipts[0].lineage), (id, lineage));
        host.finished().await;
        let store = host.engine.store();
        let record = store.event(&host.tenant, id).await.unwrap().unwrap();
        let parent = store.parent(&host.tenant, cause).await.unwrap().unwrap();
        assert_eq!(record.event.ancestry, parent.ancestry);
        assert_eq!(record.event.ancestry.as_slice().len(), depth as usize);
        let actions = host.actions().await;
        cause = actions.last().unwrap().execution;
    }
    let forgotten = Lineage {
        cascade: root.id,
        depth: 9,
        parent: Some(ExecutionId::from_bytes([9; 16])),
        origin: Origin::Returned,
    };
    let stray = returned(&host, "stray", forgotten);
    host.accept(vec![stray.clone()]).await;
    host.finished().await;
    let store = host.engine.store();
    let record = store.event(&host.tenant, stray.id).await.unwrap().unwrap();
    assert_eq!(
        (record.state, record.event.lineage),
        (EventState::Done, forgotten)
    );
    assert!(record.event.ancestry.as_slice().is_empty());
    let ledger = store.ledger(&host.tenant, root.id).await.unwrap();
    assert_eq!((ledger.events, ledger.executions, ledger.depth), (4, 5, 9));
    host.stop().await;
}

/// One that is too deep is stopped in its turn; its cascade goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_too_deep_ends_its_own_branch() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), config(50)).await;
    let limits = LimitOverrides {
        cascade_depth: Some(2),
        ..LimitOverrides::default()
    };
    host.put_tenant(limits).await;
    host.activate("escalate-urgent").await;
    let root = host.event("root", "conversation.created", Some("c-1"), URGENT);
    let at = |depth| Lineage {
        cascade: root.id,
        depth,
        parent: Some(ExecutionId::from_bytes([9; 16])),
        origin: Origin::Inferred,
    };
    let events = vec![
        root.clone(),
        returned(&host, "deep", at(3)),
        returned(&host, "flat", at(2)),
    ];
    host.accept(events).await;
    let counts = host.finished().await;
    assert_eq!((counts.done, counts.dead_lettered), (2, 1));
    assert_eq!(host.actions().await.len(), 2);
    let store = host.engine.store();
    let ledger = store.ledger(&host.tenant, root.id).await.unwrap();
    assert_eq!((ledger.events, ledger.executions, ledger.depth), (2, 2, 3));
    host.stop().await;
}
