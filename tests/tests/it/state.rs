//! What rules remember: exact, in order, and serializable.

use std::collections::BTreeMap;

use ringfence_tests::{Server, Tenant, event};
use serde_json::{Value, json};

pub(super) fn spam(subject: &str, sender: &str) -> Value {
    event(
        "message.received",
        subject,
        json!({"from": sender, "spam": true}),
    )
}

/// Every event of these was run by `three-strikes` exactly once, one after
/// the other in the order accepted: what each recalled is what the one before
/// left. `stories` are of one sender, in the order accepted.
pub(super) async fn check_strikes(tenant: &Tenant, stories: &[Value]) {
    let executions = tenant.executions("rule=three-strikes").await;
    let by_event: BTreeMap<&str, &Value> = executions
        .iter()
        .map(|execution| (execution["event"].as_str().unwrap(), execution))
        .collect();
    assert_eq!(
        by_event.len(),
        executions.len(),
        "an event has two executions"
    );
    for (index, story) in stories.iter().enumerate() {
        assert_eq!(story["state"], "done", "{story}");
        let id = story["event"]["id"].as_str().unwrap();
        let recalled = &by_event[id]["recalled"][0]["value"];
        let before = match index % 3 {
            0 => Value::Null,
            strikes => json!(strikes),
        };
        assert_eq!(*recalled, before, "message {index}: {}", by_event[id]);
    }
}

/// How often each sender was blocked, by the effects that wait; no effect has
/// the id of another.
pub(super) async fn blocks(tenant: &Tenant) -> BTreeMap<String, usize> {
    let mut blocks = BTreeMap::new();
    let mut ids = std::collections::BTreeSet::new();
    for effect in tenant.effects().await {
        assert!(ids.insert(effect["id"].to_string()), "twice: {effect}");
        if effect["action"]["name"] == "contact.block" {
            let sender = effect["action"]["payload"]["address"].as_str().unwrap();
            *blocks.entry(sender.to_owned()).or_default() += 1;
        }
    }
    blocks
}

#[tokio::test]
async fn events_of_one_subject_are_run_in_order() {
    const SENDERS: usize = 12;
    const EACH: usize = 25;
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("three-strikes").await;

    let mut ids = vec![Vec::new(); SENDERS];
    // Small batches, so that sending and running overlap.
    for _ in 0..EACH {
        let sender = |n| format!("s{n}@example.org");
        let batch: Vec<Value> = (0..SENDERS).map(|n| spam(&sender(n), &sender(n))).collect();
        for (ids, id) in ids.iter_mut().zip(acme.send(&batch).await) {
            ids.push(id);
        }
    }
    acme.settle().await;
    for ids in &ids {
        let stories = acme.wait_until_done(ids).await;
        check_strikes(&acme, &stories).await;
    }
    let blocks = blocks(&acme).await;
    assert_eq!(blocks.len(), SENDERS);
    assert!(
        blocks.values().all(|count| *count == EACH / 3),
        "{blocks:?}"
    );
}

#[tokio::test]
async fn runs_that_meet_at_one_value_are_serialized() {
    const EVENTS: usize = 240;
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("three-strikes").await;

    // Different subjects are run in parallel, and all count one sender.
    let events: Vec<Value> = (0..EVENTS)
        .map(|n| spam(&format!("subject-{n}"), "a@example.org"))
        .collect();
    let stories = acme.run(&events).await;
    let ran = stories
        .iter()
        .filter(|story| story["state"] == "done")
        .count();
    for story in &stories {
        let code = &story["rules"][0]["stop"]["code"];
        let given_up = story["state"] == "dead-lettered" && code == "state-conflict";
        assert!(story["state"] == "done" || given_up, "{story}");
    }
    let blocked = blocks(&acme).await.remove("a@example.org").unwrap_or(0);
    assert_eq!(blocked, ran / 3, "of {ran} that ran");
}

#[tokio::test]
async fn remembered_state_survives_a_restart() {
    let mut server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("three-strikes").await;
    let mut stories = Vec::new();
    for round in 0..4 {
        let message = [spam("a", "a@example.org")];
        stories.extend(acme.run(&message).await);
        if round % 2 == 0 {
            assert!(server.stop().await.success());
        } else {
            server.kill();
        }
        server.restart().await;
    }
    check_strikes(&acme, &stories).await;
    assert_eq!(blocks(&acme).await["a@example.org"], 1);
}
