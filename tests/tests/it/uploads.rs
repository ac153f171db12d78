//! What is no rule is refused when it is uploaded, and says why.

use ringfence_tests::{Server, guest};
use serde_json::json;

/// A component that exports nothing.
const EMPTY: &str = "(component)";

/// A core module without the embedded WIT type.
const MODULE: &str = r#"(module (func (export "handle")))"#;

/// Wants what no rule gets.
const SOCKETS: &str = r#"(component
  (import "evil:net/sockets@1.0.0" (instance (export "connect" (func))))
  (import "wasi:cli/environment@0.2.0" (instance (export "get" (func))))
)"#;

/// Exports the right names with the wrong types.
const WRONG: &str = r#"(component
  (core module $m
    (func (export "f") (result i32) i32.const 7))
  (core instance $i (instantiate $m))
  (func $f (result u32) (canon lift (core func $i "f")))
  (export "describe" (func $f))
  (export "handle" (func $f))
)"#;

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's component is well-formed")
}

#[tokio::test]
async fn what_is_no_rule_is_refused() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    let good = guest("escalate-urgent");
    let half = good[..good.len() / 2].to_vec();
    let mut flipped = good.clone();
    flipped[8..64].fill(0xff);
    for (name, bytes, code, says) in [
        ("nothing", vec![], "not-wasm", "not a WebAssembly"),
        (
            "text",
            b"(module)".to_vec(),
            "not-wasm",
            "not a WebAssembly",
        ),
        ("half a component", half, "invalid-wasm", "not valid"),
        ("damaged", flipped, "invalid-wasm", "not valid"),
        ("empty", wat(EMPTY), "missing-exports", "`describe`"),
        ("module", wat(MODULE), "no-wit-type", "component-type"),
        (
            "sockets",
            wat(SOCKETS),
            "unknown-imports",
            "evil:net/sockets@1.0.0",
        ),
        ("wrong types", wat(WRONG), "wrong-type", "export `"),
    ] {
        let answer = acme.upload("rule", bytes).await;
        println!("{name}: {}", answer.text());
        let problem = answer.problem(422, code);
        assert!(
            problem["detail"].as_str().unwrap().contains(says),
            "{problem}"
        );
        assert!(problem["hint"].is_string(), "{name}: no hint: {problem}");
    }
    let path = acme.path("/rules/rule/versions");
    let answer = acme
        .api
        .call("POST", &path, &[("content-type", "text/plain")], good)
        .await;
    answer.problem(415, "unsupported-media-type");
    assert_eq!(acme.get("/rules").await["items"], json!([]));
}

#[tokio::test]
async fn what_is_too_large_or_too_much_is_refused() {
    let server = Server::start().await;
    let limits = json!({"component_bytes": 1_024});
    let small = server.tenant_with("small", limits).await;
    let component = guest("escalate-urgent");
    let problem = small.upload("rule", component.clone()).await;
    let problem = problem.problem(413, "component-too-large");
    assert_eq!(problem["limit"], 1_024);
    assert_eq!(problem["usage"], component.len());
    assert!(problem["hint"].is_string());
    assert_eq!(small.get("/rules").await["items"], json!([]));

    let few = server
        .tenant_with("few", json!({"rules": 1, "versions": 1}))
        .await;
    few.upload("first", component.clone()).await.expect(201);
    few.upload("first", component.clone()).await.expect(200);
    for (rule, bytes) in [("second", component), ("first", guest("countdown"))] {
        let problem = few.upload(rule, bytes).await.problem(409, "limit-reached");
        assert!(problem["hint"].is_string(), "{problem}");
    }
    let rules = few.get("/rules").await;
    assert_eq!(rules["items"].as_array().unwrap().len(), 1);
}

/// Every example is accepted, and says what it is.
#[tokio::test]
async fn manifests_are_complete() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    let names = [
        "assign-by-skill",
        "countdown",
        "escalate-urgent",
        "label-issue",
        "sla-breach",
        "tag-sync",
        "three-strikes",
    ];
    for name in names {
        let version = acme.upload(name, guest(name)).await.expect(201);
        let manifest = &version["manifest"];
        assert!(
            !manifest["triggers"].as_array().unwrap().is_empty(),
            "{name}"
        );
        assert!(!manifest["summary"].as_str().unwrap().is_empty(), "{name}");
        // It counts down by setting itself off.
        let warnings = match name {
            "countdown" => {
                json!(["It would close a cycle of rules: countdown → countdown.tick → countdown."])
            }
            _ => json!([]),
        };
        assert_eq!(version["warnings"], warnings, "{name}");
        assert_eq!(version["rule"], name);
        assert_eq!(version["version"].as_str().unwrap().len(), 64);
    }
    let rules = acme.get("/rules").await;
    let listed = rules["items"].as_array().unwrap().iter();
    let listed: Vec<&str> = listed.map(|rule| rule["rule"].as_str().unwrap()).collect();
    assert_eq!(listed, names);
    assert!(rules["items"][0]["activation"].is_null());
}
