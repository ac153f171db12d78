//! The incident: two sensible rules undo each other through the host
//! application, and every turn reaches more records. With protection it ends by
//! itself and hurts nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use ringfence_tests::{Server, Tenant, binary, event, guest_path, workspace};
use serde_json::{Value, json};

const PAIR: [&str; 2] = ["tag-vip", "tidy-tags"];
const CONVERSATIONS: u64 = 12;
/// After so many actions the host application has had enough.
const ACTIONS_MAX: usize = 1_500;
/// Executions of one cascade where there is protection.
const BUDGET: u64 = 200;

/// A host application with conversations, each linked to the next two.
struct Desk {
    tagged: BTreeSet<u64>,
    updates: u64,
    accepted: Vec<String>,
}

impl Desk {
    fn new() -> Self {
        Self {
            tagged: BTreeSet::new(),
            updates: 0,
            accepted: Vec::new(),
        }
    }

    /// What it tells of a conversation that was updated.
    fn updated(&mut self, number: u64) -> Value {
        self.updates += 1;
        let id = |number: u64| format!("c-{}", number % CONVERSATIONS);
        let tags = if self.tagged.contains(&number) {
            json!(["vip"])
        } else {
            json!([])
        };
        let data = json!({
            "id": id(number), "tags": tags, "linked": [id(number + 1), id(number + 2)],
            "updated_at": self.updates,
        });
        event("conversation.updated", &id(number), data)
    }

    /// Does what an effect asks for, and tells what came of it.
    fn act(&mut self, effect: &Value) -> Value {
        let payload = &effect["action"]["payload"];
        let subject = payload["subject"].as_str().unwrap();
        let number = subject.trim_start_matches("c-").parse().unwrap();
        if payload["add_tag"] == "vip" {
            self.tagged.insert(number);
        } else {
            assert_eq!(payload["remove_tag"], "vip", "{effect}");
            self.tagged.remove(&number);
        }
        let mut event = self.updated(number);
        event["ringfencelineage"] = effect["lineage"].clone();
        event
    }

    /// Works until nobody asks for anything any more, or it has had enough.
    async fn work(&mut self, tenant: &Tenant) {
        let first = self.updated(0);
        self.accepted.extend(tenant.send(&[first]).await);
        let mut actions = 0;
        while actions < ACTIONS_MAX {
            tenant.settle().await;
            let effects = tenant.effects().await;
            let Some(last) = effects.last() else {
                return;
            };
            let events: Vec<Value> = effects.iter().map(|effect| self.act(effect)).collect();
            self.accepted.extend(tenant.send(&events).await);
            actions += effects.len();
            let ack = json!({"up_to": last["seq"]});
            let path = tenant.path("/effects/ack");
            tenant.api.post(&path, &ack).await.expect(200);
        }
    }

    /// Each accepted event is done or in the dead letters.
    async fn check_nothing_is_lost(&self, tenant: &Tenant) {
        let stories = tenant.wait_until_done(&self.accepted).await;
        let mut states: BTreeMap<&str, u64> = BTreeMap::new();
        for story in &stories {
            *states.entry(story["state"].as_str().unwrap()).or_default() += 1;
        }
        let counts = tenant.counts().await;
        let count = |state: &str| states.get(state).copied().unwrap_or_default();
        assert_eq!(counts.waiting, 0);
        assert_eq!(counts.done, count("done"));
        assert_eq!(counts.dead_lettered, count("dead-lettered"));
        assert_eq!(
            counts.done + counts.dead_lettered,
            self.accepted.len() as u64
        );
    }
}

async fn looping(server: &Server, name: &str, policy: Value) -> (Tenant, Desk) {
    let tenant = server.tenant_as(name, &policy).await;
    for rule in PAIR {
        tenant.activate(rule).await;
    }
    (tenant, Desk::new())
}

#[tokio::test]
async fn a_loop_through_the_host_application_ends_by_itself_and_hurts_nobody() {
    // So that the cascade's budget ends it, and not the quarantine before.
    let configuration = "[quarantine]\nloops = 1_000\n[anomalies]\nsustained_ms = 0\n";
    let server = Server::start_with(configuration).await;
    let limits = json!({"cascade_executions": BUDGET});
    let (guarded, mut desk) = looping(&server, "guarded", json!({ "limits": limits })).await;
    let neighbour = server.tenant("neighbour").await;
    neighbour.activate("escalate-urgent").await;
    let urgent = |n: u64| {
        let data = json!({"priority": "urgent"});
        event("conversation.created", &format!("c-{n}"), data)
    };
    let urgents: Vec<Value> = (0..50).map(urgent).collect();
    let sent = neighbour.send(&urgents).await;
    desk.work(&guarded).await;

    assert!(guarded.effects().await.is_empty(), "it goes on");
    desk.check_nothing_is_lost(&guarded).await;
    let letters = guarded.dead_letters("").await;
    assert!(!letters.is_empty());
    for letter in &letters {
        let code = letter["stop"]["code"].as_str().unwrap();
        assert!(
            ["revisit", "cascade-executions"].contains(&code),
            "{letter}"
        );
        let message = letter["stop"]["message"].as_str().unwrap();
        assert!(PAIR.iter().any(|rule| message.contains(rule)), "{message}");
    }
    let runs = guarded.executions("").await.len();
    assert!(runs as u64 <= BUDGET, "{runs}");
    // Each turn reached more; what was refused counts as set off.
    let anomaly = until_anomaly(&guarded).await;
    assert_eq!(anomaly["kind"], "reproduction", "{anomaly}");
    for story in neighbour.wait_until_done(&sent).await {
        assert_eq!(story["state"], "done", "{story}");
    }
    assert_eq!(
        neighbour.get("/anomalies").await["items"],
        json!([]),
        "a neighbour"
    );

    // The same without protection goes on as long as the application does.
    let limits = json!({
        "cascade_depth": 100_000, "cascade_executions": 1_000_000, "cascade_events": 1_000_000,
        "cascade_fuel": 1_000_000_000_000_u64, "cascade_bytes": 1_000_000_000,
    });
    let policy = json!({"loops": "allow", "limits": limits});
    let (open, mut desk) = looping(&server, "open", policy).await;
    desk.work(&open).await;
    assert!(!open.effects().await.is_empty(), "it ended");
    desk.check_nothing_is_lost(&open).await;
    assert!(open.dead_letters("").await.is_empty());
    let unguarded = open.executions("").await.len();
    assert!(unguarded > 10 * runs, "{unguarded}, {runs} with protection");
}

/// The server looks several times a second.
async fn until_anomaly(tenant: &Tenant) -> Value {
    let found = async {
        loop {
            let list = tenant.get("/anomalies").await;
            if let Some(anomaly) = list["items"].as_array().and_then(|items| items.first()) {
                return anomaly.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(ringfence_tests::PATIENCE, found)
        .await
        .expect("an anomaly")
}

/// All names of members, however deep, but for those below counts by name.
fn members<'a>(value: &'a Value, into: &mut BTreeSet<&'a str>) {
    const BY_NAME: [&str; 3] = ["stops", "parked", "refused"];
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                into.insert(name);
                if !BY_NAME.contains(&name.as_str()) {
                    members(value, into);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, into)),
        _ => {}
    }
}

#[test]
fn the_demonstration_of_it_runs_to_its_end() {
    let guests = guest_path("tag-vip");
    let output = Command::new(binary())
        .args(["demo", "--scenario", "feedback-loop", "--json"])
        .args(["--tenants", "3", "--seconds", "4", "--guests"])
        .arg(guests.parent().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let [off, on] = report["runs"].as_array().unwrap().as_slice() else {
        panic!("not two runs: {report}");
    };
    for (run, protection) in [(off, "off"), (on, "on")] {
        assert_eq!(run["protection"], protection);
        for events in ["events_looping", "events_others"] {
            let count = |name: &str| run[events][name].as_u64().unwrap();
            let known = count("done") + count("dead_lettered") + count("waiting");
            assert_eq!((count("lost"), known), (0, count("accepted")), "{run}");
            assert!(count("accepted") > 0, "{run}");
        }
    }
    let executions = |run: &Value| run["looping"]["executions"].as_u64().unwrap();
    assert!(executions(off) > executions(on), "{report}");
    assert!(on["first_stop"]["message"].is_string(), "{on}");
    assert_eq!(off["stops"], json!({}), "{off}");

    let documented = std::fs::read_to_string(workspace().join("docs/incident.md")).unwrap();
    let mut names = BTreeSet::new();
    members(&report, &mut names);
    for name in names {
        assert!(documented.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn a_protection_that_is_none_is_refused() {
    let output = Command::new(binary())
        .args(["demo", "--scenario", "feedback-loop", "--protection", "of"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("off, on, inferred, unlinked"), "{said}");
}
