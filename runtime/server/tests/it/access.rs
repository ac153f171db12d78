//! Who may do what.

use serde_json::json;

use crate::anomalies::metrics;
use crate::guest::Guest;
use crate::world::{OPERATOR, World, event};

/// A path of an operation, with something in place of its parameters.
fn filled(pattern: &str, tenant: &str) -> String {
    let id = "0123456789abcdef0123456789abcdef";
    pattern
        .replace("{tenant}", tenant)
        .replace("{rule}", "some-rule")
        .replace("{id}", id)
        .replace("{code}", "no-tenant")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_health_is_answered_without_a_token() {
    let world = World::new().await;
    world.tenant("acme").await;
    for (method, pattern) in world.document().operations().into_keys() {
        let path = filled(&pattern, "acme");
        let answer = world.send(&method, &path, None, &[], Vec::new()).await;
        if ["/healthz", "/readyz"].contains(&pattern.as_str()) {
            answer.expect(200);
        } else {
            assert!(
                answer.headers.contains_key("www-authenticate"),
                "{method} {pattern}"
            );
            answer.refused(401, "unauthenticated");
        }
    }
    for token in ["wrong", &format!("rf_{}", "a".repeat(43))] {
        let answer = world
            .send("GET", "/v1/tenants", Some(token), &[], Vec::new())
            .await;
        answer.refused(401, "unauthenticated");
    }
    let answer = world.send("GET", "/nowhere", None, &[], Vec::new()).await;
    answer.refused(401, "unauthenticated");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_reaches_another_tenant_whether_it_exists_or_not() {
    let world = World::new().await;
    world.tenant("acme").await;
    world.tenant("other").await;
    let token = world
        .token("acme", &["events:write", "rules:write", "read"])
        .await;
    for (method, pattern) in world.document().operations().into_keys() {
        if !pattern.contains("{tenant}") {
            continue;
        }
        for tenant in ["other", "nobody"] {
            let path = filled(&pattern, tenant);
            let answer = world
                .send(&method, &path, Some(&token), &[], Vec::new())
                .await;
            let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.body);
            assert!(
                ["other-tenant", "operator-only"].contains(&code.as_str()),
                "{code}"
            );
        }
    }
    world.stop().await;
}

/// Answers that were held back, because their tenant goes on sending.
async fn held_back(world: &World) -> u64 {
    let text = metrics(world).await;
    let name = "ringfence_refusals_held_back_total ";
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().parse().unwrap()
}

/// A refusal costs nearly as much as what it refuses.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_goes_on_sending_is_refused_more_slowly() {
    let world = World::new().await;
    world.tenant("acme").await;
    let slow = json!({"limits": {"events_per_second": 1, "events_burst": 1}});
    let put = world.call("PUT", "/v1/tenants/acme", Some(slow)).await;
    put.expect(200);
    let token = world.token("acme", &["events:write"]).await;
    let send = async |token: &str, count: u32| {
        let mut refused = 0;
        for id in 0..count {
            let body = event(&id.to_string(), "x").to_string().into_bytes();
            let headers = [("content-type", "application/cloudevents+json")];
            let path = "/v1/tenants/acme/events";
            let answer = world.send("POST", path, Some(token), &headers, body);
            let answer = answer.await;
            if answer.status != 202 {
                assert!(answer.headers.contains_key("retry-after"));
                answer.refused(429, "too-fast");
                refused += 1;
            }
        }
        refused
    };
    // Nobody who is refused now and then.
    assert!(send(&token, 15).await >= 10);
    assert_eq!(held_back(&world).await, 0);
    let mut held = 0;
    for _ in 0..100 {
        send(&token, 5).await;
        held = held_back(&world).await;
        if held > 0 {
            break;
        }
    }
    assert!(held > 0, "none of some hundreds is held back");
    // Not the operator, who acts for all.
    assert!(send(OPERATOR, 40).await >= 30);
    assert_eq!(held_back(&world).await, held);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_what_its_scopes_say() {
    let world = World::new().await;
    world.tenant("acme").await;
    let all = ["events:write", "rules:write", "read"];
    let upload = ("POST", "/v1/tenants/acme/rules/r/versions", "rules:write");
    for (method, path, needed) in [
        ("GET", "/v1/tenants/acme", "read"),
        ("GET", "/v1/tenants/acme/rules", "read"),
        ("GET", "/v1/tenants/acme/executions", "read"),
        ("GET", "/v1/tenants/acme/dead-letters", "read"),
        ("GET", "/v1/tenants/acme/effects", "read"),
        ("GET", "/v1/tenants/acme/usage", "read"),
        ("GET", "/v1/tenants/acme/graph", "read"),
        ("POST", "/v1/tenants/acme/events", "events:write"),
        ("POST", "/v1/tenants/acme/evaluate", "events:write"),
        (
            "DELETE",
            "/v1/tenants/acme/rules/r/activation",
            "rules:write",
        ),
        upload,
    ] {
        for scope in all {
            let token = world.token("acme", &[scope]).await;
            let answer = world
                .send(method, path, Some(&token), &[], Vec::new())
                .await;
            if scope == needed {
                // It may still be wrong in another way: there is no body.
                assert_ne!(answer.status, 403, "{method} {path} with {scope}");
            } else {
                let problem = answer.refused(403, "missing-scope");
                assert!(problem["detail"].as_str().unwrap().contains(needed));
            }
        }
    }
    let token = world.token("acme", &all).await;
    for (method, path) in [
        ("GET", "/v1/tenants"),
        ("PUT", "/v1/tenants/acme"),
        ("DELETE", "/v1/tenants/acme"),
        ("POST", "/v1/tenants/acme/tokens"),
        ("GET", "/metrics"),
    ] {
        let answer = world
            .send(method, path, Some(&token), &[], Vec::new())
            .await;
        answer.refused(403, "operator-only");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_tokens_go_with_it() {
    let world = World::new().await;
    world.tenant("acme").await;
    let token = world.token("acme", &["read"]).await;
    let ask = || world.send("GET", "/v1/tenants/acme", Some(&token), &[], Vec::new());
    ask().await.expect(200);
    world
        .call("DELETE", "/v1/tenants/acme", None)
        .await
        .expect(200);
    ask().await.refused(401, "unauthenticated");
    world.tenant("acme").await;
    ask().await.refused(401, "unauthenticated");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_survive_a_restart_and_are_shown_once() {
    let world = World::new().await;
    world.tenant("acme").await;
    world.rule("acme", "act", Guest::acting().module()).await;
    let token = world.token("acme", &["events:write"]).await;
    assert!(token.starts_with("rf_") && token.len() == 46);
    let world = world.restart().await;
    let headers = [("content-type", "application/cloudevents+json")];
    let body = event("e1", "ticket.new").to_string().into_bytes();
    let path = "/v1/tenants/acme/events";
    let answer = world.send("POST", path, Some(&token), &headers, body).await;
    answer.expect(202);
    for scopes in [json!([]), json!(["everything"]), json!("read")] {
        let path = "/v1/tenants/acme/tokens";
        let answer = world
            .call("POST", path, Some(json!({"scopes": scopes})))
            .await;
        answer.refused(400, "invalid-body");
    }
    let answer = world
        .call(
            "POST",
            "/v1/tenants/nobody/tokens",
            Some(json!({"scopes": ["read"]})),
        )
        .await;
    answer.refused(404, "no-tenant");
    world.stop().await;
}
