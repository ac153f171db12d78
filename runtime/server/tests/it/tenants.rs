//! Tenants and their limits.

use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_created_changed_listed_and_removed() {
    let world = World::new().await;
    let put = |body| world.call("PUT", "/v1/tenants/acme", Some(body));
    let tenant = put(json!({"limits": {"fuel": 5_000_000}}))
        .await
        .expect(201);
    assert_eq!(tenant["plan"], "standard");
    assert_eq!(tenant["limits"], json!({"fuel": 5_000_000}));
    assert_eq!(tenant["limits_in_force"]["fuel"], 5_000_000);
    assert_eq!(tenant["limits_in_force"]["deadline_ms"], 250);
    let changed = put(json!({"limits": {}})).await.expect(200);
    assert_eq!(changed["limits_in_force"]["fuel"], 10_000_000);
    assert_eq!(changed["created_us"], tenant["created_us"]);
    assert_eq!(world.get("/v1/tenants/acme").await.expect(200), changed);

    for name in ["b", "c", "d", "e"] {
        world.tenant(name).await;
    }
    let mut seen = Vec::new();
    let mut path = "/v1/tenants?limit=2".to_owned();
    loop {
        let page = world.get(&path).await.expect(200);
        let items = page["items"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/tenants?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["acme", "b", "c", "d", "e"]);

    world
        .call("DELETE", "/v1/tenants/acme", None)
        .await
        .expect(200);
    world
        .call("DELETE", "/v1/tenants/acme", None)
        .await
        .refused(404, "no-tenant");
    world
        .get("/v1/tenants/acme")
        .await
        .refused(404, "no-tenant");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tenant_cannot_be_is_refused() {
    let world = World::new().await;
    for (body, status, code, part) in [
        (json!({"plan": "gold"}), 422, "no-plan", "gold"),
        (json!({"limits": {"fuel": 1}}), 422, "invalid-limit", "fuel"),
        (
            json!({"limits": {"feul": 5000}}),
            400,
            "invalid-body",
            "feul",
        ),
        (json!({"loop": "stop"}), 400, "invalid-body", "loop"),
        (json!({"loops": "no"}), 400, "invalid-body", "`warn`"),
        (
            json!({"causes": {"update": [""]}}),
            422,
            "invalid-policy",
            "causes.update[0]",
        ),
        (
            json!({"webhook": {"url": "x", "secret": "whsec_"}}),
            422,
            "invalid-policy",
            "webhook.url",
        ),
        (json!([]), 400, "invalid-body", ""),
    ] {
        let answer = world.call("PUT", "/v1/tenants/acme", Some(body)).await;
        let problem = answer.refused(status, code);
        assert!(
            problem["detail"].as_str().unwrap().contains(part),
            "{problem}"
        );
    }
    world
        .get("/v1/tenants/acme")
        .await
        .refused(404, "no-tenant");
    let answer = world
        .call("PUT", "/v1/tenants/Acme!", Some(json!({})))
        .await;
    answer.refused(400, "invalid-path");
    world.stop().await;
}
