//! Who loops still gets fresh work done.

use ringfence_engine::{EngineConfig, PulseConfig};
use ringfence_model::{AnomalyKind, LimitOverrides};
use ringfence_store::EventState;

use crate::host::{Host, LOOK, config};

fn roomy() -> LimitOverrides {
    LimitOverrides {
        cascade_depth: Some(10_000),
        cascade_executions: Some(1_000_000),
        cascade_events: Some(1_000_000),
        cascade_fuel: Some(1_000_000_000_000),
        cascade_bytes: Some(1_000_000_000),
        ..LimitOverrides::default()
    }
}

/// The window holds 300 events, and many more follow-ups wait on disk.
#[tokio::test(flavor = "multi_thread")]
async fn root_events_go_before_what_a_loop_set_off() {
    let folder = tempfile::tempdir().unwrap();
    let quick = EngineConfig {
        pulse: PulseConfig {
            sustained_us: 200_000,
            ..PulseConfig::default()
        },
        ..config(300)
    };
    let host = Host::start(folder.path(), quick).await;
    host.put_tenant(roomy()).await;
    for rule in ["fan-out", "escalate-urgent"] {
        host.activate(rule).await;
    }
    host.accept(vec![host.event(
        "flood",
        "task.created",
        None,
        r#"{"path": ""}"#,
    )])
    .await;
    while !host.engine.is_dampened(&host.tenant) || host.counts().await.waiting < 2_000 {
        tokio::time::sleep(LOOK).await;
    }
    let urgent = r#"{"priority": "urgent"}"#;
    // Without a subject: with one, a filter may err, and then it waits.
    let fresh: Vec<_> = ["f1", "f2", "f3"]
        .iter()
        .map(|id| host.event(id, "conversation.created", None, urgent))
        .collect();
    let ids: Vec<_> = fresh.iter().map(|event| event.id).collect();
    host.accept(fresh).await;
    let store = host.engine.store();
    for id in ids {
        let done = loop {
            let record = store.event(&host.tenant, id).await.unwrap().unwrap();
            if record.state != EventState::Waiting {
                break record;
            }
            tokio::time::sleep(LOOK).await;
        };
        assert_eq!(done.state, EventState::Done);
        // Far more than are in memory, each of them older.
        let waiting = store.pending(&host.tenant, 0, 500, u64::MAX).await.unwrap();
        let older = waiting.iter().filter(|older| older.seq < done.seq);
        assert_eq!(older.count(), 500);
        assert!(waiting.iter().all(|one| one.event.lineage.depth > 0));
    }
    let page = store.anomalies(&host.tenant, None, 10).await.unwrap();
    assert_eq!(page.items[0].anomaly.kind, AnomalyKind::Reproduction);
    host.stop().await;
}
