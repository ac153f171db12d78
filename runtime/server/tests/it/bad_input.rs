//! What is wrong is refused with a code, and leaves nothing behind.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::guest::Guest;
use crate::world::{OPERATOR, World, event};

async fn nothing_kept(world: &World) {
    let usage = world.get("/v1/tenants/acme/usage").await.expect(200);
    let none = json!({"waiting": 0, "done": 0, "dead_lettered": 0});
    assert_eq!(usage["events"], none);
    let rules = world.get("/v1/tenants/acme/rules").await.expect(200);
    assert_eq!(rules["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_uploads() {
    let world = World::new().await;
    world.tenant("acme").await;
    let imports = wat::parse_str(r#"(module (import "env" "abort" (func)))"#).unwrap();
    let without_exports = wat::parse_str("(component)").unwrap();
    let mut cut = Guest::new().module();
    cut.truncate(cut.len() / 2);
    for wasm in [
        Vec::new(),
        b"not wasm".to_vec(),
        imports,
        without_exports,
        cut,
    ] {
        let answer = world.upload("acme", "bad", wasm).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        assert!(answer.body["hint"].is_string(), "{}", answer.body);
    }
    let answer = world.upload("acme", "bad", vec![0; 5 << 20]).await;
    let problem = answer.refused(413, "component-too-large");
    assert_eq!(
        (&problem["limit"], &problem["usage"]),
        (&json!(4 << 20), &json!(5 << 20))
    );
    let path = "/v1/tenants/acme/rules/bad/versions";
    for kind in ["application/json", "text/plain", ""] {
        let headers = [("content-type", kind)];
        let answer = world
            .send(
                "POST",
                path,
                Some(OPERATOR),
                &headers,
                Guest::new().module(),
            )
            .await;
        answer.refused(415, "unsupported-media-type");
    }
    world
        .upload("nobody", "bad", Guest::new().module())
        .await
        .refused(404, "no-tenant");
    world
        .upload("acme", "Bad", Guest::new().module())
        .await
        .refused(400, "invalid-path");
    nothing_kept(&world).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_events() {
    let world = World::new().await;
    world.tenant("acme").await;
    let mut subject = event("e", "x");
    subject["subject"] = Value::from("s".repeat(10_000));
    let mut large = event("e", "x");
    large["data"] = Value::from("d".repeat(300_000));
    for (body, status, code, at) in [
        (json!({}), 400, "invalid-event", "specversion"),
        (json!("x"), 400, "invalid-event", ""),
        (subject, 400, "invalid-event", "subject"),
        (large, 413, "event-too-large", "data"),
    ] {
        let problem = world.events("acme", &body).await.refused(status, code);
        assert_eq!(problem["at"].as_str().unwrap_or_default(), at);
    }
    world
        .events("nobody", &event("e", "x"))
        .await
        .refused(404, "no-tenant");
    let path = "/v1/tenants/acme/events";
    for (headers, body, status, code) in [
        (
            &[("content-type", "application/json")][..],
            "{}",
            415,
            "unsupported-media-type",
        ),
        (&[][..], "", 415, "unsupported-media-type"),
        (
            &[("content-type", "application/cloudevents+json")][..],
            "{",
            400,
            "invalid-json",
        ),
        (
            &[
                ("content-type", "application/cloudevents+json"),
                ("content-encoding", "gzip"),
            ][..],
            "{}",
            415,
            "unsupported-encoding",
        ),
    ] {
        let body = body.as_bytes().to_vec();
        let answer = world
            .send("POST", path, Some(OPERATOR), headers, body)
            .await;
        answer.refused(status, code);
    }
    nothing_kept(&world).await;
    world.stop().await;
}

/// Whoever comes meanwhile waits for a whole batch on its way to the disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_more_than_two_mebibytes_is_refused_whole() {
    let world = World::new().await;
    world.tenant("acme").await;
    let large = |id: u32| {
        let mut event = event(&id.to_string(), "x");
        event["data"] = Value::from("d".repeat(240_000));
        event
    };
    let mut batch: Vec<Value> = (0..9).map(large).collect();
    world
        .events("acme", &json!(batch))
        .await
        .refused(413, "body-too-large");
    nothing_kept(&world).await;
    batch.pop();
    let answer = world.events("acme", &json!(batch)).await.expect(202);
    assert_eq!(answer["accepted"].as_array().unwrap().len(), 8);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_event_of_ten_thousand_refuses_all_and_is_named() {
    let world = World::new().await;
    world.tenant("acme").await;
    let mut batch: Vec<Value> = (0..10_000).map(|id| event(&id.to_string(), "x")).collect();
    batch[7_777]["type"] = json!("");
    let problem = world
        .events("acme", &json!(batch))
        .await
        .refused(400, "invalid-event");
    assert_eq!(problem["at"], "events[7777].type");
    nothing_kept(&world).await;
    batch[7_777] = event("7777", "x");
    batch.push(event("more", "x"));
    world
        .events("acme", &json!(batch))
        .await
        .refused(413, "batch-too-large");
    nothing_kept(&world).await;
    batch.pop();
    let answer = world.events("acme", &json!(batch)).await.expect(202);
    assert_eq!(answer["accepted"].as_array().unwrap().len(), 10_000);
    let answer = world.events("acme", &json!(batch[..9_999])).await;
    assert!(answer.headers.contains_key("retry-after"));
    answer.refused(429, "too-fast");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_lead_nowhere() {
    let world = World::new().await;
    world.tenant("acme").await;
    world.get("/v2").await.refused(404, "no-path");
    world.get("/v1/tenants/acme/").await.refused(404, "no-path");
    let answer = world.call("PATCH", "/v1/tenants/acme", None).await;
    assert_eq!(answer.headers["allow"], "PUT,GET,HEAD,DELETE");
    answer.refused(405, "method-not-allowed");
    for (path, status, code) in [
        ("/v1/tenants?limit=0", 400, "invalid-query"),
        ("/v1/tenants?limit=x", 400, "invalid-query"),
        ("/v1/tenants?lmiit=1", 400, "invalid-query"),
        (
            "/v1/tenants/acme/executions?cursor=x",
            400,
            "invalid-cursor",
        ),
        (
            "/v1/tenants/acme/executions?status=odd",
            400,
            "invalid-query",
        ),
        (
            "/v1/tenants/acme/executions?event=odd",
            400,
            "invalid-query",
        ),
        (
            "/v1/tenants/acme/executions?since=odd",
            400,
            "invalid-query",
        ),
        ("/v1/tenants/acme/executions/odd", 400, "invalid-path"),
        (
            "/v1/tenants/acme/effects?wait_ms=60000",
            400,
            "invalid-query",
        ),
        ("/v1/tenants/nobody/executions", 404, "no-tenant"),
        ("/problems/odd", 404, "no-problem"),
    ] {
        world.get(path).await.refused(status, code);
    }
    let known = world.get("/problems/no-tenant").await.expect(200);
    assert_eq!(known["status"], 404);
    world.stop().await;
}

/// Sends text as it is, closes the sending side, and reads the answer.
async fn raw(world: &World, text: &str) -> String {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_cut_off_half_way_is_refused_and_answered() {
    let world = World::new().await;
    world.tenant("acme").await;
    let head = format!(
        "POST /v1/tenants/acme/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OPERATOR}\r\ncontent-type: application/cloudevents+json\r\n"
    );
    let body = event("e1", "x").to_string();
    let length = format!("{head}content-length: {}\r\n\r\n", body.len());
    let answer = raw(&world, &format!("{length}{}", &body[..40])).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("body-incomplete"), "{answer}");
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let answer = raw(&world, &format!("{chunked}28\r\n{}", &body[..20])).await;
    assert!(answer.contains("body-incomplete"), "{answer}");
    nothing_kept(&world).await;

    let (first, rest) = body.split_at(40);
    let whole = format!(
        "{chunked}28\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n",
        rest.len()
    );
    let answer = raw(&world, &whole).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_however_they_are_sent() {
    let world = World::new().await;
    world.tenant("acme").await;
    let large = json!({"plan": "x".repeat(70_000)});
    let answer = world.call("PUT", "/v1/tenants/acme", Some(large)).await;
    let problem = answer.refused(413, "body-too-large");
    assert_eq!(problem["limit"], 65_536);
    let head = format!(
        "PUT /v1/tenants/acme HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OPERATOR}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let answer = raw(&world, &format!("{head}{}0\r\n\r\n", chunk.repeat(4))).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("body-too-large"), "{answer}");
    world.stop().await;
}
