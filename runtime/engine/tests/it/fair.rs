//! Who has small work does not wait for who has large.

use ringfence_model::LimitOverrides;
use ringfence_store::EventState;

use crate::host::{Host, LOOK, config};

/// Both workers make runs of some seconds of CPU time; a cheap run is made and
/// durable before one of them ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_cheap_run_does_not_wait_for_large_ones_on_all_workers() {
    let folder = tempfile::tempdir().unwrap();
    let calm = Host::start(folder.path(), config(100)).await;
    calm.put_tenant(LimitOverrides::default()).await;
    calm.activate("escalate-urgent").await;
    let urgent = r#"{"priority": "urgent"}"#;
    let event = |id: &str| calm.event(id, "conversation.created", None, urgent);
    // Since then it is known what its runs cost.
    calm.accept(vec![event("first")]).await;
    calm.finished().await;

    let wild = Host {
        engine: calm.engine.clone(),
        tenant: "wild".parse().unwrap(),
    };
    wild.put_tenant(LimitOverrides {
        fuel: Some(10_000_000_000),
        cascade_fuel: Some(100_000_000_000),
        deadline_ms: Some(30_000),
        ..LimitOverrides::default()
    })
    .await;
    wild.activate("infinite-loop").await;
    let loops = ["l1", "l2"].map(|id| wild.event(id, "conversation.created", None, "{}"));
    wild.accept(loops.into()).await;
    while wild.engine.stats().running < 2 {
        tokio::time::sleep(LOOK).await;
    }

    let late = event("late");
    let id = late.id;
    calm.accept(vec![late]).await;
    let store = calm.engine.store();
    let done = async || {
        let record = store.event(&calm.tenant, id).await.unwrap();
        record.is_some_and(|record| record.state == EventState::Done)
    };
    while !done().await {
        tokio::time::sleep(LOOK).await;
    }
    assert_eq!(wild.counts().await.waiting, 2, "the large runs go on");
    calm.stop().await;
}
