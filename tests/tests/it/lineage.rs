//! A host application that does what it is asked, and says with each event
//! which effect caused it.

use std::collections::BTreeSet;
use std::time::Duration;

use ringfence_tests::{Random, Server, Tenant, event};
use serde_json::{Value, json};
use tokio::time::sleep;

const BATCH: &str = "application/cloudevents-batch+json";
/// More turns than any budget here allows.
const TURNS: usize = 200;
/// Attempts until something is so; bounds a test that would wait for ever.
const ATTEMPTS: usize = 600;
const PAUSE: Duration = Duration::from_millis(20);

/// A conversation that is never as the rules want it: each time with other
/// tags, so that no run repeats another.
fn updated(id: &str) -> Value {
    let data = json!({
        "tags": [id], "customer": {"id": "u-1", "tags": []},
        "first_reply_due_ms": 1, "first_reply_at_ms": 5,
    });
    let mut event = event("conversation.updated", "c-1", data);
    event["id"] = id.into();
    event
}

/// What an effect causes; the same event however often the effect is taken.
fn caused_by(effect: &Value) -> Value {
    let id = effect["id"].as_str().unwrap();
    let mut event = updated(&format!("back-{id}"));
    event["ringfencelineage"] = effect["lineage"].clone();
    event
}

/// Does what waits and answers with the events that it causes, until nothing
/// waits any more.
async fn host_application(tenant: &Tenant) {
    for _ in 0..TURNS {
        tenant.settle().await;
        let effects = tenant.effects().await;
        let Some(last) = effects.last() else {
            return;
        };
        let events: Vec<Value> = effects.iter().map(caused_by).collect();
        let accepted = tenant.batch(&events).await.expect(202);
        for accepted in accepted["accepted"].as_array().unwrap() {
            assert_eq!(accepted["origin"], "returned", "{accepted}");
        }
        let ack = tenant.path("/effects/ack");
        tenant
            .api
            .post(&ack, &json!({"up_to": last["seq"]}))
            .await
            .expect(200);
    }
    panic!("the cascade goes on and on");
}

/// What arrived or was emitted: all but the root.
fn followed(cascade: &Value) -> &[Value] {
    assert_eq!(cascade["truncated"], false);
    &cascade["events"].as_array().unwrap()[1..]
}

/// What an event counts on the ledger, in bytes.
fn size(record: &Value) -> u64 {
    let event = &record["event"];
    let texts = ["ce_id", "source", "type", "subject"];
    let texts = texts.map(|name| event[name].as_str().unwrap().len());
    (texts.iter().sum::<usize>() + event["data"].to_string().len()) as u64
}

/// Each event and each run counts once.
async fn check_ledger(tenant: &Tenant, root: &str) -> Value {
    let cascade = tenant.cascade(root).await;
    let (ledger, events) = (&cascade["ledger"], followed(&cascade));
    assert_eq!(ledger["events"], events.len(), "{ledger}");
    assert_eq!(ledger["bytes"], events.iter().map(size).sum::<u64>());
    let depth = |record: &Value| record["event"]["lineage"]["depth"].as_u64();
    assert_eq!(
        ledger["depth"].as_u64(),
        events.iter().filter_map(depth).max()
    );
    let executions = tenant.executions("").await;
    let is_ours = |run: &&Value| run["lineage"]["cascade"] == *root;
    let executions: Vec<_> = executions.iter().filter(is_ours).collect();
    assert_eq!(ledger["executions"], executions.len(), "{ledger}");
    let fuel = executions
        .iter()
        .map(|run| run["usage"]["fuel"].as_u64().unwrap());
    assert_eq!(ledger["fuel"], fuel.sum::<u64>());
    cascade
}

/// Through the host application as within: whatever the budget, it ends there,
/// and the tenant is told.
#[tokio::test]
async fn a_loop_through_the_host_application_ends_within_its_budget() {
    let server = Server::start().await;
    for (name, limit, value, runs) in [
        ("shallow", "cascade_depth", 5, Some(6)),
        ("few", "cascade_executions", 4, Some(4)),
        ("silent", "cascade_events", 3, Some(4)),
        ("small", "cascade_bytes", 1_000, None),
        ("lean", "cascade_fuel", 200_000, None),
    ] {
        let tenant = server.tenant_with(name, json!({ limit: value })).await;
        tenant.activate("tag-sync").await;
        let root = tenant.send(&[updated("root")]).await.remove(0);
        host_application(&tenant).await;
        let cascade = check_ledger(&tenant, &root).await;
        let events = followed(&cascade);
        assert!(!events.is_empty(), "{name}: {cascade}");
        for (depth, record) in (1..).zip(events) {
            let lineage = &record["event"]["lineage"];
            assert_eq!(
                (&lineage["depth"], &lineage["origin"]),
                (&json!(depth), &json!("returned"))
            );
            let before = &cascade["events"][depth - 1]["decisions"][0]["execution"];
            assert_eq!(lineage["parent"], *before, "{name}");
        }
        if let Some(runs) = runs {
            assert_eq!(cascade["ledger"]["executions"], runs, "{name}");
        }
        let letters = tenant.dead_letters("").await;
        assert_eq!(letters.len(), 1, "{name}: {letters:?}");
        let stop = &letters[0]["stop"];
        assert_eq!(stop["limit"], value, "{name}");
        // A run that needs more than is left ends in its midst.
        assert_eq!(stop["code"], limit.replace('_', "-"), "{name}");
        assert_eq!(letters[0]["cascade"], *root, "{name}");
        assert_eq!(
            letters[0]["event"],
            events.last().unwrap()["event"]["id"],
            "{name}"
        );
    }
}

/// Sends until it is answered, as a sender must.
async fn send_until_answered(tenant: &Tenant, body: &Value) {
    let path = tenant.path("/events");
    for _ in 0..ATTEMPTS {
        let headers = [("content-type", BATCH)];
        let body = body.to_string().into_bytes();
        match tenant.api.try_call("POST", &path, &headers, body).await {
            Ok(answer) => {
                answer.expect(202);
                return;
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
    panic!("no answer");
}

/// Events come back in batches while the server is killed again and again,
/// and its key is replaced in between: each counts once on the ledger.
#[tokio::test]
async fn the_ledger_is_right_after_kills() {
    const KILLS: usize = 5;
    const BACK: usize = 30;
    let mut random = Random::from_env(20_261_125);
    let mut server = Server::start().await;
    let acme = server.tenant("acme").await;
    // Two rules want each event, so that a kill may come between them.
    for rule in ["tag-sync", "sla-breach"] {
        acme.activate(rule).await;
    }
    let root = acme.send(&[updated("root")]).await.remove(0);
    acme.settle().await;
    let token = acme.effects().await.remove(0)["lineage"].clone();
    let mut sent = Vec::new();
    for kill in 0..KILLS {
        let batch = (0..BACK).map(|index| {
            let mut event = updated(&format!("back-{kill}-{index}"));
            event["ringfencelineage"] = token.clone();
            event
        });
        let batch: Vec<Value> = batch.collect();
        send_until_answered(&acme, &json!(batch)).await;
        sent.extend(batch);
        sleep(Duration::from_millis(random.within(0, 60))).await;
        server.kill();
        server.restart().await;
        server
            .operator()
            .post("/v1/lineage-keys", &json!({}))
            .await
            .expect(201);
    }
    // What was answered is there already, also in its cascade.
    let again = acme.batch(&sent).await.expect(202);
    for accepted in again["accepted"].as_array().unwrap() {
        assert_eq!(accepted["duplicate"], true, "{accepted}");
        assert_eq!(accepted["cascade"], *root, "{accepted}");
    }
    let counts = acme.settle().await;
    assert_eq!(counts.dead_lettered, 0, "{counts:?}");
    let cascade = check_ledger(&acme, &root).await;
    let returned = followed(&cascade)
        .iter()
        .filter(|record| record["event"]["lineage"]["origin"] == "returned");
    let returned: BTreeSet<_> = returned
        .map(|record| record["event"]["ce_id"].as_str())
        .collect();
    assert_eq!(returned.len(), KILLS * BACK);
}

/// The loop goes on over kills, and ends where it would have ended.
#[tokio::test]
async fn a_loop_ends_within_its_budget_over_kills() {
    let mut server = Server::start().await;
    let limits = json!({"cascade_events": 8});
    let acme = server.tenant_with("acme", limits).await;
    acme.activate("tag-sync").await;
    let root = acme.send(&[updated("root")]).await.remove(0);
    for _ in 0..3 {
        acme.settle().await;
        for effect in acme.effects().await {
            send_until_answered(&acme, &json!([caused_by(&effect)])).await;
        }
        // Nothing is acknowledged: after the kill it is all done once more.
        server.kill();
        server.restart().await;
    }
    host_application(&acme).await;
    let cascade = check_ledger(&acme, &root).await;
    // The ninth was one too many, and is counted, too.
    assert_eq!(cascade["ledger"]["events"], 9);
    assert_eq!(cascade["ledger"]["executions"], 9);
    let letters = acme.dead_letters("").await;
    let codes: Vec<_> = letters
        .iter()
        .map(|letter| &letter["stop"]["code"])
        .collect();
    assert_eq!(codes, ["cascade-events"]);
}

#[tokio::test]
async fn a_token_ends_when_the_configuration_says() {
    let server = Server::start_with("lineage_ttl_s = 1").await;
    let acme = server.tenant("acme").await;
    acme.activate("escalate-urgent").await;
    let urgent = json!({"priority": "urgent"});
    acme.run(&[event("conversation.created", "c-1", urgent)])
        .await;
    let effect = acme.effects().await.remove(0);
    for attempt in 0..ATTEMPTS {
        let mut back = caused_by(&effect);
        back["id"] = format!("late-{attempt}").into();
        let answer = acme.batch(&[back]).await;
        if answer.status == 400 {
            let problem = answer.problem(400, "lineage-expired");
            assert_eq!(problem["at"], "events[0].ringfencelineage");
            return;
        }
        answer.expect(202);
        sleep(PAUSE).await;
    }
    panic!("a token does not end");
}

/// A host application that says nothing: what it sends is taken for what the
/// action on the same subject caused, and marked.
#[tokio::test]
async fn what_is_inferred_is_marked_and_bounded() {
    let server = Server::start().await;
    let acme = server
        .tenant_with("acme", json!({"cascade_depth": 2}))
        .await;
    let policy = json!({"infer": "adopt", "causes": {"customer.update": ["conversation.updated"]}});
    server
        .operator()
        .put("/v1/tenants/acme", &policy)
        .await
        .expect(200);
    acme.activate("tag-sync").await;
    acme.run(&[updated("root")]).await;
    for turn in 0..ATTEMPTS {
        let story = acme
            .run(&[updated(&format!("turn-{turn}"))])
            .await
            .remove(0);
        let lineage = &story["event"]["lineage"];
        let depth = lineage["depth"].as_u64().unwrap();
        // One that came before the action was known is a root event.
        let origin = if depth == 0 { "root" } else { "inferred" };
        assert_eq!(lineage["origin"], origin, "{story}");
        if depth == 3 {
            assert_eq!(
                story["rules"][0]["stop"]["code"], "cascade-depth",
                "{story}"
            );
            let root = lineage["cascade"].as_str().unwrap();
            let cascade = acme.cascade(root).await;
            let events = followed(&cascade);
            let is_inferred = |r: &Value| r["event"]["lineage"]["origin"] == "inferred";
            assert!(
                events.len() >= 3 && events.iter().all(is_inferred),
                "{cascade}"
            );
            return;
        }
    }
    panic!("nothing was inferred");
}
