//! What the engine refuses, and where cascades end.

use std::time::Duration;

use ringfence_engine::EngineError;
use ringfence_model::{LimitOverrides, StopCode};
use ringfence_store::DeadLetterFilter;

use crate::host::{Host, config, spam};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_may_wait_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), config(100)).await;
    let few = LimitOverrides {
        waiting_events: Some(10),
        events_per_second: Some(1),
        events_burst: Some(50),
        event_bytes: Some(100),
        ..LimitOverrides::default()
    };
    host.put_tenant(few).await;
    let batch = |from: usize, count: usize| -> Vec<_> {
        (from..from + count)
            .map(|id| spam(&host, id, "m-1", "eve"))
            .collect()
    };
    let refused = host.engine.accept(&host.tenant, batch(0, 11)).await;
    assert!(
        matches!(
            refused,
            Err(EngineError::TooMuchWaiting {
                limit: 10,
                waiting: 0,
                ..
            })
        ),
        "{refused:?}"
    );
    let mut large = batch(0, 3);
    large[2] = spam(&host, 2, "m-1", &"e".repeat(200));
    let refused = host.engine.accept(&host.tenant, large).await;
    assert!(
        matches!(
            refused,
            Err(EngineError::EventTooLarge {
                index: 2,
                limit: 100,
                ..
            })
        ),
        "{refused:?}"
    );
    assert_eq!(host.counts().await.done, 0);
    let mut sent = 0;
    let too_fast = loop {
        match host.engine.accept(&host.tenant, batch(sent, 10)).await {
            Ok(_) => sent += 10,
            Err(EngineError::TooFast { retry_after_us, .. }) => break retry_after_us,
            Err(error) => panic!("{error}"),
        }
        host.finished().await;
        assert!(sent <= 100, "never too fast");
    };
    assert!(too_fast.is_some());
    assert_eq!(host.finished().await.done, sent as u64);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cascade_that_fans_out_ends_and_everything_is_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), config(64)).await;
    host.put_tenant(LimitOverrides::default()).await;
    host.activate("fan-out").await;
    let event = host.event("t1", "task.created", Some("t-1"), r#"{"task": "grow"}"#);
    let root = event.id;
    host.accept(vec![event]).await;
    let counts = host.finished().await;
    let store = host.engine.store();
    let cascade = store.cascade(&host.tenant, root, 1).await.unwrap().unwrap();
    let ledger = cascade.ledger;
    assert_eq!(ledger.events, 1_000);
    assert!(ledger.executions <= 1_000);
    // Every run emits ten events: one more than fits ends the cascade.
    assert_eq!(
        counts.done + counts.dead_lettered,
        1 + ledger.executions * 10
    );
    let filter = DeadLetterFilter::default();
    let letters = store
        .dead_letters(&host.tenant, &filter, None, 100)
        .await
        .unwrap();
    assert!(!letters.items.is_empty());
    for letter in letters.items {
        assert_eq!(letter.stop.code, StopCode::CascadeEvents, "{letter:?}");
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_evaluation_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), config(100)).await;
    host.put_tenant(LimitOverrides::default()).await;
    let version = host.activate("three-strikes").await;
    for _ in 0..4 {
        let event = spam(&host, 1, "m-1", "eve");
        let place = host.engine.evaluation_place(&host.tenant).unwrap();
        let evaluated = host.engine.evaluate(place, event).await.unwrap();
        assert_eq!(evaluated.len(), 1);
        assert_eq!(evaluated[0].version, version);
        assert_eq!(evaluated[0].outcome.as_ref().unwrap().len(), 1);
    }
    let counts = host.counts().await;
    assert_eq!((counts.waiting, counts.done), (0, 0));
    assert!(host.actions().await.is_empty());
    host.stop().await;
}

/// Where many tenants have much to do, it waits for its turn, and not behind
/// what others have on the way to the disk.
#[tokio::test(flavor = "multi_thread")]
async fn results_on_their_way_to_the_disk_are_bounded_for_all_together() {
    let folder = tempfile::tempdir().unwrap();
    let first = Host::start(folder.path(), config(1_000)).await;
    let tenants = (0..24).map(|number| Host {
        engine: first.engine.clone(),
        tenant: format!("t{number}").parse().unwrap(),
    });
    let tenants: Vec<Host> = tenants.collect();
    first.engine.pause_host().await.unwrap();
    for host in &tenants {
        host.put_tenant(LimitOverrides::default()).await;
        host.activate("escalate-urgent").await;
        let urgent = r#"{"priority": "urgent"}"#;
        let event = |id: u32| host.event(&id.to_string(), "conversation.created", None, urgent);
        host.accept((0..100).map(event).collect()).await;
    }
    let other = rusqlite::Connection::open(folder.path().join("db")).unwrap();
    first.engine.resume_host().await.unwrap();
    // The store cannot write meanwhile.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (mut under_way, mut before) = (0, None);
    while before != Some(under_way) {
        before = Some(under_way);
        tokio::time::sleep(Duration::from_millis(300)).await;
        under_way = first.engine.stats().committing;
    }
    other.execute_batch("COMMIT").unwrap();
    // What two commits hold, and as much again of who has little to do.
    assert!((16..=256).contains(&under_way), "{under_way}");
    for host in &tenants {
        let counts = host.finished().await;
        assert_eq!((counts.done, counts.dead_lettered), (100, 0));
    }
    first.stop().await;
}
