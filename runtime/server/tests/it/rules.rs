//! Uploading versions and putting them in force.

use serde_json::json;

use crate::guest::Guest;
use crate::world::{World, event};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_are_the_same_version() {
    let world = World::new().await;
    world.tenant("acme").await;
    let first = world
        .upload("acme", "act", Guest::acting().module())
        .await
        .expect(201);
    assert_eq!(first["manifest"]["triggers"][0]["type"], "ticket.*");
    let again = world
        .upload("acme", "act", Guest::acting().module())
        .await
        .expect(200);
    assert_eq!(first, again);
    let other = world
        .upload("acme", "act", Guest::new().module())
        .await
        .expect(201);
    assert_ne!(first["version"], other["version"]);

    let base = "/v1/tenants/acme/rules";
    let rule = world.get(&format!("{base}/act")).await.expect(200);
    assert_eq!(rule["versions"], 2);
    assert_eq!(rule["newest"]["version"], other["version"]);
    assert_eq!(rule["activation"], json!(null));
    let page = world
        .get(&format!("{base}/act/versions?limit=1"))
        .await
        .expect(200);
    assert_eq!(page["items"][0]["version"], other["version"]);
    let next = page["next"].as_str().unwrap();
    let path = format!("{base}/act/versions?limit=1&cursor={next}");
    let page = world.get(&path).await.expect(200);
    assert_eq!(
        (&page["items"][0]["version"], &page["next"]),
        (&first["version"], &json!(null))
    );

    world
        .rule("acme", "zz", Guest::new().wanting("x").module())
        .await;
    let rules = world.get(&format!("{base}?limit=1")).await.expect(200);
    assert_eq!(
        (&rules["items"][0]["rule"], &rules["next"]),
        (&json!("act"), &json!("act"))
    );
    let rules = world
        .get(&format!("{base}?limit=1&cursor=act"))
        .await
        .expect(200);
    assert_eq!(rules["items"][0]["activation"]["rule"], "zz");
    assert_eq!(rules["next"], json!(null));
    world
        .get(&format!("{base}/none"))
        .await
        .refused(404, "no-rule");
    world
        .get(&format!("{base}/none/versions"))
        .await
        .refused(404, "no-rule");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_must_match_its_rules_schema() {
    let schema = r##"{"type":"object","properties":{"team":{"$ref":"#/$defs/team"}},"required":["team"],"$defs":{"team":{"type":"string"}}}"##;
    let world = World::new().await;
    world.tenant("acme").await;
    let wasm = Guest::acting().configured_by(schema).module();
    let version = world.upload("acme", "act", wasm).await.expect(201)["version"].clone();
    let path = "/v1/tenants/acme/rules/act/activation";
    let put = |body| world.call("PUT", path, Some(body));

    for config in [json!({"team": 7}), json!([]), json!({})] {
        let answer = put(json!({"version": version, "config": config})).await;
        let problem = answer.refused(422, "invalid-config");
        assert!(!problem["errors"].as_array().unwrap().is_empty());
    }
    put(json!({"version": version}))
        .await
        .refused(422, "invalid-config");
    world
        .call("DELETE", path, None)
        .await
        .refused(404, "no-activation");

    let activation = json!({"version": version, "config": {"team": "a"}, "mode": "shadow", "percent": 50, "limits": {"fuel": 2000}});
    let answer = put(activation).await.expect(200);
    assert_eq!(answer["config"], json!({"team": "a"}));
    assert_eq!(
        (&answer["mode"], &answer["percent"]),
        (&json!("shadow"), &json!(50))
    );
    world.call("DELETE", path, None).await.expect(200);

    let unknown = "0".repeat(64);
    for (body, status, code) in [
        (json!({"version": unknown}), 404, "no-version"),
        (json!({"version": "1"}), 400, "invalid-body"),
        (json!({}), 400, "invalid-body"),
        (
            json!({"version": version, "cofnig": {}}),
            400,
            "invalid-body",
        ),
        (
            json!({"version": version, "config": {"team": "x".repeat(65_536)}}),
            413,
            "config-too-large",
        ),
        (
            json!({"version": version, "config": {"team": "a"}, "percent": 0}),
            422,
            "invalid-percent",
        ),
        (
            json!({"version": version, "config": {"team": "a"}, "limits": {"fuel": 1}}),
            422,
            "invalid-limit",
        ),
    ] {
        put(body).await.refused(status, code);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_cannot_be_used_is_warned_of_and_not_used() {
    let schema = r#"{"$ref":"https://example.com/config.json"}"#;
    let world = World::new().await;
    world.tenant("acme").await;
    let wasm = Guest::acting().configured_by(schema).module();
    let version = world.upload("acme", "act", wasm).await.expect(201);
    let warning = version["warnings"][0].as_str().unwrap();
    assert!(warning.contains("within the schema"), "{warning}");
    let path = "/v1/tenants/acme/rules/act/activation";
    let answer = world
        .call("PUT", path, Some(json!({"version": version["version"]})))
        .await;
    answer.refused(422, "unsupported-schema");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn evaluation_answers_and_keeps_nothing() {
    let world = World::new().await;
    world.tenant("acme").await;
    world.rule("acme", "act", Guest::acting().module()).await;
    world
        .rule("acme", "endless", Guest::endless().module())
        .await;
    let evaluate = |kind: &'static str, body: String| {
        let path = "/v1/tenants/acme/evaluate";
        let headers = [("content-type", kind)];
        let operator = Some(crate::world::OPERATOR);
        let world = &world;
        async move {
            world
                .send("POST", path, operator, &headers, body.into_bytes())
                .await
        }
    };
    let one = event("e1", "ticket.new").to_string();
    let answer = evaluate("application/cloudevents+json", one.clone())
        .await
        .expect(200);
    let act = json!({"act": {"name": "ticket.update", "payload": {"team": "a"}}});
    assert_eq!(answer["effects"], json!([act]));
    assert_eq!(answer["executions"][0]["status"], "ok");
    assert_eq!(answer["executions"][1]["stop"]["code"], "out-of-fuel");
    let usage = world.get("/v1/tenants/acme/usage").await.expect(200);
    assert_eq!(
        usage["events"],
        json!({"waiting": 0, "done": 0, "dead_lettered": 0})
    );
    let effects = world.get("/v1/tenants/acme/effects").await.expect(200);
    assert_eq!(effects["items"], json!([]));

    let answer = evaluate("application/cloudevents-batch+json", format!("[{one}]")).await;
    answer.refused(415, "unsupported-media-type");
    let large = json!({"specversion": "1.0", "id": "x", "source": "s", "type": "t", "data": "x".repeat(300_000)});
    let answer = evaluate("application/cloudevents+json", large.to_string()).await;
    assert_eq!(answer.refused(413, "event-too-large")["at"], "data");
    world.stop().await;
}
