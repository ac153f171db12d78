//! Growth is known, told and dampened; what only goes on for long is not.

use std::time::Duration;

use ringfence_tests::{PATIENCE, Server, Tenant, event};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// Room for cascades that go on for long.
fn roomy() -> Value {
    json!({
        "cascade_depth": 10_000, "cascade_executions": 50_000, "cascade_events": 50_000,
        "cascade_fuel": 100_000_000_000_u64, "cascade_bytes": 100_000_000,
    })
}

async fn anomalies(tenant: &Tenant) -> Vec<Value> {
    let page = tenant.get("/anomalies").await;
    page["items"].as_array().unwrap().clone()
}

/// Waits until one goes on.
async fn ongoing(tenant: &Tenant) -> Value {
    let ongoing = async {
        loop {
            let newest = anomalies(tenant).await.into_iter().next();
            match newest {
                Some(newest) if newest["until_us"].is_null() => return newest,
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let ongoing = timeout(PATIENCE, ongoing).await;
    ongoing.expect("an anomaly begins")
}

#[tokio::test]
async fn countdowns_of_two_thousand_steps_are_no_anomaly() {
    let server = Server::start().await;
    let acme = server.tenant_with("acme", roomy()).await;
    acme.activate("countdown").await;
    let ticks = ["t-1", "t-2", "t-3"].map(|id| event("countdown.tick", id, json!({"n": 2_000})));
    acme.send(&ticks).await;
    let counts = acme.settle().await;
    assert_eq!((counts.done, counts.dead_lettered), (3 * 2_001, 0));
    assert_eq!(anomalies(&acme).await, Vec::<Value>::new());
    let pulse = &acme.get("/usage").await["pulse"];
    let number = pulse["reproduction_number"].as_f64().unwrap();
    assert!(number > 0.9 && number < 1.0, "{pulse}");
    assert_eq!(pulse["dampened"], false);
}

#[tokio::test]
async fn what_a_crash_interrupts_is_ended_at_the_next_start() {
    let mut server = Server::start_with("[anomalies]\nhalf_life_ms = 60_000").await;
    let flood = server.tenant("flood").await;
    flood.activate("fan-out").await;
    flood
        .send(&[event("task.created", "s-1", json!({"path": ""}))])
        .await;
    let began = ongoing(&flood).await;
    assert_eq!(began["kind"], "reproduction");
    assert_eq!(
        began["reproduction"]["cycle"][0]["event_type"],
        "task.created"
    );
    server.kill();
    server.restart().await;
    let all = anomalies(&flood).await;
    let ended = all.iter().find(|one| one["seq"] == began["seq"]).unwrap();
    assert_eq!(ended["ended"], "restart", "{ended}");
    assert!(ended["until_us"].as_u64() > ended["since_us"].as_u64());
}
