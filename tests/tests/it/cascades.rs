//! What an event sets off: its tree, its ledger, its bounds.

use ringfence_tests::{Server, event};
use serde_json::{Value, json};

#[tokio::test]
async fn a_countdown_runs_to_its_end() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("countdown").await;

    let ids = acme
        .send(&[event("countdown.tick", "t-1", json!({"n": 25}))])
        .await;
    let counts = acme.settle().await;
    assert_eq!((counts.done, counts.dead_lettered), (26, 0));

    let cascade = acme.cascade(&ids[0]).await;
    assert_eq!(cascade["root"], *ids[0]);
    assert_eq!(cascade["truncated"], false);
    let events = cascade["events"].as_array().unwrap();
    let left: Vec<u64> = events
        .iter()
        .map(|entry| entry["event"]["data"]["n"].as_u64().unwrap())
        .collect();
    assert_eq!(left, (0..=25).rev().collect::<Vec<u64>>());
    // Each is the child of the run of the one before.
    for (index, pair) in events.windows(2).enumerate() {
        let (parent, child) = (&pair[0], &pair[1]);
        let lineage = &child["event"]["lineage"];
        assert_eq!(lineage["depth"], index + 1);
        assert_eq!(lineage["cascade"], *ids[0]);
        assert_eq!(lineage["parent"], parent["decisions"][0]["execution"]);
        assert_eq!(child["event"]["subject"], "t-1");
        assert_eq!(child["event"]["time"], events[0]["event"]["time"]);
    }
    let ledger = &cascade["ledger"];
    assert_eq!(ledger["depth"], 25);
    assert_eq!(ledger["executions"], 26);
    assert_eq!(ledger["events"], 25);
    let fuel = acme.executions("").await.iter().map(fuel).sum::<u64>();
    assert_eq!(ledger["fuel"], fuel);
    assert_eq!(acme.effects().await.len(), 1);
}

fn fuel(execution: &Value) -> u64 {
    execution["usage"]["fuel"].as_u64().unwrap()
}

#[tokio::test]
async fn a_rule_emits_an_event_that_another_takes() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("sla-breach").await;

    let late = json!({"first_reply_due_ms": 1});
    let ids = acme.send(&[event("sla.tick", "c-1", late)]).await;
    let root = acme.wait_until_done(&ids).await.remove(0);
    acme.settle().await;
    let run = acme.execution(&root["rules"][0]["execution"]).await;
    assert_eq!(run["asked_now"], true, "{run}");

    let cascade = acme.cascade(&ids[0]).await;
    let follow_up = &cascade["events"][1]["event"];
    assert_eq!(follow_up["type"], "sla.breached");
    assert_eq!(follow_up["source"], "/ringfence/rules/sla-breach");
    assert_eq!(follow_up["ce_id"], follow_up["id"]);
    assert_eq!(follow_up["lineage"]["parent"], run["id"]);
    // The clock is that of the acceptance, not of the run.
    let accepted_ms = root["event"]["accepted_us"].as_u64().unwrap() / 1000;
    assert_eq!(follow_up["data"]["late_ms"], accepted_ms - 1);
    assert_eq!(cascade["events"][1]["state"], "done");
}

/// No cascade uses more than its budget, in any dimension, and what it was
/// not allowed is in the dead letters with the dimension's code.
#[tokio::test]
async fn runaway_cascades_end_within_their_budget() {
    let server = Server::start().await;
    for (tenant, rules, ty) in [
        ("mirror", &["self-trigger"][..], "conversation.updated"),
        ("rally", &["ping", "pong"], "task.assigned"),
        ("flood", &["fan-out"], "task.created"),
    ] {
        let tenant = server.tenant(tenant).await;
        for rule in rules {
            tenant.activate(rule).await;
        }
        let ids = tenant.send(&[event(ty, "s-1", json!({"path": ""}))]).await;
        let counts = tenant.settle().await;
        let cascade = tenant.cascade(&ids[0]).await;
        let name = &tenant.name;
        for dimension in ["depth", "executions", "fuel", "events", "bytes"] {
            let used = cascade["ledger"][dimension].as_u64().unwrap();
            let budget = cascade["budget"][dimension].as_u64().unwrap();
            assert!(used <= budget, "{name}: {used} of {budget} {dimension}");
        }
        for format in ["mermaid", "dot"] {
            let path = tenant.path(&format!("/cascades/{}?format={format}", ids[0]));
            let drawn = tenant.api.get(&path).await.text();
            for rule in rules {
                assert!(drawn.contains(rule), "{name}: {drawn}");
            }
        }
        let shares = cascade["shares"].as_array().unwrap();
        assert_eq!(shares.len(), rules.len(), "{name}: {shares:?}");
        let of_shares: u64 = shares.iter().filter_map(|s| s["executions"].as_u64()).sum();
        let runs = cascade["runs"].as_array().unwrap();
        assert_eq!(of_shares, runs.len() as u64, "{name}");
        let stops = cascade["stops"].as_array().unwrap();
        assert!(!stops.is_empty(), "{name}");
        let executions = tenant.executions("").await;
        assert_eq!(cascade["ledger"]["executions"], executions.len(), "{name}");
        let all_fuel = executions.iter().map(fuel).sum::<u64>();
        assert_eq!(cascade["ledger"]["fuel"], all_fuel, "{name}");

        let letters = tenant.dead_letters("").await;
        assert!(!letters.is_empty(), "{name}: nothing stopped it");
        assert_eq!(counts.dead_lettered, letters.len() as u64, "{name}");
        for letter in &letters {
            let stop = &letter["stop"];
            let code = stop["code"].as_str().unwrap();
            assert!(
                code.starts_with("cascade-") || code == "revisit",
                "{name}: {stop}"
            );
            assert_eq!(letter["cascade"], *ids[0], "{name}");
            for member in ["message", "hint"] {
                assert!(stop[member].is_string(), "{name}: no {member}: {stop}");
            }
        }
        // The events of the budget, the root, and those that were refused.
        let allowed = cascade["ledger"]["events"].as_u64().unwrap();
        let whole = letters
            .iter()
            .filter(|letter| letter["rule"].is_null())
            .count();
        let known = counts.done + counts.dead_lettered;
        assert_eq!(known, 1 + allowed + whole as u64, "{name}: {counts:?}");
    }
}

#[tokio::test]
async fn a_tenants_own_budget_is_the_one_that_counts() {
    let server = Server::start().await;
    for (tenant, limit, value, code) in [
        ("shallow", "cascade_depth", 5, "cascade-depth"),
        ("few", "cascade_executions", 7, "cascade-executions"),
        ("silent", "cascade_events", 3, "cascade-events"),
        ("small", "cascade_bytes", 200, "cascade-bytes"),
        ("lean", "cascade_fuel", 20_000, "cascade-fuel"),
    ] {
        let mut limits = json!({});
        limits[limit] = json!(value);
        let tenant = server.tenant_with(tenant, limits).await;
        tenant.activate("countdown").await;
        let ids = tenant
            .send(&[event("countdown.tick", "t", json!({"n": 25}))])
            .await;
        let counts = tenant.settle().await;
        assert_eq!(counts.dead_lettered, 1, "{limit}: {counts:?}");
        let letter = tenant.dead_letters("").await.remove(0);
        assert_eq!(letter["stop"]["code"], code, "{limit}");
        assert_eq!(letter["stop"]["limit"], value, "{limit}");
        let cascade = tenant.cascade(&ids[0]).await;
        assert_eq!(cascade["budget"][&limit["cascade_".len()..]], value);
    }
}
