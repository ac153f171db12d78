//! Loops that are known before they run.

use ringfence_tests::{Server, guest};
use serde_json::{Value, json};

fn paths(answer: &Value) -> Vec<&str> {
    let cycles = answer["cycles"].as_array().unwrap().iter();
    cycles
        .map(|cycle| cycle["path"].as_str().unwrap())
        .collect()
}

/// Rules that set each other off are known by what their uploads declare,
/// and the tenant decides whether they come into force.
#[tokio::test]
async fn rules_that_set_each_other_off_are_known_before_they_run() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("ping").await;
    let uploaded = acme.upload("pong", guest("pong")).await.expect(201);
    let rally = "pong → task.assigned → ping → task.delegated → pong";
    assert_eq!(paths(&uploaded), [rally]);
    let echo = acme.upload("self-trigger", guest("self-trigger")).await;
    let echo = echo.expect(201);
    let mirror = "self-trigger → conversation.updated → self-trigger";
    assert_eq!(paths(&echo), [mirror]);

    let policy = |cycles: &str| json!({ "cycles": cycles });
    let put = |rule: &str, version: &Value| {
        let path = acme.path(&format!("/rules/{rule}/activation"));
        let (api, body) = (acme.api.clone(), json!({ "version": version["version"] }));
        async move { api.put(&path, &body).await }
    };
    let tenant = acme.path("");
    let set = server.operator().put(&tenant, &policy("refuse")).await;
    set.expect(200);
    for (rule, version, path) in [("pong", &uploaded, rally), ("self-trigger", &echo, mirror)] {
        let problem = put(rule, version).await.problem(422, "closes-cycle");
        assert_eq!(problem["errors"][0]["detail"], path);
    }
    let graph = acme.get("/graph").await;
    assert_eq!(graph["nodes"].as_array().unwrap().len(), 1, "{graph}");

    let set = server.operator().put(&tenant, &policy("warn")).await;
    set.expect(200);
    assert_eq!(paths(&put("pong", &uploaded).await.expect(200)), [rally]);
    assert_eq!(
        paths(&put("self-trigger", &echo).await.expect(200)),
        [mirror]
    );
    let graph = acme.get("/graph").await;
    let ping = "ping → task.delegated → pong → task.assigned → ping";
    assert_eq!(paths(&graph), [mirror, ping]);
    assert_eq!(graph["truncated"], false);
    let path = acme.path("/graph?format=mermaid");
    let drawn = acme.api.get(&path).await;
    assert_eq!(drawn.status, 200);
    assert!(
        drawn.text().contains("n0 -->|\"task.delegated\"| n1"),
        "{}",
        drawn.text()
    );
}
