//! Tenants do not see, reach or disturb each other.

use ringfence_tests::{Server, event};
use serde_json::json;

#[tokio::test]
async fn a_token_acts_for_its_tenant_only() {
    let server = Server::start().await;
    let (acme, other) = (server.tenant("acme").await, server.tenant("other").await);
    let manifest = acme.activate("escalate-urgent").await;
    assert!(manifest["triggers"].is_array());
    let urgent = event("conversation.created", "c", json!({"priority": "urgent"}));
    let story = acme.run(&[urgent]).await.remove(0);
    let (id, execution) = (&story["event"]["id"], &story["rules"][0]["execution"]);
    let (id, execution) = (id.as_str().unwrap(), execution.as_str().unwrap());

    // The other's token on this tenant, and on one that does not exist: the
    // answers do not differ, so tokens do not tell who is there.
    for tenant in ["acme", "nobody"] {
        for (method, rest) in [
            ("GET", String::new()),
            ("GET", "/usage".into()),
            ("GET", "/rules".into()),
            ("GET", "/effects".into()),
            ("GET", "/executions".into()),
            ("GET", format!("/events/{id}")),
            ("GET", format!("/executions/{execution}")),
            ("GET", format!("/executions/{execution}/bundle")),
            ("GET", format!("/cascades/{id}")),
            ("GET", "/dead-letters".into()),
            ("POST", "/events".into()),
            ("POST", "/evaluate".into()),
            ("POST", "/rules/escalate-urgent/versions".into()),
            ("PUT", "/rules/escalate-urgent/activation".into()),
            ("DELETE", "/rules/escalate-urgent/activation".into()),
        ] {
            let path = format!("/v1/tenants/{tenant}{rest}");
            let answer = other.api.call(method, &path, &[], "").await;
            answer.problem(403, "other-tenant");
        }
    }
    // The operator's calls.
    for (method, path) in [
        ("GET", "/v1/tenants"),
        ("PUT", "/v1/tenants/other"),
        ("DELETE", "/v1/tenants/other"),
        ("POST", "/v1/tenants/other/tokens"),
    ] {
        let answer = other.api.call(method, path, &[], "").await;
        answer.problem(403, "operator-only");
    }
    // What one tenant has is not found under another, even by the operator.
    let operator = server.operator();
    for (rest, code) in [
        (format!("/events/{id}"), "no-event"),
        (format!("/executions/{execution}"), "no-execution"),
        (format!("/cascades/{id}"), "no-cascade"),
        ("/rules/escalate-urgent".into(), "no-rule"),
    ] {
        operator.get(&other.path(&rest)).await.problem(404, code);
    }
}

#[tokio::test]
async fn a_token_does_what_its_scopes_say() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    for scope in ["events:write", "rules:write", "read"] {
        let api = acme
            .api
            .with_token(Some(&server.token("acme", &[scope]).await));
        for (needed, method, rest) in [
            ("read", "GET", ""),
            ("read", "GET", "/rules"),
            ("read", "GET", "/executions"),
            ("read", "GET", "/effects"),
            ("events:write", "POST", "/events"),
            ("events:write", "POST", "/evaluate"),
            ("rules:write", "POST", "/rules/r/versions"),
            ("rules:write", "PUT", "/rules/r/activation"),
            ("rules:write", "DELETE", "/rules/r/activation"),
        ] {
            let answer = api.call(method, &acme.path(rest), &[], "").await;
            if needed == scope {
                assert_ne!(answer.status, 403, "{scope}: {}", answer.text());
            } else {
                let problem = answer.problem(403, "missing-scope");
                assert!(
                    problem["detail"].as_str().unwrap().contains(needed),
                    "{problem}"
                );
            }
        }
    }
}

#[tokio::test]
async fn rules_state_and_events_are_a_tenants_own() {
    let server = Server::start().await;
    let (acme, other) = (server.tenant("acme").await, server.tenant("other").await);
    acme.activate("three-strikes").await;
    other.activate("three-strikes").await;
    other.activate("escalate-urgent").await;

    // The same events, with the same source and id, to both.
    let spam = || {
        event(
            "message.received",
            "a",
            json!({"from": "a@b.org", "spam": true}),
        )
    };
    let urgent = event("conversation.created", "c", json!({"priority": "urgent"}));
    let events = [spam(), spam(), urgent];
    let (ours, theirs) = (acme.send(&events).await, other.send(&events).await);
    assert!(
        ours.iter().all(|id| !theirs.contains(id)),
        "ids are a tenant's own"
    );
    let stories = acme.wait_until_done(&ours).await;
    other.wait_until_done(&theirs).await;
    assert_eq!(
        stories[2]["rules"].as_array().unwrap().len(),
        1,
        "one rule only"
    );
    assert!(acme.effects().await.is_empty());
    assert_eq!(other.effects().await.len(), 1);

    // The third strike of one is not the other's.
    acme.run(&[spam()]).await;
    assert_eq!(acme.effects().await.len(), 1);
    assert_eq!(other.effects().await.len(), 1);
}

#[tokio::test]
async fn a_tenant_that_is_deleted_is_gone() {
    let server = Server::start().await;
    let (acme, other) = (server.tenant("acme").await, server.tenant("other").await);
    for tenant in [&acme, &other] {
        tenant.activate("escalate-urgent").await;
        let urgent = event("conversation.created", "c", json!({"priority": "urgent"}));
        tenant.run(&[urgent]).await;
    }
    let operator = server.operator();
    operator.delete(&acme.path("")).await.expect(200);
    operator
        .delete(&acme.path(""))
        .await
        .problem(404, "no-tenant");
    acme.api
        .get(&acme.path("/usage"))
        .await
        .problem(401, "unauthenticated");
    for rest in [
        "",
        "/usage",
        "/rules",
        "/events/00112233445566778899aabbccddeeff",
    ] {
        operator
            .get(&acme.path(rest))
            .await
            .problem(404, "no-tenant");
    }
    assert_eq!(other.effects().await.len(), 1);

    // Another of the same name begins with nothing.
    let acme = server.tenant("acme").await;
    assert_eq!(acme.get("/rules").await["items"], json!([]));
    assert!(acme.executions("").await.is_empty());
    assert!(acme.effects().await.is_empty());
    let counts = acme.counts().await;
    assert_eq!(
        (counts.waiting, counts.done, counts.dead_lettered),
        (0, 0, 0)
    );
}
