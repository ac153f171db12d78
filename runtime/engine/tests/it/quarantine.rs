//! A rule that ends the processes that run it is not run any more.

use std::path::Path;

use ringfence_engine::NewActivation;
use ringfence_model::{Event, Json, LimitOverrides, Mode, StopCode};
use ringfence_store::{DeadLetterFilter, Outcome, SkipReason};

use crate::host::Host;

/// Less than a worker takes for an event of `LARGE` (twice its bytes), and more
/// than for anything else here.
const HEADROOM: u64 = 6 << 20;
const LARGE: usize = 3_900_000;

/// A host whose tenant may send large events.
async fn host(folder: &Path) -> Host {
    let host = Host::start_in_workers(folder, HEADROOM).await;
    host.put_tenant(LimitOverrides {
        event_bytes: Some(4 << 20),
        ..LimitOverrides::default()
    })
    .await;
    host
}

/// An event that `escalate-urgent` acts on, with a text of so many bytes.
fn urgent(host: &Host, id: usize, bytes: usize) -> Event {
    let text = "x".repeat(bytes);
    let data = format!(r#"{{"priority": "urgent", "text": "{text}"}}"#);
    host.event(&format!("e{id}"), "conversation.created", None, &data)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_kills_two_workers_in_evaluations_waits_too() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path()).await;
    host.activate("escalate-urgent").await;
    let large = urgent(&host, 1, LARGE);
    let place = host.engine.evaluation_place(&host.tenant).unwrap();
    let evaluated = host.engine.evaluate(place, large).await.unwrap();
    let stop = evaluated[0].outcome.as_ref().unwrap_err();
    assert_eq!(stop.code, StopCode::CrashedWorker);
    let activation = host.engine.activations(&host.tenant).unwrap().remove(0);
    let quarantine = activation.activation.quarantine.clone().unwrap();
    assert_eq!(&quarantine.stop, stop);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_kills_two_workers_waits_to_be_activated_again() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path()).await;
    let version = host.activate("escalate-urgent").await;
    // Events before, beside and after the one that kills.
    let mut events: Vec<_> = (0..30).map(|id| urgent(&host, id, 10)).collect();
    host.accept(events.clone()).await;
    host.finished().await;
    assert_eq!(host.actions().await.len(), 30);
    events.push(urgent(&host, 30, LARGE));
    host.accept(vec![events[30].clone()]).await;
    let counts = host.finished().await;
    assert_eq!((counts.done, counts.dead_lettered), (30, 1));

    let store = host.engine.store();
    let all = DeadLetterFilter::default();
    let letters = store.dead_letters(&host.tenant, &all, None, 10);
    let letters = letters.await.unwrap();
    let stop = &letters.items[0].stop;
    assert_eq!(stop.code, StopCode::CrashedWorker);
    assert!(stop.message.contains("memory allocation of"), "{stop:?}");

    // It is durable, visible, and holds for what comes.
    host.stop().await;
    let host = Host::start_in_workers(folder.path(), HEADROOM).await;
    let activation = host.engine.activations(&host.tenant).unwrap().remove(0);
    let quarantine = activation.activation.quarantine.clone().unwrap();
    assert_eq!(quarantine.stop.code, StopCode::CrashedWorker);
    let skipped = urgent(&host, 31, 10);
    host.accept(vec![skipped.clone()]).await;
    host.finished().await;
    let story = host.engine.store().event(&host.tenant, skipped.id).await;
    let decisions = story.unwrap().unwrap().decisions;
    let reason = SkipReason::Quarantined;
    assert_eq!(decisions[0].outcome, Outcome::Skipped { reason });
    assert_eq!(host.actions().await.len(), 30);

    // Somebody has looked at it.
    let again = NewActivation {
        version,
        config: Json::empty_object(),
        mode: Mode::Enforce,
        percent: 100,
        limits: LimitOverrides::default(),
        loops: None,
    };
    let rule = &activation.activation.rule;
    let lifted = host.engine.activate(&host.tenant, rule, again).await;
    assert_eq!(lifted.unwrap().activation.quarantine, None);
    host.accept(vec![urgent(&host, 32, 10)]).await;
    host.finished().await;
    assert_eq!(host.actions().await.len(), 31);
    host.stop().await;
}
