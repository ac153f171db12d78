//! Rules that attack the host end with their stop, and nobody else notices.

use ringfence_tests::{Server, Tenant, event};
use serde_json::{Value, json};

/// A guest, its trigger, and the stop that it must end with.
const ATTACKS: [(&str, &str, &str); 6] = [
    ("infinite-loop", "conversation.created", "out-of-fuel"),
    ("memory-bomb", "conversation.created", "out-of-memory"),
    ("deep-recursion", "message.received", "stack-overflow"),
    ("huge-output", "report.requested", "output-too-large"),
    ("trap-late", "invoice.issued", "trap"),
    // A rule that fails by itself is stopped in the same way.
    ("three-strikes", "message.received", "rule-failed"),
];

#[tokio::test]
async fn each_attack_ends_with_its_stop() {
    let server = Server::start().await;
    for (guest, ty, code) in ATTACKS {
        let tenant = server.tenant(guest).await;
        tenant.activate(guest).await;
        let story = tenant.run(&[event(ty, "s", json!({}))]).await.remove(0);
        assert_eq!(story["state"], "dead-lettered", "{guest}: {story}");
        let fate = &story["rules"][0];
        assert_eq!(fate["outcome"], "dead-lettered", "{guest}");
        assert_eq!(fate["stop"]["code"], code, "{guest}: {story}");
        check_stop(guest, &tenant, fate).await;
    }
}

/// The stop is the same wherever it is told, explains itself, and what was
/// used is charged.
async fn check_stop(guest: &str, tenant: &Tenant, fate: &Value) {
    let stop = &fate["stop"];
    let execution = tenant.execution(&fate["execution"]).await;
    assert_eq!(execution["status"], "stopped", "{guest}");
    assert_eq!(execution["stop"], *stop, "{guest}");
    assert_eq!(execution["effects"], Value::Null, "{guest}: {execution}");
    assert!(
        stop["message"].as_str().is_some_and(|text| text.len() > 10),
        "{stop}"
    );
    let fuel = execution["usage"]["fuel"].as_u64().unwrap();
    assert!(fuel > 0, "{guest}: used nothing: {execution}");

    let letters = tenant.dead_letters("").await;
    assert_eq!(letters.len(), 1, "{guest}");
    assert_eq!(letters[0]["stop"], *stop, "{guest}");
    assert_eq!(letters[0]["execution"], execution["id"], "{guest}");
    assert!(tenant.effects().await.is_empty(), "{guest}");

    let limited = |limit: &str| {
        assert_eq!(
            stop["limit"].as_u64(),
            limit.parse().ok(),
            "{guest}: {stop}"
        );
        let usage = stop["usage"].as_u64().unwrap_or(0);
        assert!(stop["usage"].is_null() || usage >= stop["limit"].as_u64().unwrap());
        assert!(stop["hint"].is_string(), "{guest}: no hint: {stop}");
    };
    match stop["code"].as_str().unwrap() {
        "out-of-fuel" => {
            limited("10000000");
            assert!(fuel >= 10_000_000, "{guest}: charged {fuel}");
        }
        "out-of-memory" => limited(&(32 * 1024 * 1024).to_string()),
        "output-too-large" => limited(&(64 * 1024).to_string()),
        "trap" => {
            let functions = functions(stop);
            let named = functions.iter().any(|name| name.contains("trap_late"));
            assert!(named, "{guest}: no name of the rule's: {functions:?}");
            // 300,000 turns of some instructions each are paid for.
            assert!(fuel > 600_000, "{guest}: worked for {fuel}");
        }
        "stack-overflow" => {
            let functions = functions(stop);
            let named = functions.iter().any(|name| name.contains("deeper"));
            assert!(named, "{guest}: {functions:?}");
            assert!(functions.len() < 200, "a backtrace has a bound");
        }
        _ => {}
    }
}

fn functions(stop: &Value) -> Vec<String> {
    let frames = stop["backtrace"].as_array().cloned().unwrap_or_default();
    let name = |frame: &Value| frame["function"].as_str().unwrap_or_default().to_owned();
    frames.iter().map(name).collect()
}

/// Attackers and a calm tenant at once: all of the calm tenant's events are
/// done, and every accepted event of all is done or in the dead letters.
#[tokio::test]
async fn a_calm_tenant_is_served_in_a_storm() {
    // All of the storm is to be run, however often it is stopped.
    let server = Server::start_with("[quarantine]\nruns = 0\n").await;
    let calm = server.tenant("calm").await;
    calm.activate("escalate-urgent").await;
    let storm = [
        ("loop", "infinite-loop", "conversation.created"),
        ("bomb", "memory-bomb", "conversation.created"),
        ("recursion", "deep-recursion", "message.received"),
        ("mirror", "self-trigger", "conversation.updated"),
        ("flood", "fan-out", "task.created"),
    ];
    let mut attackers = Vec::new();
    for (name, guest, ty) in storm {
        let tenant = server.tenant(name).await;
        tenant.activate(guest).await;
        attackers.push((tenant, ty, Vec::new()));
    }
    let mut calm_ids = Vec::new();
    for round in 0..10 {
        for (tenant, ty, sent) in &mut attackers {
            let subject = format!("s-{round}");
            sent.extend(tenant.send(&[event(ty, &subject, json!({}))]).await);
        }
        let urgent = |n: u32| {
            let subject = format!("c-{n}");
            event(
                "conversation.created",
                &subject,
                json!({"priority": "urgent"}),
            )
        };
        let batch: Vec<Value> = (0..20).map(urgent).collect();
        calm_ids.extend(calm.send(&batch).await);
    }
    for story in calm.wait_until_done(&calm_ids).await {
        assert_eq!(story["state"], "done", "{story}");
    }
    assert_eq!(calm.effects().await.len(), calm_ids.len());
    assert!(calm.dead_letters("").await.is_empty());

    for (tenant, _, sent) in &attackers {
        let counts = tenant.settle().await;
        let stories = tenant.wait_until_done(sent).await;
        assert_eq!(stories.len(), 10);
        assert!(counts.dead_lettered > 0, "{}: {counts:?}", tenant.name);
        // The root events, what they set off, and what was refused.
        let mut known = 0;
        for id in sent {
            let cascade = tenant.cascade(id).await;
            known += 1 + cascade["ledger"]["events"].as_u64().unwrap();
        }
        let letters = tenant.dead_letters("").await;
        let refused = letters.iter().filter(|letter| letter["rule"].is_null());
        known += refused.count() as u64;
        let accounted = counts.done + counts.dead_lettered;
        assert_eq!(accounted, known, "{}: {counts:?}", tenant.name);
    }
}

/// One rule's stop is not another's: the event's other rules run all the same.
#[tokio::test]
async fn a_stop_is_of_one_rule() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    for rule in ["escalate-urgent", "infinite-loop", "memory-bomb"] {
        acme.activate(rule).await;
    }
    let urgent = event("conversation.created", "c", json!({"priority": "urgent"}));
    let story = acme.run(&[urgent]).await.remove(0);
    assert_eq!(story["state"], "dead-lettered");
    let rules = story["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 3, "{story}");
    for rule in rules {
        let wanted = match rule["rule"].as_str().unwrap() {
            "escalate-urgent" => "ran",
            _ => "dead-lettered",
        };
        assert_eq!(rule["outcome"], wanted, "{rule}");
    }
    assert_eq!(acme.effects().await.len(), 1);
    assert_eq!(acme.dead_letters("").await.len(), 2);
}
