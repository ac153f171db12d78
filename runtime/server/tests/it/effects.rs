//! Pull delivery of effects.

use serde_json::{Value, json};

use crate::guest::Guest;
use crate::world::{World, event};

const EFFECTS: &str = "/v1/tenants/acme/effects";

#[tokio::test(flavor = "multi_thread")]
async fn effects_are_taken_again_until_they_are_acknowledged() {
    let world = World::new().await;
    world.tenant("acme").await;
    world.rule("acme", "act", Guest::acting().module()).await;
    for id in ["e1", "e2", "e3"] {
        let answer = world
            .events("acme", &event(id, "ticket.new"))
            .await
            .expect(202);
        world.finished("acme", &answer["accepted"][0]["id"]).await;
    }
    let first = world.get(&format!("{EFFECTS}?limit=2")).await.expect(200);
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    assert_eq!(first["items"][0]["action"]["payload"], json!({"team": "a"}));
    // The same but for their tokens, which count from now.
    let ids = |page: &Value| {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["id"].clone())
            .collect::<Vec<_>>()
    };
    let again = world.get(&format!("{EFFECTS}?limit=2")).await.expect(200);
    assert_eq!((ids(&again), &again["next"]), (ids(&first), &first["next"]));
    let next = first["next"].as_str().unwrap();
    let rest = world
        .get(&format!("{EFFECTS}?after={next}"))
        .await
        .expect(200);
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);

    let ack = |body| world.call("POST", "/v1/tenants/acme/effects/ack", Some(body));
    let up_to = &first["items"][1]["seq"];
    let answer = ack(json!({"up_to": up_to})).await.expect(200);
    assert_eq!(answer["acknowledged"], 2);
    assert_eq!(
        ack(json!({"up_to": up_to})).await.expect(200)["acknowledged"],
        0
    );
    assert_eq!(ids(&world.get(EFFECTS).await.expect(200)), ids(&rest));
    ack(json!({})).await.refused(400, "invalid-body");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_answers_when_there_is_an_effect() {
    let world = World::new().await;
    world.tenant("acme").await;
    world.rule("acme", "act", Guest::acting().module()).await;
    let path = format!("{EFFECTS}?wait_ms=30000");
    let poll = world.get(&path);
    let send = async {
        // So that the poll is likely to wait already; correct either way.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        world
            .events("acme", &event("e1", "ticket.new"))
            .await
            .expect(202)
    };
    let (answer, _) = tokio::join!(poll, send);
    assert_eq!(answer.expect(200)["items"].as_array().unwrap().len(), 1);
    let none = world
        .get(&format!("{EFFECTS}?wait_ms=50&after=999"))
        .await
        .expect(200);
    assert_eq!(none["items"], json!([]));
    world.stop().await;
}
