//! Events from acceptance to their story.

use serde_json::{Value, json};

use crate::guest::Guest;
use crate::world::{OPERATOR, World, event};

fn fate<'a>(story: &'a Value, rule: &str) -> &'a Value {
    let rules = story["rules"].as_array().unwrap();
    rules.iter().find(|fate| fate["rule"] == rule).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_answers_for_every_event() {
    let world = World::new().await;
    world.tenant("acme").await;
    world.rule("acme", "act", Guest::acting().module()).await;
    world
        .rule("acme", "endless", Guest::endless().module())
        .await;
    world
        .rule("acme", "elsewhere", Guest::new().wanting("user.*").module())
        .await;

    let answer = world
        .events("acme", &event("e1", "ticket.new"))
        .await
        .expect(202);
    let accepted = &answer["accepted"][0];
    assert_eq!(accepted["id"], accepted["cascade"]);
    assert_eq!(accepted["duplicate"], false);
    let story = world.finished("acme", &accepted["id"]).await;
    assert_eq!(story["state"], "dead-lettered");
    assert_eq!(story["event"]["data"], json!({"priority": "urgent"}));
    assert_eq!(fate(&story, "act")["outcome"], "ran");
    assert_eq!(fate(&story, "endless")["stop"]["code"], "out-of-fuel");
    assert_eq!(fate(&story, "elsewhere")["triggers"], json!(["user.*"]));

    world.rule("acme", "late", Guest::new().module()).await;
    let story = world.finished("acme", &accepted["id"]).await;
    assert_eq!(fate(&story, "late")["outcome"], "not-in-force");

    let again = world
        .events("acme", &event("e1", "ticket.new"))
        .await
        .expect(202);
    assert_eq!(again["accepted"][0]["duplicate"], true);
    assert_eq!(again["accepted"][0]["id"], accepted["id"]);

    let unwanted = world
        .events("acme", &event("e2", "weather.rain"))
        .await
        .expect(202);
    let story = world.finished("acme", &unwanted["accepted"][0]["id"]).await;
    assert_eq!(story["state"], "done");
    assert_eq!(fate(&story, "act")["outcome"], "not-triggered");

    let usage = world.get("/v1/tenants/acme/usage").await.expect(200);
    assert_eq!(
        usage["events"],
        json!({"waiting": 0, "done": 1, "dead_lettered": 1})
    );
    let path = format!("/v1/tenants/acme/events/{}", "0".repeat(32));
    world.get(&path).await.refused(404, "no-event");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_filtered_and_paged() {
    let world = World::new().await;
    world.tenant("acme").await;
    world.rule("acme", "act", Guest::acting().module()).await;
    world
        .rule("acme", "endless", Guest::endless().module())
        .await;
    let mut last = Value::Null;
    for id in ["e1", "e2", "e3"] {
        let answer = world
            .events("acme", &event(id, "ticket.new"))
            .await
            .expect(202);
        last = answer["accepted"][0]["id"].clone();
        world.finished("acme", &last).await;
    }
    let base = "/v1/tenants/acme/executions";
    let count = |query: String| {
        let world = &world;
        async move {
            let page = world.get(&format!("{base}?{query}")).await.expect(200);
            page["items"].as_array().unwrap().len()
        }
    };
    let event = last.as_str().unwrap();
    for (query, expected) in [
        (String::new(), 6),
        ("status=ok".into(), 3),
        ("status=stopped".into(), 3),
        ("status=out-of-fuel".into(), 3),
        ("status=trap".into(), 0),
        ("rule=act".into(), 3),
        (format!("event={event}"), 2),
        (format!("event={event}&status=ok"), 1),
        ("since=2020-01-01T00:00:00Z".into(), 6),
        ("since=4102444800000".into(), 0),
    ] {
        assert_eq!(count(query.clone()).await, expected, "{query}");
    }
    let mut path = format!("{base}?limit=4");
    let mut seen = 0;
    loop {
        let page = world.get(&path).await.expect(200);
        seen += page["items"].as_array().unwrap().len();
        match page["next"].as_str() {
            Some(next) => path = format!("{base}?limit=4&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, 6);

    let page = world
        .get(&format!("{base}?status=ok&limit=1"))
        .await
        .expect(200);
    let id = page["items"][0]["id"].as_str().unwrap();
    let execution = world.get(&format!("{base}/{id}")).await.expect(200);
    assert_eq!(execution, page["items"][0]);
    let bundle = world.get(&format!("{base}/{id}/bundle")).await.expect(200);
    assert_eq!(bundle["event"]["id"], "e3");
    assert_eq!(bundle["event"]["data"], json!({"priority": "urgent"}));
    assert_eq!(bundle["expect"], json!({"effects": execution["effects"]}));
    let page = world
        .get(&format!("{base}?status=stopped&limit=1"))
        .await
        .expect(200);
    let id = page["items"][0]["id"].as_str().unwrap();
    let bundle = world.get(&format!("{base}/{id}/bundle")).await.expect(200);
    assert_eq!(bundle["expect"], json!({"stop": "out-of-fuel"}));

    let letters = world
        .get("/v1/tenants/acme/dead-letters?reason=out-of-fuel&rule=endless")
        .await;
    assert_eq!(letters.expect(200)["items"].as_array().unwrap().len(), 3);
    let letters = world.get("/v1/tenants/acme/dead-letters?reason=trap").await;
    assert_eq!(letters.expect(200)["items"], json!([]));
    let none = "0".repeat(32);
    world
        .get(&format!("{base}/{none}"))
        .await
        .refused(404, "no-execution");
    world
        .get(&format!("{base}/{none}/bundle"))
        .await
        .refused(404, "no-execution");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cascade_shows_its_events_and_where_it_stopped() {
    let world = World::new().await;
    let limits = json!({"loops": "allow", "limits": {"cascade_depth": 3}});
    world
        .call("PUT", "/v1/tenants/acme", Some(limits))
        .await
        .expect(201);
    world.rule("acme", "loop", Guest::looping().module()).await;
    let answer = world
        .events("acme", &event("e1", "ticket.new"))
        .await
        .expect(202);
    let root = answer["accepted"][0]["id"].as_str().unwrap();
    let path = format!("/v1/tenants/acme/cascades/{root}");
    let cascade = world
        .eventually(&path, |cascade| {
            let events = cascade["events"].as_array().unwrap();
            events.iter().any(|event| event["state"] == "dead-lettered")
        })
        .await;
    assert_eq!(cascade["budget"]["depth"], 3);
    assert_eq!(cascade["truncated"], false);
    let events = cascade["events"].as_array().unwrap();
    assert_eq!(events[0]["event"]["id"], *root);
    let last = events.last().unwrap();
    assert_eq!(last["stop"]["code"], "cascade-depth");
    assert!(last["event"]["lineage"]["parent"].is_string());
    let story = world.finished("acme", &last["event"]["id"]).await;
    assert_eq!(story["stop"]["code"], "cascade-depth");
    assert_eq!(fate(&story, "loop")["outcome"], "given-up");
    let cut = world.get(&format!("{path}?limit=1")).await.expect(200);
    assert_eq!(cut["truncated"], true);
    let path = format!("/v1/tenants/acme/cascades/{}", "0".repeat(32));
    world.get(&path).await.refused(404, "no-cascade");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_three_forms_are_accepted_and_kept_alike() {
    let world = World::new().await;
    world.tenant("acme").await;
    let batch = json!([event("b1", "x"), event("b2", "x"), event("b1", "x")]);
    let answer = world.events("acme", &batch).await.expect(202);
    let duplicates: Vec<&Value> = answer["accepted"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["duplicate"])
        .collect();
    assert_eq!(duplicates, [false, false, true]);

    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "b1"),
        ("ce-source", "/desk"),
        ("ce-type", "x"),
        ("content-type", "application/json"),
    ];
    let path = "/v1/tenants/acme/events";
    let binary = world
        .send("POST", path, Some(OPERATOR), &headers, b"{}".to_vec())
        .await;
    let binary = binary.expect(202);
    assert_eq!(binary["accepted"][0]["duplicate"], true);
    assert_eq!(binary["accepted"][0]["id"], answer["accepted"][0]["id"]);
    assert_eq!(
        world.events("acme", &json!([])).await.expect(202)["accepted"],
        json!([])
    );
    world.stop().await;
}
