//! Quarantine: whose runs are mostly stopped is not run for a while, and what
//! waits for it is not lost.

use std::time::Duration;

use ringfence_tests::{PATIENCE, Server, Tenant, event};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// Soon tried again.
const SHORT: &str = "[quarantine]\nfirst_s = 1\n";
/// For longer than a test takes.
const LONG: &str = "[quarantine]\nfirst_s = 3_000\n";

async fn rule(tenant: &Tenant, name: &str) -> Value {
    tenant.get(&format!("/rules/{name}")).await
}

/// Waits until this holds of a rule.
async fn until(tenant: &Tenant, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let held = async {
        loop {
            let rule = rule(tenant, name).await;
            if holds(&rule) {
                return rule;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, held).await.expect("it comes to hold")
}

/// Sends events, each about something of its own, to a rule that never ends.
async fn endless(tenant: &Tenant, from: usize, count: usize) -> Vec<String> {
    let events: Vec<Value> = (from..from + count)
        .map(|n| {
            event(
                "conversation.created",
                &format!("m-{n}"),
                json!({"n": n, "priority": "low"}),
            )
        })
        .collect();
    tenant.send(&events).await
}

fn fate<'a>(story: &'a Value, rule: &str) -> &'a Value {
    let rules = story["rules"].as_array().unwrap();
    rules.iter().find(|fate| fate["rule"] == rule).unwrap()
}

#[tokio::test]
async fn who_is_mostly_stopped_waits_and_neighbours_do_not() {
    let mut server = Server::start_with(LONG).await;
    let limits = json!({"fuel": 100_000});
    let acme = server.tenant_with("acme", limits).await;
    acme.activate("infinite-loop").await;
    acme.activate("escalate-urgent").await;
    let first = endless(&acme, 0, 20).await;
    acme.wait_until_done(&first).await;
    let held = until(&acme, "infinite-loop", |rule| {
        !rule["activation"]["quarantine"].is_null()
    })
    .await;
    let quarantine = &held["activation"]["quarantine"];
    assert_eq!(quarantine["stop"]["code"], "out-of-fuel", "{held}");
    assert_eq!(quarantine["times"], 1);
    let found = async {
        loop {
            let list = acme.get("/anomalies").await;
            match list["items"][0].clone() {
                Value::Null => sleep(Duration::from_millis(20)).await,
                found => return found,
            }
        }
    };
    let found = timeout(PATIENCE, found).await.expect("it is known");
    assert_eq!(found["kind"], "quarantine", "{found}");
    let message = found["message"].as_str().unwrap();
    assert!(message.starts_with("`infinite-loop` is in"), "{message}");
    assert_eq!(found["until_us"], Value::Null);
    // What comes now waits for it, and for no other rule.
    let later = endless(&acme, 20, 30).await;
    until(&acme, "infinite-loop", |rule| rule["parked"] == 30).await;
    let story = acme.story(&later[0]).await;
    assert_eq!(story["state"], "waiting");
    assert_eq!(fate(&story, "infinite-loop")["outcome"], "parked");
    assert_eq!(fate(&story, "escalate-urgent")["outcome"], "ran");
    assert_eq!(acme.counts().await.waiting, 30);
    assert_eq!(acme.executions("rule=infinite-loop").await.len(), 20);
    // All of that survives.
    server.kill();
    server.restart().await;
    assert_eq!(rule(&acme, "infinite-loop").await["parked"], 30);
    assert_eq!(acme.counts().await.waiting, 30);
    // It is discarded, with its reason.
    let path = acme.path("/rules/infinite-loop/parked");
    let receipt = acme.api.delete(&path).await.expect(200);
    assert_eq!(receipt["events"], 30);
    assert_eq!(acme.settle().await.dead_lettered, 50);
    let letters = acme.dead_letters("reason=quarantined").await;
    assert_eq!(letters.len(), 30);
    let message = letters[0]["stop"]["message"].as_str().unwrap();
    assert!(message.contains("out-of-fuel"), "{message}");
    assert_eq!(rule(&acme, "infinite-loop").await["parked"], 0);
    // One for each time that the server ran.
    let path = acme.path("/rules/infinite-loop/quarantine");
    acme.api.delete(&path).await.expect(200);
    let over = async {
        loop {
            let list = acme.get("/anomalies").await;
            let ended = |at: usize| list["items"][at]["ended"].as_str();
            if (ended(0), ended(1)) == (Some("calm"), Some("restart")) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, over).await.expect("it is over");
}

#[tokio::test]
async fn a_quarantine_ends_by_a_probe_or_by_hand() {
    let server = Server::start_with(SHORT).await;
    let acme = server.tenant("acme").await;
    // Each event in an even state loops; the others do not.
    acme.activate("self-trigger").await;
    let same = |n: usize| event("conversation.updated", &format!("c-{n}"), json!({"id": n}));
    let events: Vec<Value> = (0..40).map(same).collect();
    acme.send(&events).await;
    let held = until(&acme, "self-trigger", |rule| {
        rule["parked"].as_u64() > Some(5)
    })
    .await;
    let quarantine = &held["activation"]["quarantine"];
    assert_eq!(quarantine["stop"]["code"], "revisit", "{held}");
    // A version that does no harm is put in force: what waited goes on.
    acme.activate_with("self-trigger", json!({"mode": "shadow"}))
        .await;
    let counts = acme.settle().await;
    assert!(counts.dead_lettered >= 3, "{counts:?}");
    assert_eq!(rule(&acme, "self-trigger").await["parked"], 0);
    // By hand, and there is none to lift any more.
    let path = acme.path("/rules/self-trigger/quarantine");
    let refused = acme.api.delete(&path).await.expect(404);
    assert_eq!(refused["code"], "no-quarantine");
}

/// The probe is a run like any other: while it is stopped, the time doubles.
#[tokio::test]
async fn probes_that_fail_double_the_time() {
    let server = Server::start_with(SHORT).await;
    let limits = json!({"fuel": 100_000});
    let acme = server.tenant_with("acme", limits).await;
    acme.activate("infinite-loop").await;
    endless(&acme, 0, 40).await;
    let held = until(&acme, "infinite-loop", |rule| {
        rule["activation"]["quarantine"]["times"].as_u64() >= Some(3)
    })
    .await;
    let quarantine = &held["activation"]["quarantine"];
    let at = |name: &str| quarantine[name].as_u64().unwrap();
    assert_eq!(
        at("until_us") - at("since_us"),
        1_000_000 << (at("times") - 1)
    );
    // One run for each time, and those that were on their way the first time.
    let runs = acme.executions("rule=infinite-loop").await;
    let later = |run: &&Value| run["started_us"].as_u64() > Some(at("since_us") - 500_000);
    assert!(runs.iter().filter(later).count() <= 2, "{quarantine}");
}

/// A budget that others used up, and events that are wrong, are no fault of a
/// rule's own.
#[tokio::test]
async fn nobody_is_quarantined_for_what_others_did() {
    let server = Server::start_with("[quarantine]\nruns = 5\n").await;
    let acme = server
        .tenant_with("acme", json!({"cascade_depth": 1}))
        .await;
    acme.activate("countdown").await;
    let events: Vec<Value> = (0..30)
        .map(|n| event("countdown.tick", &format!("t-{n}"), json!({"n": 5})))
        .chain((0..30).map(|n| event("countdown.tick", &format!("u-{n}"), json!("wrong"))))
        .collect();
    acme.send(&events).await;
    let counts = acme.settle().await;
    assert_eq!(counts.dead_lettered, 60, "{counts:?}");
    let rule = rule(&acme, "countdown").await;
    assert_eq!(rule["activation"]["quarantine"], Value::Null, "{rule}");
}

/// An event does not wait for ever.
#[tokio::test]
async fn what_waits_too_long_is_given_up() {
    let configuration = "[quarantine]\nfirst_s = 3_000\nparked_s = 1\n";
    let server = Server::start_with(configuration).await;
    let acme = server.tenant_with("acme", json!({"fuel": 100_000})).await;
    acme.activate("infinite-loop").await;
    let first = endless(&acme, 0, 20).await;
    acme.wait_until_done(&first).await;
    endless(&acme, 20, 10).await;
    let counts = acme.settle().await;
    assert_eq!(counts.dead_lettered, 30);
    let letters = acme.dead_letters("reason=quarantined").await;
    assert_eq!(letters.len(), 10);
}

/// Who takes a rule out of force gives up what slept for it, and that is said.
#[tokio::test]
async fn what_sleeps_for_a_rule_that_is_taken_out_of_force_is_given_up() {
    let server = Server::start_with("[quarantine]\nfirst_s = 3_000\nparked_events = 8\n").await;
    let acme = server.tenant_with("acme", json!({"fuel": 100_000})).await;
    acme.activate("infinite-loop").await;
    let first = endless(&acme, 0, 20).await;
    acme.wait_until_done(&first).await;
    let mut later = endless(&acme, 20, 8).await;
    until(&acme, "infinite-loop", |rule| rule["parked"] == 8).await;
    // What is on its way to sleep is not counted, so these come after.
    later.extend(endless(&acme, 28, 2).await);
    acme.wait_until_done(&later[8..]).await;
    let path = acme.path("/rules/infinite-loop/activation");
    let receipt = acme.api.delete(&path).await.expect(200);
    assert_eq!(receipt["parked"], 8, "{receipt}");
    let counts = acme.settle().await;
    assert_eq!((counts.done, counts.dead_lettered), (0, 30), "{counts:?}");
    let mut told: Vec<Value> = Vec::new();
    for id in later {
        let story = acme.story(&id).await;
        told.push(fate(&story, "infinite-loop")["stop"].clone());
    }
    let says = |part: &str| {
        let part = |stop: &&Value| stop["message"].as_str().unwrap().contains(part);
        told.iter().filter(part).collect::<Vec<_>>()
    };
    assert_eq!(says("not in force any more").len(), 8, "{told:?}");
    let crowded = says("8 events wait for it already");
    assert_eq!(crowded.len(), 2, "{told:?}");
    assert_eq!(
        (&crowded[0]["limit"], &crowded[0]["usage"]),
        (&json!(8), &json!(8))
    );
    // A rule that is not there has nothing to lift or to discard.
    for rest in ["quarantine", "parked"] {
        let path = acme.path(&format!("/rules/nobody/{rest}"));
        let refused = acme.api.delete(&path).await.expect(404);
        assert_eq!(refused["code"], "no-rule");
    }
}
