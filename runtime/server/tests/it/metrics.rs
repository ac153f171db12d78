//! What is measured.

use serde_json::{Value, json};

use crate::guest::Guest;
use crate::world::{World, event};

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_is_in_the_metrics() {
    let world = World::new().await;
    world.tenant("acme").await;
    world.rule("acme", "act", Guest::acting().module()).await;
    for _ in 0..2 {
        let answer = world
            .events("acme", &event("e1", "ticket.new"))
            .await
            .expect(202);
        world.finished("acme", &answer["accepted"][0]["id"]).await;
    }
    world
        .get("/v1/tenants/nobody")
        .await
        .refused(404, "no-tenant");
    let text = world.get("/metrics").await.expect(200);
    let text = text.as_str().unwrap();
    for line in [
        "ringfence_events_accepted_total 1",
        "ringfence_events_duplicate_total 1",
        r#"ringfence_events_done_total{source="outside"} 1"#,
        r#"ringfence_executions_total{result="ok"} 1"#,
        r#"ringfence_refusals_total{code="no-tenant"} 1"#,
        r#"ringfence_http_requests_total{method="POST",route="/v1/tenants/{tenant}/events",status="202"} 2"#,
        "ringfence_tenants 1",
        "ringfence_events_waiting 0",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    world.stop().await;
}

/// What the metrics say of the tenants that took most, and `usage` of each.
#[tokio::test(flavor = "multi_thread")]
async fn what_each_tenant_took_is_known() {
    let world = World::new().await;
    world.tenant("acme").await;
    world.tenant("idle").await;
    world.rule("acme", "act", Guest::acting().module()).await;
    // Counted a moment after it is durable.
    let run = async |id: &str, executions: u64| {
        let event = event(id, "ticket.new");
        world.events("acme", &event).await.expect(202);
        let is_counted = |usage: &Value| {
            usage["activity"]["executions"] == executions && usage["waiting"]["events"] == 0
        };
        world.eventually("/v1/tenants/acme/usage", is_counted).await
    };
    run("e1", 1).await;
    world
        .get("/v1/tenants/acme/rules/none")
        .await
        .refused(404, "no-rule");
    let usage = world.get("/v1/tenants/acme/usage").await.expect(200);
    let (activity, waiting) = (&usage["activity"], &usage["waiting"]);
    assert_eq!(activity["events_accepted"], 1, "{usage}");
    assert_eq!(activity["executions"], 1, "{usage}");
    assert!(activity["fuel"].as_u64().unwrap() > 0, "{usage}");
    assert_eq!(activity["share"], 1.0, "{usage}");
    assert_eq!(activity["refused"], json!({"no-rule": 1}), "{usage}");
    for times in ["queueing", "running"] {
        let times = &activity[times];
        assert_eq!(times["count"], 1, "{usage}");
        assert!(
            times["p50_us"].as_u64() <= times["max_us"].as_u64(),
            "{usage}"
        );
    }
    assert_eq!(waiting, &json!({"events": 0, "bytes": 0}), "{usage}");
    let usage = world.get("/v1/tenants/idle/usage").await.expect(200);
    assert_eq!(usage["activity"]["share"], 0.0, "{usage}");
    assert!(usage["activity"]["queueing"]["p99_us"].is_null(), "{usage}");

    // A tenant's counters begin when it is listed; before, it is one of the
    // others.
    let metrics = async || {
        let text = world.get("/metrics").await.expect(200);
        text.as_str().unwrap().to_owned()
    };
    let expect = |text: &str, lines: &[&str]| {
        for line in lines {
            assert!(text.contains(line), "{line}\n{text}");
        }
    };
    let text = metrics().await;
    expect(
        &text,
        &[
            r#"ringfence_tenant_share_ratio{tenant="acme"} 1.0"#,
            r#"ringfence_tenant_executions_total{tenant="acme"} 0"#,
            r#"ringfence_tenant_executions_total{tenant="_other"} 1"#,
            r#"ringfence_tenant_events_waiting{tenant="_other"} 0"#,
            "ringfence_execution_queueing_seconds_count 1",
            "ringfence_memory_reserved_bytes 0",
        ],
    );
    assert!(!text.contains(r#"tenant="idle""#), "{text}");
    run("e2", 2).await;
    let text = metrics().await;
    expect(
        &text,
        &[
            r#"ringfence_tenant_executions_total{tenant="acme"} 1"#,
            r#"ringfence_tenant_executions_total{tenant="_other"} 1"#,
        ],
    );
    world.stop().await;
}
