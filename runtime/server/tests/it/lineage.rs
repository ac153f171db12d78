//! Events that come back with the lineage of the effect that caused them.

use serde_json::{Value, json};

use crate::guest::Guest;
use crate::world::{Answer, OPERATOR, World, event};

const EVENTS: &str = "/v1/tenants/acme/events";
const KEYS: &str = "/v1/lineage-keys";
const HEADER: &str = "Ringfence-Lineage";
const BINARY: &str = "ce-ringfencelineage";
const STRUCTURED: &str = "application/cloudevents+json";
/// Keys made until the first is removed; fewer than may be kept.
const ATTEMPTS: usize = 60;
const BATCH: &str = "application/cloudevents-batch+json";

/// A tenant whose rule acts on each event, and has acted on one.
async fn acting(world: &World, tenant: &str) -> Value {
    world.tenant(tenant).await;
    world.rule(tenant, "act", Guest::acting().module()).await;
    let answer = world.events(tenant, &event("root", "ticket.new")).await;
    world
        .finished(tenant, &answer.expect(202)["accepted"][0]["id"])
        .await;
    effect(world, tenant).await
}

/// The first effect that waits.
async fn effect(world: &World, tenant: &str) -> Value {
    let page = world.get(&format!("/v1/tenants/{tenant}/effects")).await;
    page.expect(200)["items"][0].clone()
}

fn token(effect: &Value) -> &str {
    effect["lineage"].as_str().unwrap()
}

fn with(id: &str, lineage: &str) -> Value {
    let mut event = event(id, "ticket.back");
    event["ringfencelineage"] = lineage.into();
    event
}

/// Sends a body with these headers.
async fn send(world: &World, kind: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let headers = [&[("content-type", kind)], headers].concat();
    let body = body.to_string().into_bytes();
    let sent = world.send("POST", EVENTS, Some(OPERATOR), &headers, body);
    sent.await
}

/// Sends one event in binary form.
async fn binary(world: &World, id: &str, headers: &[(&str, &str)]) -> Answer {
    let attributes = [
        ("ce-specversion", "1.0"),
        ("ce-id", id),
        ("ce-source", "/desk"),
        ("ce-type", "ticket.back"),
    ];
    let headers = [&attributes[..], headers].concat();
    send(world, "application/json", &headers, &json!({})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn events_join_the_cascade_in_every_form() {
    let world = World::new().await;
    let effect = acting(&world, "acme").await;
    let token = token(&effect);
    let plain = |id| event(id, "ticket.back");
    let answers = [
        send(&world, STRUCTURED, &[], &with("s", token)).await,
        send(&world, STRUCTURED, &[(HEADER, token)], &plain("sh")).await,
        send(&world, STRUCTURED, &[(HEADER, token)], &with("both", token)).await,
        send(
            &world,
            BATCH,
            &[],
            &json!([with("b1", token), with("b2", token)]),
        )
        .await,
        send(
            &world,
            BATCH,
            &[(HEADER, token)],
            &json!([plain("bh1"), with("bh2", token)]),
        )
        .await,
        binary(&world, "y", &[(BINARY, token)]).await,
        binary(&world, "yh", &[(HEADER, token)]).await,
    ];
    let mut joined = 0;
    for answer in answers {
        for accepted in answer.expect(202)["accepted"].as_array().unwrap() {
            joined += 1;
            assert_eq!(accepted["origin"], "returned");
            assert_eq!(accepted["cascade"], effect["cascade"]);
            assert_ne!(accepted["id"], effect["cascade"]);
            let story = world.finished("acme", &accepted["id"]).await;
            let lineage = json!({
                "cascade": effect["cascade"], "depth": 1,
                "parent": effect["execution"], "origin": "returned",
            });
            assert_eq!(story["event"]["lineage"], lineage);
        }
    }
    // A batch may hold both.
    let mixed = json!([with("m1", token), event("m2", "ticket.new")]);
    let mixed = send(&world, BATCH, &[], &mixed).await.expect(202);
    let mixed = &mixed["accepted"];
    assert_eq!(
        (&mixed[0]["origin"], &mixed[1]["origin"]),
        (&json!("returned"), &json!("root"))
    );
    assert_eq!(mixed[1]["id"], mixed[1]["cascade"]);
    world.finished("acme", &mixed[0]["id"]).await;

    let cascade = world.cascade("acme", &effect["cascade"]).await;
    let events = cascade["events"].as_array().unwrap();
    assert_eq!(events.len(), 2 + joined);
    assert_eq!(cascade["ledger"]["events"], 1 + joined);
    assert_eq!(cascade["ledger"]["executions"], 2 + joined);
    assert_eq!(cascade["ledger"]["depth"], 1);
    world.stop().await;
}

/// Whatever is wrong, nothing of the request is accepted.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_lineage_of_the_tenant_is_refused() {
    let world = World::new().await;
    let effect = acting(&world, "acme").await;
    let token = token(&effect);
    let others = acting(&world, "umbrella").await;
    let stranger = World::new().await;
    let strange = acting(&stranger, "acme").await;
    let last = if token.ends_with('A') { "B" } else { "A" };
    let changed = format!("{}{last}", &token[..token.len() - 1]);
    let long = "A".repeat(20_000);
    let malformed = "lineage-malformed";
    for (text, code) in [
        (&token[1..], malformed),
        (&token[..token.len() - 4], malformed),
        ("", malformed),
        ("a lineage", malformed),
        (&long, malformed),
        (&changed, "lineage-forged"),
        (strange["lineage"].as_str().unwrap(), "lineage-forged"),
        (
            others["lineage"].as_str().unwrap(),
            "lineage-of-other-tenant",
        ),
    ] {
        let good = event("good", "ticket.new");
        let own = "ringfencelineage";
        for (answer, at) in [
            (send(&world, STRUCTURED, &[], &with("x", text)).await, own),
            (
                send(&world, BATCH, &[], &json!([good, with("x", text)])).await,
                "events[1].ringfencelineage",
            ),
            (
                send(&world, BATCH, &[(HEADER, text)], &json!([good])).await,
                HEADER,
            ),
            (binary(&world, "x", &[(BINARY, text)]).await, own),
            (binary(&world, "x", &[(HEADER, text)]).await, HEADER),
        ] {
            let problem = answer.refused(400, code);
            assert_eq!(problem["at"], at, "{text}");
            assert!(problem["hint"].is_string(), "{problem}");
            if code != malformed {
                assert!(!problem.to_string().contains(text), "{problem}");
            }
        }
        let evaluate = "/v1/tenants/acme/evaluate";
        let headers = [("content-type", STRUCTURED)];
        let body = with("x", text).to_string().into_bytes();
        let answer = world.send("POST", evaluate, Some(OPERATOR), &headers, body);
        answer.await.refused(400, code);
    }
    let twice = [(HEADER, token), (HEADER, token)];
    let answer = send(&world, STRUCTURED, &twice, &event("x", "ticket.new")).await;
    answer.refused(400, malformed);
    let other = with("x", &changed);
    let answer = send(&world, STRUCTURED, &[(HEADER, token)], &other).await;
    assert_eq!(
        answer.refused(400, "lineage-conflict")["at"],
        "ringfencelineage"
    );
    let number = json!({"specversion": "1.0", "id": "x", "source": "/d", "type": "t", "ringfencelineage": 1});
    send(&world, STRUCTURED, &[], &number)
        .await
        .refused(400, "invalid-event");
    let usage = world.get("/v1/tenants/acme/usage").await.expect(200);
    let events = json!({"waiting": 0, "done": 1, "dead_lettered": 0});
    assert_eq!(usage["events"], events);
    stranger.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_and_an_effect_taken_again_has_a_new_one() {
    let world = World::with_ttl(0).await;
    let effect = acting(&world, "acme").await;
    let answer = send(&world, STRUCTURED, &[], &with("x", token(&effect))).await;
    let problem = answer.refused(400, "lineage-expired");
    assert!(
        problem["detail"].as_str().unwrap().contains("ago"),
        "{problem}"
    );
    // The same data, by a server whose tokens are valid for longer.
    let world = world.restart().await;
    let again = self::effect(&world, "acme").await;
    assert_eq!(again["id"], effect["id"]);
    let answer = send(&world, STRUCTURED, &[], &with("x", token(&again))).await;
    assert_eq!(answer.expect(202)["accepted"][0]["origin"], "returned");
    let answer = send(&world, STRUCTURED, &[], &with("y", token(&effect))).await;
    answer.refused(400, "lineage-expired");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_stays_what_it_was() {
    let world = World::new().await;
    let effect = acting(&world, "acme").await;
    let token = token(&effect);
    let first = [
        send(&world, STRUCTURED, &[], &with("a", token)).await,
        send(&world, STRUCTURED, &[], &event("b", "ticket.back")).await,
    ];
    let again = [
        send(&world, STRUCTURED, &[], &event("a", "ticket.back")).await,
        send(&world, STRUCTURED, &[], &with("b", token)).await,
    ];
    for ((first, again), origin) in first.into_iter().zip(again).zip(["returned", "root"]) {
        let first = first.expect(202)["accepted"][0].clone();
        let mut again = again.expect(202)["accepted"][0].clone();
        assert_eq!(again["duplicate"], true);
        again["duplicate"] = false.into();
        assert_eq!((&again, &again["origin"]), (&first, &json!(origin)));
        world.finished("acme", &first["id"]).await;
    }
    let cascade = world.cascade("acme", &effect["cascade"]).await;
    assert_eq!(cascade["ledger"]["events"], 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_replaced_and_what_the_old_ones_signed_is_taken() {
    let world = World::new().await;
    let before = acting(&world, "acme").await;
    let rotated = world.call("POST", KEYS, None).await.expect(201);
    assert_eq!(
        (&rotated["number"], &rotated["until_us"]),
        (&json!(2), &Value::Null)
    );
    let after = effect(&world, "acme").await;
    let world = world.restart().await;
    for (id, effect) in [("x", &before), ("y", &after)] {
        let answer = send(&world, STRUCTURED, &[], &with(id, token(effect))).await;
        assert_eq!(answer.expect(202)["accepted"][0]["origin"], "returned");
    }
    let keys = world.get(KEYS).await.expect(200);
    let numbers: Vec<_> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["number"])
        .collect();
    assert_eq!(numbers, [1, 2]);
    let until = keys["keys"][0]["until_us"].as_u64().unwrap();
    assert_eq!(until, rotated["since_us"].as_u64().unwrap() + 3_601_000_000);
    let reader = world.token("acme", &["read"]).await;
    for method in ["GET", "POST"] {
        let answer = world.send(method, KEYS, Some(&reader), &[], Vec::new());
        answer.await.refused(403, "operator-only");
    }
    world.stop().await;
}

/// Here tokens end at once, so that nothing holds an old key for long.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_signed_nothing_valid_is_removed() {
    let world = World::with_ttl(0).await;
    let effect = acting(&world, "acme").await;
    let mut oldest = Value::Null;
    for number in 2..=ATTEMPTS {
        let rotated = world.call("POST", KEYS, None).await.expect(201);
        assert_eq!(rotated["number"], number);
        let keys = world.get(KEYS).await.expect(200);
        oldest = keys["keys"][0]["number"].clone();
        if oldest != 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_ne!(oldest, 1);
    let answer = send(&world, STRUCTURED, &[], &with("x", token(&effect))).await;
    answer.refused(400, "lineage-forged");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_bounded() {
    let world = World::new().await;
    for _ in 1..64 {
        world.call("POST", KEYS, None).await.expect(201);
    }
    let refused = world.call("POST", KEYS, None).await;
    assert!(refused.headers.contains_key("retry-after"));
    let problem = refused.refused(409, "too-many-lineage-keys");
    assert_eq!(
        (&problem["limit"], &problem["usage"]),
        (&json!(64), &json!(64))
    );
    world.stop().await;
}
