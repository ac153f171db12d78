//! Events without lineage that are taken for what an action caused.

use serde_json::{Value, json};

use crate::guest::Guest;
use crate::world::{World, event};

/// Attempts until a run's actions are known: an event may be quicker.
const ATTEMPTS: usize = 100;

/// A tenant whose rule has acted on an event about `t-1`.
async fn acted(world: &World, tenant: &str, policy: Value, payload: &str) {
    let path = format!("/v1/tenants/{tenant}");
    world.call("PUT", &path, Some(policy)).await.expect(201);
    let guest = Guest::acting_with(payload).wanting("ticket.new");
    world.rule(tenant, "act", guest.module()).await;
    let answer = world.events(tenant, &event("root", "ticket.new")).await;
    world
        .finished(tenant, &answer.expect(202)["accepted"][0]["id"])
        .await;
}

fn about(id: &str, ty: &str, subject: &str) -> Value {
    let mut event = event(id, ty);
    event["subject"] = subject.into();
    event
}

async fn origin(world: &World, tenant: &str, event: &Value) -> Value {
    let answer = world.events(tenant, event).await.expect(202);
    answer["accepted"][0]["origin"].clone()
}

/// Sends events like this one until one is adopted.
async fn adopted(world: &World, tenant: &str, ty: &str, subject: &str) -> Value {
    for attempt in 0..ATTEMPTS {
        let event = about(&format!("{ty}-{attempt}"), ty, subject);
        let answer = world.events(tenant, &event).await.expect(202);
        let accepted = &answer["accepted"][0];
        if accepted["origin"] == "inferred" {
            return world.finished(tenant, &accepted["id"]).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("no {ty} about {subject} was adopted");
}

fn policy(infer: &str) -> Value {
    json!({"infer": infer, "causes": {"ticket.update": ["ticket.updated", "ticket.moved"]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_an_action_is_declared_to_cause_is_adopted() {
    let world = World::new().await;
    acted(&world, "acme", policy("adopt"), "{}").await;
    acted(&world, "off", policy("off"), "{}").await;
    let elsewhere = json!({"infer": "adopt", "causes": {"ticket.close": ["ticket.updated"]}});
    acted(&world, "elsewhere", elsewhere, "{}").await;
    let path = "/v1/tenants/quiet";
    world
        .call("PUT", path, Some(policy("adopt")))
        .await
        .expect(201);
    // One action explains several events.
    let effects = world.get("/v1/tenants/acme/effects").await.expect(200);
    let effect = &effects["items"][0];
    for ty in ["ticket.updated", "ticket.moved"] {
        let story = adopted(&world, "acme", ty, "t-1").await;
        let lineage = json!({
            "cascade": effect["cascade"], "depth": 1,
            "parent": effect["execution"], "origin": "inferred",
        });
        assert_eq!(story["event"]["lineage"], lineage);
    }
    let cascade = world.cascade("acme", &effect["cascade"]).await;
    assert_eq!(cascade["ledger"]["events"], 2);
    assert_eq!(
        cascade["events"][1]["event"]["lineage"]["origin"],
        "inferred"
    );
    let mut without = event("w", "ticket.updated");
    without.as_object_mut().unwrap().remove("subject");
    for (tenant, event) in [
        ("acme", about("x", "ticket.updated", "t-2")),
        ("acme", about("y", "ticket.closed", "t-1")),
        ("acme", without),
        ("off", about("x", "ticket.updated", "t-1")),
        ("elsewhere", about("x", "ticket.updated", "t-1")),
        ("quiet", about("x", "ticket.updated", "t-1")),
    ] {
        assert_eq!(
            origin(&world, tenant, &event).await,
            "root",
            "{tenant} {event}"
        );
    }
    // What is said goes before what is guessed.
    let mut said = about("z", "ticket.updated", "t-1");
    said["ringfencelineage"] = effect["lineage"].clone();
    assert_eq!(origin(&world, "acme", &said).await, "returned");
    // What was known is gone with the process.
    let world = world.restart().await;
    let late = about("late", "ticket.updated", "t-1");
    assert_eq!(origin(&world, "acme", &late).await, "root");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_may_name_another_subject() {
    let world = World::new().await;
    acted(&world, "acme", policy("adopt"), r#"{"subject":"t-9"}"#).await;
    adopted(&world, "acme", "ticket.updated", "t-9").await;
    let of_event = about("x", "ticket.updated", "t-1");
    assert_eq!(origin(&world, "acme", &of_event).await, "root");
    world.stop().await;
}
