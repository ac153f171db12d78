//! Real webhook bodies of GitHub go through, and each is answered for.

use ringfence_tests::{Server, clients};
use serde_json::{Value, json};

/// Bodies in the pinned version of `@octokit/webhooks-examples`.
const BODIES: usize = 329;
const BATCH: usize = 50;

/// The examples as a host application would send them.
fn events() -> Vec<Value> {
    let path = "node_modules/@octokit/webhooks-examples/api.github.com/index.json";
    let text = std::fs::read(clients().join(path)).unwrap();
    let webhooks: Vec<Value> = serde_json::from_slice(&text).unwrap();
    let mut events = Vec::new();
    for webhook in &webhooks {
        let name = webhook["name"].as_str().unwrap();
        for body in webhook["examples"].as_array().unwrap() {
            let mut event = json!({
                "specversion": "1.0",
                "id": format!("delivery-{}", events.len()),
                "source": "https://github.com",
                "type": format!("com.github.{name}"),
            });
            event["data"] = body.clone();
            if let Some(subject) = subject(body) {
                event["subject"] = json!(subject);
            }
            events.push(event);
        }
    }
    events
}

/// `owner/repository#number`, as far as there is one.
fn subject(body: &Value) -> Option<String> {
    let repository = body["repository"]["full_name"].as_str()?;
    let numbered = ["issue", "pull_request", "discussion"].iter();
    let number = numbered
        .map(|what| &body[what]["number"])
        .find_map(Value::as_u64);
    Some(match number {
        Some(number) => format!("{repository}#{number}"),
        None => repository.to_owned(),
    })
}

#[tokio::test]
async fn each_github_webhook_is_answered_for() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("label-issue").await;
    let events = events();
    assert_eq!(events.len(), BODIES);

    let mut ids = Vec::new();
    for batch in events.chunks(BATCH) {
        ids.extend(acme.send(batch).await);
    }
    let stories = acme.wait_until_done(&ids).await;
    let mut issues = 0;
    for (story, event) in stories.iter().zip(&events) {
        assert_eq!(
            story["state"], "done",
            "{}: {}",
            event["type"], story["rules"]
        );
        assert_eq!(story["event"]["data"], event["data"], "{}", event["type"]);
        let fate = &story["rules"][0];
        if event["type"] == "com.github.issues" {
            issues += 1;
            assert_eq!(fate["outcome"], "ran", "{fate}");
            let execution = acme.execution(&fate["execution"]).await;
            assert_eq!(execution["status"], "ok", "{execution}");
        } else {
            assert_eq!(fate["outcome"], "not-triggered", "{fate}");
        }
    }
    assert!(issues > 20, "{issues} of {BODIES} are about issues");
    assert!(acme.dead_letters("").await.is_empty());
    let effects = acme.effects().await;
    assert!(!effects.is_empty(), "no issue was labelled");
    for effect in &effects {
        let action = &effect["action"];
        assert_eq!(action["name"], "issue.label");
        assert!(action["payload"]["number"].is_u64(), "{action}");
    }
}
