//! Evaluations: what becomes of those who wait.

use ringfence_engine::{EngineConfig, EngineError, Evaluated};
use ringfence_model::{LimitOverrides, StopCode};
use tokio::task::JoinHandle;

use crate::host::{Host, LOOK, config};

type Waits = JoinHandle<Result<Vec<Evaluated>, EngineError>>;

/// A host whose tenant makes one run at a moment, half a second of a loop for
/// each event.
async fn host(folder: &std::path::Path) -> Host {
    let host = Host::start(
        folder,
        EngineConfig {
            workers: 1,
            ..config(100)
        },
    )
    .await;
    host.put_tenant(LimitOverrides {
        fuel: Some(2_000_000_000),
        cascade_fuel: Some(100_000_000_000),
        deadline_ms: Some(30_000),
        evaluate_ms: Some(60_000),
        concurrent_executions: Some(1),
        ..LimitOverrides::default()
    })
    .await;
    host.activate("infinite-loop").await;
    host
}

/// Waits for so many evaluations, of which one runs.
async fn ask(host: &Host, count: usize) -> Vec<Waits> {
    let waiting = (0..count).map(|id| {
        let event = host.event(&format!("e{id}"), "conversation.created", None, "{}");
        let place = host.engine.evaluation_place(&host.tenant).unwrap();
        let engine = host.engine.clone();
        tokio::spawn(async move { engine.evaluate(place, event).await })
    });
    let waiting = waiting.collect();
    while host.engine.stats().running == 0 {
        tokio::time::sleep(LOOK).await;
    }
    waiting
}

/// The first has been run, or it was too late for that, too; the rest were not.
async fn all_are_told(waiting: Vec<Waits>, otherwise: fn(&EngineError) -> bool) {
    let mut refused = 0;
    for one in waiting {
        match one.await.unwrap() {
            Ok(evaluated) => {
                let stop = evaluated[0].outcome.as_ref().unwrap_err();
                assert_eq!(stop.code, StopCode::OutOfFuel);
            }
            Err(error) => {
                assert!(otherwise(&error), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_when_the_engine_stops_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path()).await;
    let waiting = ask(&host, 16).await;
    host.engine.drain().await;
    all_are_told(waiting, |error| matches!(error, EngineError::Draining)).await;
    let refused = host.engine.evaluation_place(&host.tenant);
    assert!(matches!(refused, Err(EngineError::Draining)));
    assert_eq!(host.engine.stats().evaluations, 0);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_when_its_tenant_goes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path()).await;
    let waiting = ask(&host, 16).await;
    let deleted = host.engine.delete_tenant(&host.tenant).await;
    assert!(deleted.unwrap().is_some());
    all_are_told(waiting, |error| matches!(error, EngineError::NoTenant(_))).await;
    assert_eq!(host.engine.stats().evaluations, 0);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_no_rule_wants_is_answered_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path()).await;
    let waiting = ask(&host, 2).await;
    let place = host.engine.evaluation_place(&host.tenant).unwrap();
    let event = host.event("e", "nobody.wants", None, "{}");
    assert!(host.engine.evaluate(place, event).await.unwrap().is_empty());
    for one in waiting {
        one.abort();
    }
    host.stop().await;
}
