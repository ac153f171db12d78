//! What is measured.

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
