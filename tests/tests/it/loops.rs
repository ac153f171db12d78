//! Loops: found after one full turn, or ended by the budget; and what makes
//! progress is left alone.

use ringfence_tests::{Server, Tenant, event};
use serde_json::{Value, json};

/// The rules of a stop's cycle.
fn cycle(of: &Value) -> Vec<&str> {
    let steps = of["cycle"].as_array().map_or(&[][..], Vec::as_slice);
    steps
        .iter()
        .filter_map(|step| step["rule"].as_str())
        .collect()
}

async fn looping(server: &Server, name: &str, policy: Value, rules: &[&str]) -> Tenant {
    let tenant = server.tenant_as(name, &policy).await;
    for rule in rules {
        tenant.activate(rule).await;
    }
    tenant
}

#[tokio::test]
async fn a_loop_is_stopped_after_one_full_turn_and_named() {
    let server = Server::start().await;
    for (name, rules, ty, expected) in [
        (
            "mirror",
            &["self-trigger"][..],
            "conversation.updated",
            &["self-trigger", "self-trigger"][..],
        ),
        (
            "rally",
            &["ping", "pong"],
            "task.assigned",
            &["ping", "pong", "ping"],
        ),
        (
            "clock",
            &["refresh-ignoring"],
            "conversation.refreshed",
            &["refresh-ignoring", "refresh-ignoring"],
        ),
    ] {
        let tenant = looping(&server, name, json!({}), rules).await;
        let data = json!({"status": "open", "updated_at": 1});
        let ids = tenant.send(&[event(ty, "c-17", data)]).await;
        let counts = tenant.settle().await;
        let turn = expected.len() as u64;
        assert_eq!((counts.done, counts.dead_lettered), (turn - 1, 1), "{name}");
        let letter = tenant.dead_letters("").await.remove(0);
        let stop = &letter["stop"];
        assert_eq!(stop["code"], "revisit", "{name}");
        assert_eq!(cycle(&stop["evidence"]), expected, "{name}");
        assert_eq!(stop["evidence"]["cycle"][0]["subject"], "c-17", "{name}");
        let message = stop["message"].as_str().unwrap();
        assert!(message.contains("c-17 in the same state"), "{message}");
        assert!(stop["hint"].as_str().unwrap().contains("ignore"), "{stop}");
        // It was run, and nothing of it took place.
        let run = tenant.execution(&letter["execution"]).await;
        assert_eq!(run["status"], "stopped", "{name}");
        assert_eq!(run["effects"], Value::Null, "{name}");
        let ledger = &tenant.cascade(&ids[0]).await["ledger"];
        assert_eq!(ledger["executions"], turn, "{name}");
    }
}

#[tokio::test]
async fn what_the_tenant_or_the_rule_says_about_loops_counts() {
    let server = Server::start().await;
    let told = || event("conversation.updated", "c-1", json!({"id": 1}));
    for (name, tenants, rules, is_stopped, is_marked) in [
        ("a", "stop", json!(null), true, false),
        ("b", "warn", json!(null), false, true),
        ("c", "allow", json!(null), false, false),
        ("d", "stop", json!("allow"), false, false),
        ("e", "allow", json!("stop"), true, false),
        ("f", "allow", json!("warn"), false, true),
    ] {
        let policy = json!({"loops": tenants, "limits": {"cascade_depth": 5}});
        let tenant = server.tenant_as(name, &policy).await;
        tenant
            .activate_with("self-trigger", json!({"loops": rules}))
            .await;
        tenant.send(&[told()]).await;
        tenant.settle().await;
        let letter = tenant.dead_letters("").await.remove(0);
        let code = letter["stop"]["code"].as_str().unwrap();
        let expected = if is_stopped {
            "revisit"
        } else {
            "cascade-depth"
        };
        assert_eq!(code, expected, "{name}");
        let runs = tenant.executions("").await;
        let marked = runs.iter().filter(|run| !cycle(run).is_empty()).count();
        assert_eq!(marked > 0, is_marked, "{name}");
        // All but the first did again what led to them.
        assert!(!is_marked || marked == runs.len() - 1, "{name}: {marked}");
    }
}

/// A loop of which nobody said what does not count ends by its budget, and
/// the stop says who used it up.
#[tokio::test]
async fn a_loop_that_only_a_time_hides_ends_by_its_budget() {
    let server = Server::start().await;
    let tenant = looping(&server, "acme", json!({}), &["refresh"]).await;
    let data = json!({"status": "open", "updated_at": 1});
    let ids = tenant
        .send(&[event("conversation.refreshed", "c-1", data)])
        .await;
    tenant.settle().await;
    let letter = tenant.dead_letters("").await.remove(0);
    let stop = &letter["stop"];
    assert_eq!(stop["code"], "cascade-depth", "{stop}");
    let message = stop["message"].as_str().unwrap();
    for part in ["`refresh` 32 executions", "again and again, 32 runs deep"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(stop["evidence"]["shares"][0]["executions"], 32, "{stop}");
    let ledger = &tenant.cascade(&ids[0]).await["ledger"];
    assert_eq!(ledger["depth"], 32);
}

/// Two thousand steps, each different: far beyond any bound on depth that
/// others set, and no loop.
#[tokio::test]
async fn a_long_countdown_runs_to_its_end_where_its_budget_allows_it() {
    let server = Server::start().await;
    let limits = json!({
        "cascade_depth": 2_000, "cascade_executions": 3_000, "cascade_events": 3_000,
        "cascade_fuel": 1_000_000_000,
    });
    let tenant = looping(&server, "acme", json!({"limits": limits}), &["countdown"]).await;
    let ids = tenant
        .send(&[event("countdown.tick", "t", json!({"n": 2_000}))])
        .await;
    let counts = tenant.settle().await;
    assert_eq!((counts.done, counts.dead_lettered), (2_001, 0));
    let ledger = &tenant.cascade(&ids[0]).await["ledger"];
    assert_eq!(
        (&ledger["executions"], &ledger["depth"]),
        (&json!(2_001), &json!(2_000))
    );
}

/// What is known of a run's ancestors survives the death of the server.
#[tokio::test]
async fn a_loop_is_found_across_a_kill() {
    let mut server = Server::start_with("[quarantine]\nruns = 0\n").await;
    let tenant = looping(&server, "acme", json!({}), &["ping", "pong"]).await;
    let events: Vec<Value> = (0..200)
        .map(|n| event("task.assigned", &format!("t-{n}"), json!({"n": n})))
        .collect();
    let ids = tenant.send(&events).await;
    server.kill();
    server.restart().await;
    let counts = tenant.settle().await;
    assert_eq!((counts.done, counts.dead_lettered), (400, 200));
    for letter in tenant.dead_letters("").await {
        assert_eq!(letter["stop"]["code"], "revisit");
        let rules = cycle(&letter["stop"]["evidence"]);
        assert_eq!(rules, ["ping", "pong", "ping"]);
    }
    for id in ids {
        let ledger = &tenant.cascade(&id).await["ledger"];
        assert_eq!(
            (&ledger["executions"], &ledger["events"]),
            (&json!(3), &json!(2))
        );
    }
}
