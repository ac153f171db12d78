//! What is out of the ordinary is known, shown and over again.

use ringfence_engine::PulseConfig;
use serde_json::{Value, json};

use crate::guest::Guest;
use crate::world::{Setup, World, event};

/// That forgets quickly, so that nobody has to wait long.
pub(crate) fn quick() -> Setup {
    lasting(1_500_000)
}

fn lasting(half_life_us: u64) -> Setup {
    Setup {
        pulse: PulseConfig {
            half_life_us,
            sustained_us: 200_000,
            ..PulseConfig::default()
        },
        ..Setup::default()
    }
}

pub(crate) const ANOMALIES: &str = "/v1/tenants/acme/anomalies";

/// A tenant, as asked for, with a rule of which each run sets off two more.
///
/// It does the same again and again; what is looked for here is not that.
pub(crate) async fn growing(world: &World, mut tenant: Value) {
    tenant["loops"] = json!("allow");
    let put = world.call("PUT", "/v1/tenants/acme", Some(tenant)).await;
    put.expect(201);
    world
        .rule("acme", "grow", Guest::branching().module())
        .await;
    let calm = Guest::new().wanting("other.*");
    world.rule("acme", "calm", calm.module()).await;
    for id in ["e1", "e2"] {
        world
            .events("acme", &event(id, "ticket.new"))
            .await
            .expect(202);
    }
}

fn is_ongoing(list: &Value) -> bool {
    let newest = &list["items"][0];
    newest.is_object() && newest["until_us"].is_null()
}

pub(crate) async fn metrics(world: &World) -> String {
    let text = world.get("/metrics").await.expect(200);
    text.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn growth_is_known_shown_and_over_again() {
    let world = World::with(quick()).await;
    growing(&world, json!({})).await;
    let list = world.eventually(ANOMALIES, is_ongoing).await;
    let usage = world.get("/v1/tenants/acme/usage").await.expect(200);
    let text = metrics(&world).await;
    let found = &list["items"][0];
    assert_eq!(found["kind"], "reproduction");
    let growth = &found["reproduction"];
    assert!(growth["number"].as_f64().unwrap() > 1.5, "{found}");
    assert!(growth["at_least"].as_f64().unwrap() >= 1.0, "{found}");
    let cycle = json!([{
        "rule": "grow", "event_type": "ticket.echo", "causes": "grow", "number": growth["number"],
    }]);
    assert_eq!(growth["cycle"], cycle);
    let said = found["message"].as_str().unwrap();
    assert!(said.contains("grow → ticket.echo → grow"), "{said}");
    let pulse = &usage["pulse"];
    assert_eq!(pulse["dampened"], true, "{usage}");
    assert_eq!(pulse["supercritical_since_us"], found["since_us"]);
    assert_eq!(pulse["rules"][0]["rule"], "grow");
    assert_eq!(pulse["edges"][0]["event_type"], "ticket.echo");
    for line in [
        r#"ringfence_anomalies_total{kind="reproduction"} 1"#,
        r#"ringfence_anomalies_total{kind="event-rate"} 0"#,
        r#"ringfence_anomalies_ongoing{kind="reproduction"} 1"#,
        r#"ringfence_reproduction_number{tenant="acme"} "#,
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    let over = world.eventually(ANOMALIES, |list| !is_ongoing(list)).await;
    let found = &over["items"][0];
    assert_eq!(
        (&found["ended"], &found["seq"]),
        (&json!("calm"), &list["items"][0]["seq"])
    );
    assert!(
        found["until_us"].as_u64() > found["since_us"].as_u64(),
        "{found}"
    );
    let usage = world.get("/v1/tenants/acme/usage").await.expect(200);
    assert_eq!(usage["pulse"]["dampened"], false, "{usage}");
    let text = metrics(&world).await;
    assert!(
        text.contains(r#"ringfence_anomalies_ongoing{kind="reproduction"} 0"#),
        "{text}"
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restart_interrupts_is_ended_and_the_list_has_pages() {
    // So slow to forget that it does not end by itself.
    let mut world = World::with(lasting(3_600_000_000)).await;
    growing(&world, json!({})).await;
    for seq in [1, 2] {
        let id = format!("again-{seq}");
        world
            .events("acme", &event(&id, "ticket.new"))
            .await
            .expect(202);
        world.eventually(ANOMALIES, is_ongoing).await;
        world = world.restart().await;
        let list = world.get(ANOMALIES).await.expect(200);
        assert_eq!(list["items"].as_array().unwrap().len(), seq);
        assert_eq!(list["items"][0]["ended"], "restart", "{list}");
    }
    let first = world.get(&format!("{ANOMALIES}?limit=1")).await.expect(200);
    let next = first["next"].as_str().unwrap();
    let path = format!("{ANOMALIES}?limit=1&cursor={next}");
    let second = world.get(&path).await.expect(200);
    assert_eq!(second["next"], Value::Null);
    assert!(first["items"][0]["seq"].as_u64() > second["items"][0]["seq"].as_u64());
    world
        .get(&format!("{ANOMALIES}?cursor=x"))
        .await
        .refused(400, "invalid-cursor");
    world
        .get("/v1/tenants/nobody/anomalies")
        .await
        .refused(404, "no-tenant");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_that_does_not_branch_does_not_grow() {
    let world = World::with(quick()).await;
    let tenant = Some(json!({"loops": "allow"}));
    let put = world.call("PUT", "/v1/tenants/acme", tenant).await;
    put.expect(201);
    world.rule("acme", "echo", Guest::looping().module()).await;
    for id in 0..20 {
        let id = format!("e{id}");
        world
            .events("acme", &event(&id, "ticket.new"))
            .await
            .expect(202);
    }
    let usage = world
        .eventually("/v1/tenants/acme/usage", |usage| {
            usage["events"]["waiting"] == 0
        })
        .await;
    let pulse = &usage["pulse"];
    let number = pulse["reproduction_number"].as_f64().unwrap();
    assert!(number > 0.5 && number < 1.0, "{usage}");
    assert_eq!(pulse["dampened"], false);
    let list = world.get(ANOMALIES).await.expect(200);
    assert_eq!(list["items"], json!([]));
    world.stop().await;
}
