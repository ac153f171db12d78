//! Off is off: a rule, a tenant or the host is paused, which ends what runs,
//! and goes on in order.

use std::collections::HashMap;
use std::time::Duration;

use ringfence_tests::{Api, PATIENCE, Server, Tenant, event};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// Runs may take seconds.
fn long_runs() -> Value {
    json!({
        "fuel": 10_000_000_000u64, "cascade_fuel": 1_000_000_000_000u64, "deadline_ms": 30_000,
    })
}

async fn post(api: &Api, path: &str) -> Value {
    api.call("POST", path, &[], "").await.expect(200)
}

/// Events that rules take that look at new conversations, each about something
/// of its own.
async fn conversations(tenant: &Tenant, count: usize) -> Vec<String> {
    let of = |n| {
        event(
            "conversation.created",
            &format!("m-{n}"),
            json!({"priority": "urgent"}),
        )
    };
    tenant.send(&(0..count).map(of).collect::<Vec<_>>()).await
}

/// Waits until so many runs are under way, and have been for a while: what was
/// only taken to be run is not ended, but given back.
async fn until_running(server: &Server, count: u64) {
    let running = async {
        let mut seen = 0;
        while seen < 20 {
            let is_so = server.metric("executions_running").await >= count;
            seen = if is_so { seen + 1 } else { 0 };
            sleep(Duration::from_millis(25)).await;
        }
    };
    timeout(PATIENCE, running).await.expect("rules are run");
}

/// Waits until nothing is under way.
async fn until_idle(server: &Server) {
    let idle = async {
        while server.metric("executions_running").await > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, idle).await.expect("what ran has ended");
}

/// Waits until so many events sleep for a rule.
async fn until_parked(tenant: &Tenant, rule: &str, count: u64) {
    let parked = async {
        while tenant.get(&format!("/rules/{rule}")).await["parked"] != count {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, parked).await.expect("events sleep");
}

/// Has the server do something, so that it had the time to do what it must not.
async fn let_others_work(server: &Server, name: &str) {
    let calm = server.tenant(name).await;
    calm.activate("escalate-urgent").await;
    conversations(&calm, 50).await;
    assert_eq!(calm.settle().await.done, 50);
}

fn number(receipt: &Value, name: &str) -> u64 {
    receipt[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no `{name}`: {receipt}"))
}

#[tokio::test]
async fn a_paused_tenant_runs_nothing_until_it_is_resumed() {
    let mut server = Server::start().await;
    let acme = server.tenant_with("acme", long_runs()).await;
    acme.activate("infinite-loop").await;
    conversations(&acme, 6).await;
    until_running(&server, 1).await;
    let receipt = post(&acme.api, &acme.path("/pause")).await;
    assert!(number(&receipt, "interrupted") >= 1, "{receipt}");
    until_idle(&server).await;
    assert_eq!(server.metric("paused{what=\"tenant\"}").await, 1);
    assert!(server.metric("runs_interrupted_total").await >= 1);
    let view = acme.get("").await;
    assert_eq!(view["paused"]["by"], "tenant", "{view}");
    // It accepts, and others go on.
    conversations(&acme, 3).await;
    let_others_work(&server, "calm").await;
    // None but what came to its own end before.
    let made = acme.executions("").await.len() as u64;
    assert!(number(&receipt, "parked") >= 6 - made, "{receipt}, {made}");
    let again = post(&acme.api, &acme.path("/pause")).await;
    assert_eq!(again, json!({"interrupted": 0, "parked": 9 - made}));
    assert_eq!(acme.get("").await["paused"], view["paused"]);
    let asked = event("conversation.created", "m-1", json!({"priority": "low"}));
    let cloud_event = [("content-type", "application/cloudevents+json")];
    let path = acme.path("/evaluate");
    let refused = acme
        .api
        .call("POST", &path, &cloud_event, asked.to_string());
    assert_eq!(refused.await.expect(409)["code"], "paused");
    // All of that survives.
    server.kill();
    server.restart().await;
    let_others_work(&server, "calm-2").await;
    assert_eq!(acme.executions("").await.len() as u64, made);
    assert_eq!(acme.counts().await.waiting, 9 - made);
    assert_eq!(acme.get("").await["paused"], view["paused"]);
    // An interrupted run is made again, from its beginning.
    let limits = json!({"limits": {"fuel": 100_000}});
    let path = acme.path("");
    server.operator().put(&path, &limits).await.expect(200);
    let receipt = post(&acme.api, &acme.path("/resume")).await;
    assert_eq!(receipt, json!({"interrupted": 0, "parked": 9 - made}));
    let counts = acme.settle().await;
    assert_eq!((counts.done, counts.dead_lettered), (0, 9));
    assert_eq!(acme.executions("").await.len(), 9);
    assert_eq!(acme.get("").await["paused"], Value::Null);
    let receipt = post(&acme.api, &acme.path("/resume")).await;
    assert_eq!(receipt, json!({"interrupted": 0, "parked": 0}));
}

/// What the operator pauses, a tenant does not resume.
#[tokio::test]
async fn a_paused_host_accepts_and_runs_nothing() {
    let mut server = Server::start().await;
    let acme = server.tenant_with("acme", long_runs()).await;
    let calm = server.tenant("calm").await;
    acme.activate("infinite-loop").await;
    calm.activate("escalate-urgent").await;
    conversations(&acme, 2).await;
    until_running(&server, 1).await;
    for call in ["/v1/pause", "/v1/resume"] {
        let refused = acme.api.call("POST", call, &[], "").await.expect(403);
        assert_eq!(refused["code"], "operator-only");
    }
    let operator = server.operator().clone();
    let receipt = post(&operator, "/v1/pause").await;
    assert!(number(&receipt, "interrupted") >= 1, "{receipt}");
    let ready = operator.get("/readyz").await.expect(200);
    assert_eq!(ready["paused"]["by"], "operator", "{ready}");
    let sent = conversations(&calm, 20).await;
    until_idle(&server).await;
    server.kill();
    server.restart().await;
    let made = acme.executions("").await.len();
    assert_eq!(calm.counts().await.waiting, 20);
    assert_eq!(acme.executions("").await.len(), made);
    until_idle(&server).await;
    assert_eq!(server.metric("paused{what=\"host\"}").await, 1);
    // A tenant that is paused on its own stays so when the host goes on.
    post(&operator, &acme.path("/pause")).await;
    let receipt = post(&operator, "/v1/resume").await;
    assert_eq!(number(&receipt, "parked"), 22 - made as u64, "{receipt}");
    calm.wait_until_done(&sent).await;
    assert_eq!(acme.executions("").await.len(), made);
    let refused = acme.api.call("POST", &acme.path("/resume"), &[], "").await;
    assert_eq!(refused.expect(403)["code"], "paused-by-operator");
    let receipt = post(&operator, &acme.path("/resume")).await;
    assert_eq!(number(&receipt, "parked"), 2 - made as u64, "{receipt}");
    until_running(&server, 1).await;
}

/// Events about the same go through a rule in the order in which they came,
/// those that slept for it and those that came later.
#[tokio::test]
async fn a_rule_goes_on_in_order() {
    let mut server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("three-strikes").await;
    let path = |call: &str| acme.path(&format!("/rules/three-strikes/{call}"));
    let receipt = post(&acme.api, &path("pause")).await;
    assert_eq!(receipt, json!({"interrupted": 0, "parked": 0}));
    let mut order: HashMap<String, Vec<String>> = HashMap::new();
    let mut sent = Vec::new();
    for round in 0..8 {
        let subjects = (0..60).map(|n| format!("c-{}", n % 5)).collect::<Vec<_>>();
        let events = subjects.iter().map(|subject| {
            let message = json!({"from": subject, "spam": true});
            event("message.received", subject, message)
        });
        let events: Vec<_> = events.collect();
        let ids = acme.send(&events).await;
        for (subject, id) in subjects.into_iter().zip(&ids) {
            order.entry(subject).or_default().push(id.clone());
        }
        sent.extend(ids);
        if round == 3 {
            until_parked(&acme, "three-strikes", 240).await;
            assert!(acme.executions("rule=three-strikes").await.is_empty());
            server.kill();
            server.restart().await;
            // Another activation does not lift it.
            acme.activate("three-strikes").await;
            let rule = acme.get("/rules/three-strikes").await;
            assert_eq!(rule["parked"], 240, "{rule}");
            assert_eq!(rule["activation"]["paused"]["by"], "tenant", "{rule}");
            let receipt = post(&acme.api, &path("resume")).await;
            assert_eq!(receipt, json!({"interrupted": 0, "parked": 240}));
        }
    }
    assert_eq!(acme.settle().await.done, 480);
    let mut ran: HashMap<String, Vec<String>> = HashMap::new();
    let subject_of = |id: &String| {
        let found = order.iter().find(|(_, ids)| ids.contains(id));
        found.map(|(subject, _)| subject.clone()).unwrap()
    };
    let mut executions = acme.executions("rule=three-strikes").await;
    executions.reverse();
    for execution in executions {
        let id = execution["event"].as_str().unwrap().to_owned();
        ran.entry(subject_of(&id)).or_default().push(id);
    }
    assert_eq!(ran, order);
    assert_eq!(acme.get("/rules/three-strikes").await["parked"], 0);
}

/// A paused rule's events go on with others. Taken out of force, it is not run
/// on them, and that is said.
#[tokio::test]
async fn a_rule_is_off_and_others_are_not() {
    let server = Server::start().await;
    let acme = server.tenant_with("acme", long_runs()).await;
    acme.activate("infinite-loop").await;
    acme.activate("escalate-urgent").await;
    let ids = conversations(&acme, 6).await;
    until_running(&server, 1).await;
    let path = |call: &str| acme.path(&format!("/rules/infinite-loop/{call}"));
    let receipt = post(&acme.api, &path("pause")).await;
    assert!(number(&receipt, "interrupted") <= 2, "{receipt}");
    // But those that came to their own end before.
    let slept = async {
        loop {
            let made = acme.executions("rule=infinite-loop").await.len() as u64;
            let rule = acme.get("/rules/infinite-loop").await;
            if number(&rule, "parked") + made == 6 {
                return made;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    let made = timeout(PATIENCE, slept).await.expect("they sleep");
    assert_eq!(acme.executions("rule=escalate-urgent").await.len(), 6);
    // None of an event whose turn came when the rule was not in force.
    let fate = |story: &Value, rule: &str| {
        let rules = story["rules"].as_array().unwrap().clone();
        let fate = rules.into_iter().find(|fate| fate["rule"] == rule);
        fate.unwrap_or_default()
    };
    let story = acme.story(&ids[5]).await;
    assert_eq!(
        fate(&story, "infinite-loop")["outcome"],
        "parked",
        "{story}"
    );
    // Resumed, some run again; taken out of force then.
    let receipt = post(&acme.api, &path("resume")).await;
    assert_eq!(number(&receipt, "parked"), 6 - made, "{receipt}");
    until_running(&server, 1).await;
    let receipt = acme.api.delete(&path("activation")).await.expect(200);
    assert!(number(&receipt, "interrupted") >= 1, "{receipt}");
    acme.settle().await;
    let outcomes: Vec<Value> = {
        let mut outcomes = Vec::new();
        for story in acme.wait_until_done(&ids).await {
            outcomes.push(fate(&story, "infinite-loop"));
        }
        outcomes
    };
    let off = outcomes
        .iter()
        .filter(|fate| fate["reason"] == "deactivated");
    assert!(off.count() >= 1, "{outcomes:?}");
    let given_up = outcomes
        .iter()
        .filter(|fate| fate["stop"]["code"] == "paused");
    assert_eq!(
        given_up.count() as u64,
        number(&receipt, "parked"),
        "{outcomes:?}"
    );
    for call in ["pause", "resume"] {
        let refused = acme
            .api
            .call("POST", &path(call), &[], "")
            .await
            .expect(404);
        assert_eq!(refused["code"], "no-activation");
    }
}

/// As many events sleep for a paused rule as may; the next are given up, which
/// is said.
#[tokio::test]
async fn what_sleeps_for_a_paused_rule_is_bounded() {
    let server = Server::start_with("[quarantine]\nparked_events = 8\nparked_s = 1\n").await;
    let acme = server.tenant("acme").await;
    acme.activate("escalate-urgent").await;
    let path = acme.path("/rules/escalate-urgent/pause");
    post(&acme.api, &path).await;
    conversations(&acme, 10).await;
    let found = async {
        loop {
            let letters = acme.dead_letters("reason=paused").await;
            match letters.len() {
                2 => return letters,
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let letters = timeout(PATIENCE, found).await.expect("two are given up");
    assert_eq!(letters[0]["stop"]["limit"], 8, "{letters:?}");
    until_parked(&acme, "escalate-urgent", 8).await;
    // Longer than events may wait for a rule in quarantine.
    sleep(Duration::from_secs(7)).await;
    assert_eq!(acme.counts().await.waiting, 8);
    let path = acme.path("/rules/escalate-urgent/resume");
    assert_eq!(post(&acme.api, &path).await["parked"], 8);
    assert_eq!(acme.settle().await.done, 8);
}

/// A tenant that is removed while its rules run: nothing is left for the next of
/// this name.
#[tokio::test]
async fn a_removed_tenant_is_off() {
    let server = Server::start().await;
    let acme = server.tenant_with("acme", long_runs()).await;
    acme.activate("infinite-loop").await;
    conversations(&acme, 5).await;
    until_running(&server, 1).await;
    let path = acme.path("");
    let receipt = server.operator().delete(&path).await.expect(200);
    assert!(number(&receipt, "interrupted") >= 1, "{receipt}");
    assert!(number(&receipt, "parked") >= 1, "{receipt}");
    until_idle(&server).await;
    let acme = server.tenant("acme").await;
    acme.activate("escalate-urgent").await;
    conversations(&acme, 4).await;
    let counts = acme.settle().await;
    assert_eq!((counts.done, counts.dead_lettered), (4, 0));
    assert_eq!(acme.executions("").await.len(), 4);
}
