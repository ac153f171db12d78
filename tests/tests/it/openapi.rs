//! The document at `/openapi.json`: complete, true, and the same as what the
//! server does.

use ringfence_tests::{Answer, Server, event, guest};
use serde_json::{Value, json};

/// What programs hold on to. The server may do more.
const CONTRACT: [&str; 25] = [
    "put /v1/tenants/{tenant}",
    "get /v1/tenants/{tenant}",
    "delete /v1/tenants/{tenant}",
    "get /v1/tenants",
    "post /v1/tenants/{tenant}/tokens",
    "post /v1/tenants/{tenant}/rules/{rule}/versions",
    "get /v1/tenants/{tenant}/rules/{rule}/versions",
    "put /v1/tenants/{tenant}/rules/{rule}/activation",
    "delete /v1/tenants/{tenant}/rules/{rule}/activation",
    "get /v1/tenants/{tenant}/rules",
    "get /v1/tenants/{tenant}/rules/{rule}",
    "get /v1/tenants/{tenant}/graph",
    "post /v1/tenants/{tenant}/events",
    "post /v1/tenants/{tenant}/evaluate",
    "get /v1/tenants/{tenant}/executions",
    "get /v1/tenants/{tenant}/executions/{id}",
    "get /v1/tenants/{tenant}/executions/{id}/bundle",
    "get /v1/tenants/{tenant}/events/{id}",
    "get /v1/tenants/{tenant}/cascades/{id}",
    "get /v1/tenants/{tenant}/effects",
    "post /v1/tenants/{tenant}/effects/ack",
    "get /healthz",
    "get /readyz",
    "get /metrics",
    "get /openapi.json",
];

async fn document(server: &Server) -> Value {
    let answer = server.operator().get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    answer.expect(200)
}

#[tokio::test]
async fn the_document_lists_what_there_is() {
    let server = Server::start().await;
    let document = document(&server).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for call in CONTRACT {
        let (method, path) = call.split_once(' ').unwrap();
        let operation = &document["paths"][path][method];
        assert!(operation.is_object(), "{call} is not in the document");
    }
    // Whatever it lists is there: it asks for a token, or answers.
    let anonymous = server.operator().with_token(None);
    for (path, item) in document["paths"].as_object().unwrap() {
        let filled = path.replace("{tenant}", "acme").replace("{rule}", "r");
        let filled = filled.replace("{id}", "00112233445566778899aabbccddeeff");
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase();
            let answer = server.operator().call(&method, &filled, &[], "").await;
            let problem = String::from_utf8_lossy(&answer.body);
            assert!(!problem.contains("no-path"), "{method} {path}: {problem}");
            assert_ne!(answer.status, 405, "{method} {path}");
            assert!(answer.status < 500, "{method} {path}: {problem}");
            let open = operation["security"].as_array().unwrap().is_empty();
            let answer = anonymous.call(&method, &filled, &[], "").await;
            assert_eq!(answer.status == 401, !open, "{method} {path}");
        }
    }
}

/// Checks answers against the document's schema for their call and status.
struct Contract {
    document: Value,
    checked: usize,
}

impl Contract {
    fn check(&mut self, call: &str, answer: &Answer) -> Value {
        let (method, path) = call.split_once(' ').unwrap();
        let responses = &self.document["paths"][path][method]["responses"];
        let status = answer.status.to_string();
        let response = match &responses[&status] {
            Value::Null => &responses["default"],
            response => response,
        };
        let kind = answer
            .header("content-type")
            .split(';')
            .next()
            .unwrap_or_default();
        let schema = match &response["content"][kind]["schema"] {
            Value::Null => panic!("{call}: {status} as `{kind}` is not documented: {response}"),
            schema => schema,
        };
        let mut whole = json!({"components": self.document["components"]});
        whole["allOf"] = json!([schema]);
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let body = answer.json();
        let errors: Vec<String> = validator
            .iter_errors(&body)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{call}: {errors:?} in {body}");
        self.checked += 1;
        body
    }
}

#[tokio::test]
async fn answers_are_as_documented() {
    let server = Server::start().await;
    let operator = server.operator();
    let document = document(&server).await;
    let mut contract = Contract {
        document,
        checked: 0,
    };

    let answer = operator.put("/v1/tenants/acme", &json!({})).await;
    contract.check("put /v1/tenants/{tenant}", &answer);
    let scopes = json!({"scopes": ["read", "events:write", "rules:write"]});
    let answer = operator.post("/v1/tenants/acme/tokens", &scopes).await;
    contract.check("post /v1/tenants/{tenant}/tokens", &answer);

    let acme = server.tenant("acme-2").await;
    for name in [
        "three-strikes",
        "countdown",
        "infinite-loop",
        "assign-by-skill",
    ] {
        let answer = acme.upload(name, guest(name)).await;
        let call = "post /v1/tenants/{tenant}/rules/{rule}/versions";
        let version = contract.check(call, &answer)["version"].clone();
        let path = acme.path(&format!("/rules/{name}/activation"));
        let mut body = json!({"version": version});
        if name == "assign-by-skill" {
            body["config"] = json!({"fallback": "triage", "skills": []});
        }
        let answer = acme.api.put(&path, &body).await;
        let call = "put /v1/tenants/{tenant}/rules/{rule}/activation";
        contract.check(call, &answer);
    }
    let events = [
        event("message.received", "a", json!({"from": "a", "spam": true})),
        event("countdown.tick", "t", json!({"n": 40})),
        event("conversation.created", "c", json!({})),
    ];
    let answer = acme.batch(&events).await;
    let accepted = contract.check("post /v1/tenants/{tenant}/events", &answer);
    acme.settle().await;
    let kind = [("content-type", "application/cloudevents+json")];
    let path = acme.path("/evaluate");
    let answer = acme
        .api
        .call("POST", &path, &kind, events[2].to_string())
        .await;
    contract.check("post /v1/tenants/{tenant}/evaluate", &answer);

    for index in 0..events.len() {
        let id = accepted["accepted"][index]["id"].as_str().unwrap();
        for (call, list) in [("events", "events"), ("cascades", "cascades")] {
            let answer = acme.api.get(&acme.path(&format!("/{list}/{id}"))).await;
            contract.check(
                &format!("get /v1/tenants/{{tenant}}/{call}/{{id}}"),
                &answer,
            );
        }
    }
    for execution in acme.executions("").await.iter().take(10) {
        let id = execution["id"].as_str().unwrap();
        let path = acme.path(&format!("/executions/{id}"));
        let call = "get /v1/tenants/{tenant}/executions/{id}";
        contract.check(call, &acme.api.get(&path).await);
        let answer = acme.api.get(&format!("{path}/bundle")).await;
        contract.check(&format!("{call}/bundle"), &answer);
    }
    for list in [
        "",
        "/rules",
        "/executions",
        "/dead-letters",
        "/effects",
        "/usage",
    ] {
        let answer = acme.api.get(&acme.path(list)).await;
        contract.check(&format!("get /v1/tenants/{{tenant}}{list}"), &answer);
    }
    for path in ["/v1/tenants", "/healthz", "/readyz"] {
        contract.check(&format!("get {path}"), &operator.get(path).await);
    }
    for (code, path) in [
        (404, "/events/00112233445566778899aabbccddeeff"),
        (400, "/events/x"),
    ] {
        let answer = acme.api.get(&acme.path(path)).await;
        assert_eq!(answer.status, code);
        contract.check("get /v1/tenants/{tenant}/events/{id}", &answer);
    }
    assert!(contract.checked > 40, "{}", contract.checked);
}
