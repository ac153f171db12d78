//! An event's journey, from upload to effect.

use ringfence_tests::{Server, event, guest};
use serde_json::{Value, json};

fn created(subject: &str, priority: &str) -> Value {
    event(
        "conversation.created",
        subject,
        json!({ "priority": priority }),
    )
}

#[tokio::test]
async fn an_event_becomes_an_effect() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;

    let first = acme
        .upload("escalate-urgent", guest("escalate-urgent"))
        .await;
    let version = first.expect(201);
    assert_eq!(
        version["manifest"]["triggers"][0]["type"],
        "conversation.created"
    );
    assert_eq!(version["manifest"]["acts"], json!(["conversation.update"]));
    assert_eq!(version["size"], guest("escalate-urgent").len());
    let again = acme
        .upload("escalate-urgent", guest("escalate-urgent"))
        .await;
    assert_eq!(again.expect(200)["version"], version["version"]);

    let path = acme.path("/rules/escalate-urgent/activation");
    let body = json!({ "version": version["version"] });
    let activation = acme.api.put(&path, &body).await.expect(200);
    assert_eq!(activation["mode"], "enforce");
    assert_eq!(activation["percent"], 100);

    let sent = created("c-1", "urgent");
    let ids = acme.send(std::slice::from_ref(&sent)).await;
    let story = acme.wait_until_done(&ids).await.remove(0);
    assert_eq!(story["state"], "done");
    assert_eq!(story["event"]["ce_id"], sent["id"]);
    assert_eq!(story["event"]["data"], sent["data"]);
    assert_eq!(story["rules"][0]["rule"], "escalate-urgent");
    assert_eq!(story["rules"][0]["outcome"], "ran");

    let wanted = json!({"name": "conversation.update", "payload": {"team": "escalations"}});
    let execution = acme.execution(&story["rules"][0]["execution"]).await;
    assert_eq!(execution["status"], "ok");
    assert_eq!(execution["version"], version["version"]);
    assert_eq!(execution["effects"], json!([{ "act": wanted }]));
    assert!(execution["usage"]["fuel"].as_u64() > Some(0), "{execution}");
    assert_eq!(execution["asked_now"], false);

    let effects = acme.effects().await;
    assert_eq!(effects.len(), 1, "{effects:?}");
    assert_eq!(effects[0]["action"], wanted);
    assert_eq!(effects[0]["event"], story["event"]["id"]);
    assert_eq!(effects[0]["execution"], execution["id"]);

    let ack = json!({ "up_to": effects[0]["seq"] });
    let acknowledged = acme.api.post(&acme.path("/effects/ack"), &ack).await;
    assert_eq!(acknowledged.expect(200)["acknowledged"], 1);
    assert!(acme.effects().await.is_empty());
}

#[tokio::test]
async fn every_event_has_an_answer_to_why() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("escalate-urgent").await;
    acme.activate("three-strikes").await;

    let stories = acme
        .run(&[
            event("nobody.wants.this", "c-1", json!({})),
            created("c-2", "low"),
        ])
        .await;
    let fates = |story: &Value| -> Vec<String> {
        let rules = story["rules"].as_array().unwrap();
        let fate = |rule: &Value| format!("{} {}", rule["rule"], rule["outcome"]).replace('"', "");
        let mut fates: Vec<String> = rules.iter().map(fate).collect();
        fates.sort();
        fates
    };
    assert_eq!(stories[0]["state"], "done");
    assert_eq!(
        fates(&stories[0]),
        [
            "escalate-urgent not-triggered",
            "three-strikes not-triggered"
        ]
    );
    assert_eq!(
        fates(&stories[1]),
        ["escalate-urgent ran", "three-strikes not-triggered"]
    );
    assert!(acme.effects().await.is_empty(), "nothing urgent was sent");
}

#[tokio::test]
async fn the_same_event_again_is_accepted_and_not_run_again() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("escalate-urgent").await;

    let events: Vec<Value> = (0..20)
        .map(|n| created(&format!("c-{n}"), "urgent"))
        .collect();
    let first = acme.send(&events).await;
    // Once while the first may still run, and once when it is done.
    assert_eq!(acme.send(&events).await, first);
    acme.wait_until_done(&first).await;
    let third = acme.batch(&events).await.expect(202);
    for accepted in third["accepted"].as_array().unwrap() {
        assert_eq!(accepted["duplicate"], true);
    }
    // Twice in one batch is once, too.
    let twin = created("c-twin", "urgent");
    let twins = acme.send(&[twin.clone(), twin]).await;
    assert_eq!(twins[0], twins[1]);

    assert_eq!(acme.settle().await.done, 21);
    assert_eq!(acme.executions("").await.len(), 21);
    assert_eq!(acme.effects().await.len(), 21);
}

#[tokio::test]
async fn evaluation_answers_and_keeps_nothing() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("escalate-urgent").await;
    acme.activate("three-strikes").await;

    let ask = async |event: &Value| {
        let kind = [("content-type", "application/cloudevents+json")];
        let path = acme.path("/evaluate");
        let answer = acme.api.call("POST", &path, &kind, event.to_string()).await;
        answer.expect(200)
    };
    let answer = ask(&created("c-1", "urgent")).await;
    assert_eq!(answer["executions"].as_array().unwrap().len(), 1);
    assert_eq!(answer["executions"][0]["status"], "ok");
    assert_eq!(answer["effects"][0]["act"]["name"], "conversation.update");

    // Had the first been remembered, the third would block.
    for _ in 0..3 {
        let spam = json!({"from": "a@example.org", "spam": true});
        let answer = ask(&event("message.received", "a", spam)).await;
        assert_eq!(answer["effects"][0]["remember"]["value"], 1, "{answer}");
    }
    let counts = acme.settle().await;
    assert_eq!((counts.done, counts.dead_lettered), (0, 0));
    assert!(acme.executions("").await.is_empty());
    assert!(acme.effects().await.is_empty());
}

#[tokio::test]
async fn the_journal_answers_questions() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("escalate-urgent").await;
    acme.activate("three-strikes").await;

    let ids = acme
        .send(&[
            created("c-1", "urgent"),
            event("message.received", "m", json!({"from": "a@example.org"})),
            event("message.received", "m", json!({"no": "sender"})),
        ])
        .await;
    acme.wait_until_done(&ids).await;

    for (query, count) in [
        ("", 3),
        ("rule=three-strikes", 2),
        ("status=ok", 2),
        ("status=stopped", 1),
        ("status=rule-failed", 1),
        ("status=out-of-fuel", 0),
        ("since=2020-01-01T00:00:00Z", 3),
        ("since=2099-01-01T00:00:00Z", 0),
        (&format!("event={}", ids[0]), 1),
    ] {
        let found = acme.executions(query).await;
        assert_eq!(found.len(), count, "{query}: {found:?}");
    }
    // A page at a time is all of them, once each.
    let mut seen = std::collections::BTreeSet::new();
    let mut cursor = String::new();
    for _ in 0..3 {
        let page = acme.get(&format!("/executions?limit=1{cursor}")).await;
        assert!(seen.insert(page["items"][0]["id"].to_string()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 3);

    let letters = acme.dead_letters("reason=rule-failed").await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["event"], *ids[2]);
    assert_eq!(letters[0]["rule"], "three-strikes");
    assert!(acme.dead_letters("reason=trap").await.is_empty());
}

#[tokio::test]
async fn a_bundle_holds_what_a_repetition_needs() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("three-strikes").await;

    let spam = || {
        event(
            "message.received",
            "a",
            json!({"from": "a@b.org", "spam": true}),
        )
    };
    let stories = acme.run(&[spam(), spam()]).await;
    let execution = acme.execution(&stories[1]["rules"][0]["execution"]).await;
    let id = execution["id"].as_str().unwrap();
    let bundle = acme.get(&format!("/executions/{id}/bundle")).await;
    assert_eq!(bundle["event"]["specversion"], "1.0");
    for attribute in ["id", "source", "type", "subject", "data"] {
        let stored = if attribute == "id" {
            "ce_id"
        } else {
            attribute
        };
        assert_eq!(bundle["event"][attribute], stories[1]["event"][stored]);
    }
    assert_eq!(bundle["recall"], json!({"strikes/a@b.org": 1}));
    assert_eq!(bundle["config"], json!({}));
    assert!(bundle["now_ms"].as_u64() > Some(0));
    assert_eq!(bundle["expect"]["effects"], execution["effects"]);
}

#[tokio::test]
async fn the_server_tells_how_it_is() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("escalate-urgent").await;
    acme.run(&[created("c-1", "urgent")]).await;

    let anonymous = server.operator().with_token(None);
    for (path, status) in [("/healthz", "ok"), ("/readyz", "ready")] {
        assert_eq!(anonymous.get(path).await.expect(200)["status"], status);
    }
    anonymous
        .get("/metrics")
        .await
        .problem(401, "unauthenticated");
    acme.api.get("/metrics").await.problem(403, "operator-only");
    let metrics = server.operator().get("/metrics").await;
    assert_eq!(metrics.status, 200);
    let text = metrics.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let counted = text.lines().any(|line| {
        let name = line.split([' ', '{']).next().unwrap_or_default();
        name.contains("events") && name.contains("accepted") && !line.ends_with(" 0")
    });
    assert!(counted, "no accepted event is counted: {text}");
}
