//! Bad input: each is refused with a problem that says what is wrong, and
//! nothing is half-written.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use ringfence_tests::{PATIENCE, Server, Tenant, event};
use serde_json::{Value, json};

const JSON: &str = "application/json";
const EVENT: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

/// A request, and how it is refused.
struct Case {
    request: &'static str,
    content_type: &'static str,
    body: String,
    status: u16,
    code: &'static str,
    /// A part of `detail` or `at`: what in the request is wrong.
    says: &'static str,
}

fn case(
    (request, content_type): (&'static str, &'static str),
    body: impl ToString,
    (status, code): (u16, &'static str),
    says: &'static str,
) -> Case {
    Case {
        request,
        content_type,
        body: body.to_string(),
        status,
        code,
        says,
    }
}

/// The same event with one member changed, or without it.
fn with(member: &str, value: Value) -> Value {
    let mut event = event("conversation.created", "c-1", json!({"priority": "urgent"}));
    match value {
        Value::Null => drop(event.as_object_mut().unwrap().remove(member)),
        value => event[member] = value,
    }
    event
}

fn events() -> Vec<Case> {
    const ONE: (&str, &str) = ("POST /events", EVENT);
    const INVALID: (u16, &str) = (400, "invalid-event");
    let long = "x".repeat(10_000);
    vec![
        case(ONE, "", (400, "invalid-json"), "JSON"),
        case(ONE, "{\"id\": ", (400, "invalid-json"), "JSON"),
        case(ONE, "[]", INVALID, "object"),
        case(ONE, "{}", INVALID, "missing"),
        case(ONE, with("id", Value::Null), INVALID, "id"),
        case(ONE, with("id", json!("")), INVALID, "id"),
        case(ONE, with("id", json!(7)), INVALID, "id"),
        case(ONE, with("source", Value::Null), INVALID, "source"),
        case(ONE, with("type", Value::Null), INVALID, "type"),
        case(ONE, with("type", json!("a\nb")), INVALID, "type"),
        case(
            ONE,
            with("specversion", json!("0.3")),
            INVALID,
            "specversion",
        ),
        case(ONE, with("time", json!("yesterday")), INVALID, "time"),
        case(ONE, with("subject", json!(long)), INVALID, "subject"),
        case(ONE, with("data_base64", json!("%%%")), INVALID, "data"),
        case(
            ONE,
            with("data", json!("x".repeat(300 * 1024))),
            (413, "event-too-large"),
            "262144",
        ),
        case(("POST /events", BATCH), "{}", INVALID, "array"),
        case(
            ("POST /events", BATCH),
            json!([with("id", json!("good")), with("type", Value::Null)]),
            INVALID,
            "events[1].type",
        ),
        case(
            ("POST /events", BATCH),
            json!(vec![with("id", json!("x")); 10_001]),
            (413, "batch-too-large"),
            "10000",
        ),
        case(
            ("POST /events", JSON),
            "{}",
            (415, "unsupported-media-type"),
            "application/json",
        ),
        case(
            ("POST /events", ""),
            "{}",
            (415, "unsupported-media-type"),
            "Content-Type",
        ),
        case(
            ("POST /evaluate", BATCH),
            json!([with("id", json!("x"))]),
            (415, "unsupported-media-type"),
            "One event",
        ),
        case(("POST /evaluate", EVENT), "{}", INVALID, "missing"),
    ]
}

/// `VERSION` stands for the version that the tenant has.
fn activations() -> Vec<Case> {
    const PUT: (&str, &str) = ("PUT /rules/assign-by-skill/activation", JSON);
    const INVALID: (u16, &str) = (422, "invalid-config");
    let config = |config: Value| json!({"version": "VERSION", "config": config});
    let unknown = "ab".repeat(32);
    vec![
        case(PUT, "", (400, "invalid-json"), "JSON"),
        case(PUT, "{}", (400, "invalid-body"), "version"),
        case(PUT, json!({"version": "7"}), (400, "invalid-body"), "64"),
        case(
            PUT,
            json!({"version": unknown}),
            (404, "no-version"),
            "abab",
        ),
        case(
            PUT,
            json!({"version": "VERSION", "x": 1}),
            (400, "invalid-body"),
            "`x`",
        ),
        case(PUT, config(json!({})), INVALID, "fallback"),
        case(PUT, config(json!([])), INVALID, "object"),
        case(
            PUT,
            config(json!({"fallback": 7, "skills": []})),
            INVALID,
            "/fallback",
        ),
        case(
            PUT,
            config(json!({"fallback": "a", "skills": [], "typo": 1})),
            INVALID,
            "typo",
        ),
        case(
            PUT,
            json!({"version": "VERSION", "percent": 0, "config": {"fallback": "a", "skills": []}}),
            (422, "invalid-percent"),
            "percent",
        ),
        case(
            PUT,
            json!({"version": "VERSION", "limits": {"fuel": 1}, "config": {"fallback": "a", "skills": []}}),
            (422, "invalid-limit"),
            "fuel",
        ),
        case(
            PUT,
            json!({"version": "VERSION", "limits": {"feul": 1}}),
            (400, "invalid-body"),
            "feul",
        ),
        case(
            ("PUT /rules/nothing/activation", JSON),
            json!({"version": unknown}),
            (404, "no-version"),
            "nothing",
        ),
        case(
            ("DELETE /rules/nothing/activation", ""),
            "",
            (404, "no-activation"),
            "nothing",
        ),
    ]
}

fn questions() -> Vec<Case> {
    let query = (400, "invalid-query");
    let id = "00112233445566778899aabbccddeeff";
    let get = |path: &str| -> (&'static str, &'static str) {
        (Box::leak(format!("GET {path}").into_boxed_str()), "")
    };
    vec![
        case(get("/events/xyz"), "", (400, "invalid-path"), "xyz"),
        case(get(&format!("/events/{id}")), "", (404, "no-event"), id),
        case(
            get(&format!("/executions/{id}")),
            "",
            (404, "no-execution"),
            id,
        ),
        case(get(&format!("/cascades/{id}")), "", (404, "no-cascade"), id),
        case(get("/rules/nothing"), "", (404, "no-rule"), "nothing"),
        case(
            get("/rules/nothing/versions"),
            "",
            (404, "no-rule"),
            "nothing",
        ),
        case(get("/rules/No_Name"), "", (400, "invalid-path"), "No_Name"),
        case(get("/executions?limit=0"), "", query, "limit"),
        case(get("/executions?limit=501"), "", query, "limit"),
        case(get("/executions?limit=many"), "", query, ""),
        case(get("/executions?colour=red"), "", query, "colour"),
        case(get("/executions?status=fine"), "", query, "fine"),
        case(get("/executions?since=soon"), "", query, "since"),
        case(get("/executions?rule=No_Name"), "", query, "No_Name"),
        case(
            get("/executions?cursor=x"),
            "",
            (400, "invalid-cursor"),
            "cursor",
        ),
        case(get("/effects?wait_ms=999999"), "", query, "wait_ms"),
        case(get("/dead-letters?reason=bad-luck"), "", query, "bad-luck"),
        case(get("/nothing"), "", (404, "no-path"), "/nothing"),
        case(
            ("PATCH /events", ""),
            "",
            (405, "method-not-allowed"),
            "PATCH",
        ),
        case(
            ("DELETE /executions", ""),
            "",
            (405, "method-not-allowed"),
            "DELETE",
        ),
        case(
            ("POST /effects/ack", JSON),
            "{}",
            (400, "invalid-body"),
            "up_to",
        ),
    ]
}

async fn refuse(tenant: &Tenant, version: &str, cases: Vec<Case>) {
    for case in cases {
        let (method, rest) = case.request.split_once(' ').unwrap();
        let body = case.body.replace("VERSION", version);
        let headers = [("content-type", case.content_type)];
        let headers = if case.content_type.is_empty() {
            &[][..]
        } else {
            &headers
        };
        let shown: String = body.chars().take(120).collect();
        println!("{} {shown}", case.request);
        let answer = tenant
            .api
            .call(method, &tenant.path(rest), headers, body)
            .await;
        let problem = answer.problem(case.status, case.code);
        let told = problem.to_string();
        assert!(told.contains(case.says), "no `{}` in {told}", case.says);
        assert!(
            told.len() < 4_000,
            "the answer repeats the question: {told}"
        );
    }
}

#[tokio::test]
async fn bad_input_is_refused_and_changes_nothing() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    let config = json!({"config": {"fallback": "triage", "skills": []}});
    acme.activate_with("assign-by-skill", config).await;
    let before = acme.get("/rules").await;
    let version = before["items"][0]["activation"]["version"]
        .as_str()
        .unwrap();

    for cases in [events(), activations(), questions()] {
        refuse(&acme, version, cases).await;
    }
    assert_eq!(acme.get("/rules").await, before);
    nothing_happened(&acme).await;
}

async fn nothing_happened(tenant: &Tenant) {
    let counts = tenant.settle().await;
    assert_eq!((counts.done, counts.dead_lettered), (0, 0));
    assert!(tenant.executions("").await.is_empty());
    assert!(tenant.effects().await.is_empty());
    assert!(tenant.dead_letters("").await.is_empty());
}

#[tokio::test]
async fn wrong_tokens_and_unknown_tenants_are_refused() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    let path = acme.path("/usage");
    let forged = format!("rf_{}", "A".repeat(43));
    for token in [None, Some("x"), Some(&*forged), Some("")] {
        let answer = acme.api.with_token(token).get(&path).await;
        let problem = answer.problem(401, "unauthenticated");
        assert!(problem["hint"].is_string(), "{problem}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    let basic = [("authorization", "Basic YTpi")];
    let anonymous = acme.api.with_token(None);
    let answer = anonymous.call("GET", &path, &basic, "").await;
    answer.problem(401, "unauthenticated");
    // Who has no token learns nothing, not even which paths there are.
    anonymous
        .get("/v1/nothing")
        .await
        .problem(401, "unauthenticated");

    let operator = server.operator();
    for (method, path) in [
        ("GET", "/v1/tenants/nobody"),
        ("DELETE", "/v1/tenants/nobody"),
        ("GET", "/v1/tenants/nobody/rules"),
        ("GET", "/v1/tenants/nobody/usage"),
    ] {
        let answer = operator.call(method, path, &[], "").await;
        answer.problem(404, "no-tenant");
    }
    let scopes = json!({"scopes": ["read"]});
    let answer = operator.post("/v1/tenants/nobody/tokens", &scopes).await;
    answer.problem(404, "no-tenant");
    for scopes in [json!([]), json!(["everything"]), json!("read")] {
        let body = json!({ "scopes": scopes });
        let answer = operator.post("/v1/tenants/acme/tokens", &body).await;
        answer.problem(400, "invalid-body");
    }
}

#[tokio::test]
async fn bad_tenants_are_refused() {
    let server = Server::start().await;
    let operator = server.operator();
    for (name, body, status, code) in [
        ("No_Name", json!({}), 400, "invalid-path"),
        ("a", json!({"plan": "gold"}), 422, "no-plan"),
        ("a", json!({"limits": {"feul": 1}}), 400, "invalid-body"),
        ("a", json!({"limits": {"fuel": 1}}), 422, "invalid-limit"),
        ("a", json!({"limits": {"fuel": -1}}), 400, "invalid-body"),
        (
            "a",
            json!({"limits": {"memory_bytes": u64::MAX}}),
            422,
            "invalid-limit",
        ),
        ("a", json!([]), 400, "invalid-body"),
    ] {
        let answer = operator.put(&format!("/v1/tenants/{name}"), &body).await;
        answer.problem(status, code);
    }
    let tenants = operator.get("/v1/tenants").await.expect(200);
    assert_eq!(tenants["items"], json!([]));
}

#[tokio::test]
async fn a_batch_is_accepted_as_a_whole_or_not_at_all() {
    const EVENTS: usize = 10_000;
    const BAD: usize = 7_777;
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("escalate-urgent").await;

    let mut batch: Vec<Value> = (0..EVENTS)
        .map(|n| {
            event(
                "conversation.created",
                &format!("c-{n}"),
                json!({"priority": "low"}),
            )
        })
        .collect();
    let good = batch[BAD]["source"].take();
    let problem = acme.batch(&batch).await.problem(400, "invalid-event");
    assert_eq!(problem["at"], format!("events[{BAD}].source"));
    assert!(problem["hint"].is_string(), "{problem}");
    nothing_happened(&acme).await;

    batch[BAD]["source"] = good;
    let ids = acme.send(&batch).await;
    assert_eq!(ids.len(), EVENTS);
    let counts = acme.settle().await;
    assert_eq!((counts.done, counts.dead_lettered), (EVENTS as u64, 0));
}

#[tokio::test]
async fn more_than_may_ever_wait_is_refused_whole() {
    let server = Server::start().await;
    let acme = server
        .tenant_with("acme", json!({"waiting_events": 10}))
        .await;
    let batch: Vec<Value> = (0..11)
        .map(|_| event("nobody.wants", "s", json!({})))
        .collect();
    let answer = acme.batch(&batch).await;
    let problem = answer.problem(413, "batch-too-large");
    assert_eq!(problem["limit"], 10);
    assert!(answer.header("retry-after").is_empty());
    nothing_happened(&acme).await;
    acme.run(&batch[1..]).await;
}

/// Sends the head of a request and a part of its body, then closes what it
/// sends (`Write`) or the whole connection (`Both`).
fn send_half(tenant: &Tenant, body: &str, cut: usize, how: Shutdown) -> String {
    let mut stream = TcpStream::connect(tenant.api.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {}\r\n\
         content-type: {BATCH}\r\ncontent-length: {}\r\n\r\n",
        tenant.path("/events"),
        tenant.api.token(),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body.as_bytes()[..cut]).unwrap();
    stream.shutdown(how).unwrap();
    let mut answer = Vec::new();
    // A connection that was closed as a whole gives an error or nothing.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_cut_off_half_way_is_refused() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    let events: Vec<Value> = (0..3)
        .map(|_| event("nobody.wants", "s", json!({})))
        .collect();
    let body = serde_json::to_string(&events).unwrap();
    // In the middle, and where only the closing bracket is missing.
    for cut in [0, body.len() / 2, body.len() - 1] {
        let answer = send_half(&acme, &body, cut, Shutdown::Write);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{cut}: {answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains("body-incomplete"), "{answer}");
        send_half(&acme, &body, cut, Shutdown::Both);
    }
    nothing_happened(&acme).await;
    // The whole body is taken, and the server is as well as before.
    let answer = send_half(&acme, &body, body.len(), Shutdown::Write);
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert_eq!(acme.settle().await.done, 3);
}
