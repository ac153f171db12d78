//! The command: what it says, where, and how it exits.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use ringfence_tests::{Server, Tenant, binary, event, guest, guest_path, workspace};
use serde_json::{Value, json};

/// Exit codes.
const FINE: i32 = 0;
const FAILED: i32 = 1;
const USAGE: i32 = 2;

struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Said {
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        let Self { stdout, stderr, .. } = &self;
        assert_eq!(self.code, code, "stdout:\n{stdout}\nstderr:\n{stderr}");
        assert!(
            !stdout.contains('\x1b'),
            "colours without a terminal: {stdout}"
        );
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("stdout is not one JSON value: {error}: {}", self.stdout)
        })
    }
}

fn ringfence<const N: usize>(arguments: [&str; N]) -> Said {
    let output: Output = Command::new(binary())
        .args(arguments)
        .env_remove("RINGFENCE_OPERATOR_TOKEN")
        .output()
        .expect("the binary can be started");
    Said {
        code: output.status.code().expect("it exits by itself"),
        stdout: String::from_utf8(output.stdout).expect("it says UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("it says UTF-8"),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}

fn write(folder: &Path, name: &str, value: &Value) -> String {
    let path = folder.join(name);
    std::fs::write(&path, value.to_string()).unwrap();
    text(&path).to_owned()
}

/// The first two commands of a newcomer.
#[test]
fn a_new_rule_passes_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    let rule = folder.path().join("my-rule");
    ringfence(["new", text(&rule)]).expect(FINE);
    let said = ringfence(["test", text(&rule)]).expect(FINE);
    assert!(said.stdout.contains("2 passed"), "{}", said.stdout);
}

#[test]
fn run_shows_what_came_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let urgent = event("conversation.created", "c-1", json!({"priority": "urgent"}));
    let file = write(folder.path(), "event.json", &urgent);
    let escalate = guest_path("escalate-urgent");

    let said = ringfence(["run", text(&escalate), "--event", &file]).expect(FINE);
    for part in ["conversation.update", "escalations", "fuel", "10,000,000"] {
        assert!(said.stdout.contains(part), "no `{part}`:\n{}", said.stdout);
    }
    let shown = ringfence(["run", text(&escalate), "--event", &file, "--json"]).expect(FINE);
    let shown = shown.json();
    let wanted =
        json!([{"act": {"name": "conversation.update", "payload": {"team": "escalations"}}}]);
    assert_eq!(shown["effects"], wanted);
    assert_eq!(shown["triggered"], true);

    let endless = guest_path("infinite-loop");
    let said = ringfence(["run", text(&endless), "--event", &file]).expect(FAILED);
    assert!(said.stdout.contains("out-of-fuel"), "{}", said.stdout);
    let shown = ringfence(["run", text(&endless), "--event", &file, "--json"]).expect(FAILED);
    assert_eq!(shown.json()["stop"]["code"], "out-of-fuel");

    // A type that would not trigger it is run, with a word of warning.
    let other = write(
        folder.path(),
        "other.json",
        &event("x", "s", json!({"priority": "low"})),
    );
    let said = ringfence(["run", text(&escalate), "--event", &other]).expect(FINE);
    assert!(
        said.stderr.contains("conversation.created"),
        "{}",
        said.stderr
    );
}

#[test]
fn what_comes_near_a_limit_is_noted() {
    const NOTE: &str = "near its limit `effects`: 60 of 64 (93 %)";
    let folder = tempfile::tempdir().unwrap();
    let component = guest_path("use-up");
    let component = text(&component);
    let many = event("limits.use", "s", json!({"effects": 60}));
    let file = write(folder.path(), "event.json", &many);
    let said = ringfence(["run", component, "--event", &file, "--json"]).expect(FINE);
    assert_eq!(said.json()["near_limits"], json!(["effects"]));
    assert!(said.stderr.contains(NOTE), "{}", said.stderr);
    let few = event("limits.use", "s", json!({"effects": 51}));
    let file = write(folder.path(), "few.json", &few);
    let said = ringfence(["run", component, "--event", &file]).expect(FINE);
    assert!(!said.stderr.contains("near its limit"), "{}", said.stderr);

    let effects: Vec<Value> = (0..60)
        .map(|number| json!({"act": {"name": "note.add", "payload": number}}))
        .collect();
    let fixture = json!({"name": "many", "event": many, "expect": {"effects": effects}});
    let rule = tempfile::tempdir().unwrap();
    rule_with(rule.path(), "use-up", &[("many.json", fixture)]);
    let arguments = ["test", text(rule.path()), "--component", component];
    let said = ringfence(arguments).expect(FINE);
    assert!(said.stdout.contains(NOTE), "{}", said.stdout);
}

#[test]
fn what_cannot_be_done_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let urgent = event("conversation.created", "c-1", json!({"priority": "urgent"}));
    let file = write(folder.path(), "event.json", &urgent);
    let escalate = guest_path("escalate-urgent");
    let escalate = text(&escalate);
    for (arguments, part) in [
        (
            ["run", escalate, "--event", "/nowhere.json"],
            "/nowhere.json",
        ),
        (["run", "/nowhere.wasm", "--event", &file], "/nowhere.wasm"),
        (["run", &file, "--event", &file], "not-wasm"),
        (["run", escalate, "--event", escalate], "not UTF-8"),
        (["run", escalate, "--evnt", &file], "--event"),
        (["inspect", &file, "--json", "--json"], "--json"),
        (["test", "/nowhere", "--format", "text"], "/nowhere"),
        (["serve", "--listen", "nowhere", "--data=x"], "nowhere"),
        (["fly", "to", "the", "moon"], "fly"),
    ] {
        let said = ringfence(arguments).expect(USAGE);
        assert!(said.stdout.is_empty(), "{arguments:?}: {}", said.stdout);
        assert!(said.stderr.contains(part), "{arguments:?}: {}", said.stderr);
    }
}

#[tokio::test]
async fn inspect_says_what_an_upload_says() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    // What an upload says of a tenant's other rules, nobody else can know.
    let allow = json!({"cycles": "allow"});
    server
        .operator()
        .put(&acme.path(""), &allow)
        .await
        .expect(200);
    for name in ["assign-by-skill", "sla-breach", "self-trigger"] {
        let path = guest_path(name);
        let shown = ringfence(["inspect", text(&path), "--json"])
            .expect(FINE)
            .json();
        let version = acme.upload(name, guest(name)).await.expect(201);
        for member in ["version", "manifest", "imports", "size", "warnings"] {
            assert_eq!(shown[member], version[member], "{name}: {member}");
        }
        let said = ringfence(["inspect", text(&path)]).expect(FINE);
        let trigger = shown["manifest"]["triggers"][0]["type"].as_str().unwrap();
        assert!(said.stdout.contains(trigger), "{}", said.stdout);
    }
}

#[test]
fn the_examples_pass_their_fixtures() {
    let rules = workspace().join("guest-examples");
    let components = guest_path("escalate-urgent");
    let components = components.parent().unwrap();
    let arguments = [
        "test",
        text(&rules),
        "--component",
        text(components),
        "--format",
        "json",
    ];
    let summary = ringfence(arguments).expect(FINE).json();
    assert_eq!(summary["failed"], 0, "{summary}");
    let tests = summary["tests"].as_array().unwrap();
    let tested: BTreeSet<&str> = tests
        .iter()
        .map(|test| test["rule"].as_str().unwrap())
        .collect();
    assert!(
        tested.len() >= 16,
        "not every example has a fixture: {tested:?}"
    );
}

/// A copy of a rule's folder whose fixtures are these.
fn rule_with(folder: &Path, rule: &str, fixtures: &[(&str, Value)]) {
    let original = workspace()
        .join("guest-examples")
        .join(rule)
        .join("rule.toml");
    std::fs::copy(original, folder.join("rule.toml")).unwrap();
    std::fs::create_dir(folder.join("fixtures")).unwrap();
    for (name, fixture) in fixtures {
        write(&folder.join("fixtures"), name, fixture);
    }
}

#[test]
fn a_fixture_that_fails_says_how_and_can_be_updated() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = json!({
        "name": "urgent mail goes to sales",
        "event": event("conversation.created", "c", json!({"priority": "urgent"})),
        "expect": {"effects": []},
    });
    let wanted = json!({"act": {"name": "conversation.update", "payload": {"team": "sales"}}});
    fixture["expect"]["effects"] = json!([wanted]);
    rule_with(folder.path(), "escalate-urgent", &[("sales.json", fixture)]);
    let component = guest_path("escalate-urgent");
    let (folder, component) = (text(folder.path()), text(&component));
    let test = |format| ringfence(["test", folder, "--component", component, "--format", format]);

    let said = test("text").expect(FAILED);
    for part in [
        "urgent mail goes to sales",
        "sales",
        "escalations",
        "1 failed",
    ] {
        assert!(said.stdout.contains(part), "no `{part}`:\n{}", said.stdout);
    }
    assert_eq!(test("json").expect(FAILED).json()["failed"], 1);
    let junit = test("junit").expect(FAILED).stdout;
    assert!(
        junit.starts_with("<?xml") && junit.contains("failures=\"1\""),
        "{junit}"
    );

    ringfence(["test", folder, "--component", component, "--update"]).expect(FINE);
    assert_eq!(test("json").expect(FINE).json()["passed"], 1);
}

/// A run that a server made, repeated from its bundle: the same effects, the
/// same fuel. The tenant and the rule are called alike, since a rule sees
/// their names.
#[tokio::test]
async fn a_bundle_repeats_the_run_exactly() {
    let server = Server::start().await;
    let local = server.tenant("local").await;
    for rule in ["three-strikes", "sla-breach", "trap-late"] {
        local.activate(rule).await;
    }
    let spam = || {
        event(
            "message.received",
            "a",
            json!({"from": "a@b.org", "spam": true}),
        )
    };
    let late = event("sla.tick", "c-1", json!({"first_reply_due_ms": 1}));
    let invoice = event("invoice.issued", "i-1", json!({}));
    let stories = local.run(&[spam(), spam(), spam(), late, invoice]).await;
    for story in &stories {
        repeat(&local, story).await;
    }
}

async fn repeat(tenant: &Tenant, story: &Value) {
    let rules = story["rules"].as_array().unwrap().iter();
    let mut ran = rules.filter(|rule| rule["execution"].is_string());
    let ran = ran.next().unwrap_or_else(|| panic!("no rule ran: {story}"));
    let execution = tenant.execution(&ran["execution"]).await;
    let (id, rule) = (
        execution["id"].as_str().unwrap(),
        ran["rule"].as_str().unwrap(),
    );
    let bundle = tenant.get(&format!("/executions/{id}/bundle")).await;

    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "bundle.json", &bundle);
    let component = guest_path(rule);
    let shown = ringfence(["run", text(&component), "--event", &file, "--json"]).json();
    assert_eq!(shown["version"], execution["version"]);
    for member in ["effects", "recalled"] {
        // An execution leaves out lists that are empty.
        let of = |value: &Value| value[member].as_array().cloned().unwrap_or_default();
        assert_eq!(of(&shown), of(&execution), "{rule}: {member}");
    }
    assert_eq!(shown["log"], execution["log"], "{rule}");
    assert_eq!(shown["asked_now"], execution["asked_now"], "{rule}");
    assert_eq!(shown["stop"]["code"], execution["stop"]["code"], "{rule}");
    // What a trap lost of the count is charged by the time it took.
    if execution["stop"].is_null() {
        assert_eq!(shown["usage"]["fuel"], execution["usage"]["fuel"], "{rule}");
    }

    // Saved, it is a test, and passes.
    let folder = tempfile::tempdir().unwrap();
    rule_with(folder.path(), rule, &[("production.json", bundle)]);
    let arguments = ["test", text(folder.path()), "--component", text(&component)];
    ringfence(arguments).expect(FINE);
}

#[test]
fn the_demonstration_loses_nothing() {
    let guests = guest_path("escalate-urgent");
    let guests = text(guests.parent().unwrap());
    let said = ringfence(["demo", "--json", "--seconds", "5", "--guests", guests]).expect(FINE);
    let report = said.json();
    let count = |name: &str| {
        report[name]
            .as_u64()
            .unwrap_or_else(|| panic!("no {name}: {report}"))
    };
    assert_eq!(count("lost"), 0);
    assert!(count("accepted") > 100, "{report}");
    assert_eq!(
        count("accepted"),
        count("done") + count("waiting") + count("dead_letters")
    );
    for code in ["out-of-fuel", "out-of-memory"] {
        assert!(
            report["stops"][code].as_u64() > Some(0),
            "no {code}: {report}"
        );
    }
    let stops = report["stops"].as_object().unwrap();
    let bounded = |code: &String| code.starts_with("cascade-") || code == "revisit";
    assert!(
        stops.keys().any(bounded),
        "no cascade was stopped: {stops:?}"
    );

    let tenants = report["tenants"].as_array().unwrap();
    assert_eq!(tenants.len(), 8);
    for tenant in tenants {
        let stopped = tenant["stops"]
            .as_object()
            .is_some_and(|stops| !stops.is_empty());
        assert_eq!(stopped, tenant["role"] == "storm", "{tenant}");
        assert!(tenant["p50_ms_before"].is_f64(), "{tenant}");
    }
    let storm = tenants.iter().filter(|tenant| tenant["role"] == "storm");
    assert_eq!(storm.count(), 3);
}
