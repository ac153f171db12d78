//! Rules in JavaScript and Python, and one in Rust for wasm32-wasip2, built by
//! their own toolchains with nothing stubbed out.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ringfence_model::{Effect, Json, Limits, LogLevel, StopCode};
use ringfence_sandbox::{Prepared, RunReport, Sandbox, SandboxConfig};
use serde_json::Value;

use crate::built::built;
use crate::guest::{Given, config, event};

/// What CPython needs to be let in.
const COMPONENT_BYTES: u64 = 32 * 1024 * 1024;

fn prepare(sandbox: &Sandbox, name: &str) -> Prepared {
    let upload = built(name);
    let limits = Limits {
        component_bytes: COMPONENT_BYTES,
        ..Limits::default()
    };
    let inspected = sandbox.inspect(&upload, &limits).unwrap();
    let wall_clock = |import: &String| import.starts_with("wasi:clocks/wall-clock@0.2.");
    assert!(inspected.imports.iter().any(wall_clock), "{inspected:?}");
    sandbox
        .prepare(inspected.version, &inspected.manifest, &limits, &|| {
            Ok(None)
        })
        .unwrap()
}

fn given(id: &str, data: &str, config: &str) -> Given {
    let mut event = event(id);
    event.data = Json::parse(data).unwrap();
    Given {
        event,
        config: Json::parse(config).unwrap(),
        ..Given::default()
    }
}

/// The name and the payload of the one action.
fn act(report: &RunReport) -> (&str, Value) {
    match report.outcome.as_deref().unwrap() {
        [Effect::Act(action)] => (&action.name, action.payload.to_value()),
        other => panic!("{other:?}"),
    }
}

fn log(report: &RunReport) -> Vec<(LogLevel, &str)> {
    let lines = report.log.lines.iter();
    lines.map(|line| (line.level, &*line.message)).collect()
}

#[test]
fn a_rule_in_javascript_sees_the_events_time_and_seed() {
    let sandbox = Sandbox::new(config(), None).unwrap();
    let prepared = prepare(&sandbox, "js-survey");
    let run = |id: &str, data: &str, config: &str| given(id, data, config).run(&sandbox, &prepared);

    let everybody = r#"{"share": 1, "delay_hours": 1}"#;
    let report = run("e1", r#"{"contact": "ann", "closed_by": "bo"}"#, everybody);
    // The event was accepted an hour earlier.
    let survey = serde_json::json!({
        "contact": "ann", "agent": "bo", "send_at": "2026-01-01T01:00:00.123Z",
    });
    assert_eq!(act(&report), ("survey.send", survey));
    let [(LogLevel::Info, line)] = log(&report)[..] else {
        panic!("{:?}", report.log)
    };
    assert!(
        line.starts_with("drew 0.") && line.ends_with(" of 1 for ann"),
        "{line}"
    );
    assert!(report.asked_now && report.asked_random);

    let sent = |id: &str| {
        let report = run(id, r#"{"contact": "ann"}"#, "{}");
        report.outcome.unwrap().len()
    };
    let of_100: usize = (0..100).map(|number| sent(&format!("e{number}"))).sum();
    assert!((25..=75).contains(&of_100), "{of_100} of 100");

    let stop = run("e1", "{}", "{}").outcome.unwrap_err();
    assert_eq!(stop.code, StopCode::RuleFailed);
    assert!(
        stop.message.contains("`contact` is missing"),
        "{}",
        stop.message
    );
}

#[test]
fn an_exception_that_nobody_catches_is_told() {
    let sandbox = Sandbox::new(config(), None).unwrap();
    let prepared = prepare(&sandbox, "js-survey");
    let report = given("e1", "null", "{}").run(&sandbox, &prepared);
    let stop = report.outcome.unwrap_err();
    assert_eq!(stop.code, StopCode::Trap);
    for says in [
        "it logged: thread",
        "Cannot convert undefined or null to object",
        "survey.js:",
    ] {
        assert!(stop.message.contains(says), "{}", stop.message);
    }
}

#[test]
fn the_standard_library_sees_the_events_time_and_seed_and_its_tenants_data() {
    let tenants = tempfile::tempdir().unwrap();
    let sandbox = with_data(tenants.path(), "teams.csv", "a,b");
    let prepared = prepare(&sandbox, "with-std");
    let saw = |tenant: &str, id: &str| {
        let mut given = given(id, "{}", "{}");
        given.tenant = tenant.parse().unwrap();
        let report = given.run(&sandbox, &prepared);
        let lines = [
            (LogLevel::Info, "to the output"),
            (LogLevel::Error, "to the errors"),
        ];
        assert_eq!(log(&report), lines);
        assert!(report.asked_now && report.asked_random);
        act(&report).1
    };
    let mut seen = saw("acme", "e1");
    let order = seen["order"].take();
    let expected = serde_json::json!({
        "now_ms": 1_767_225_600_123_u64, "slept_ms": 2_000, "order": null,
        "arguments": 0, "variables": 0, "input": "", "file": "a,b",
        "written": false, "connected": false,
    });
    assert_eq!(seen, expected);
    assert_eq!(saw("acme", "e1")["order"], order);
    assert_ne!(saw("acme", "e2")["order"], order);
    assert_eq!(saw("other", "e1")["file"], "entity not found");
}

/// A sandbox whose tenant `acme` has one file.
fn with_data(tenants: &Path, name: &str, text: &str) -> Sandbox {
    fs::create_dir(tenants.join("acme")).unwrap();
    fs::write(tenants.join("acme").join(name), text).unwrap();
    let dir = Dir::open_ambient_dir(tenants, ambient_authority()).unwrap();
    let config = SandboxConfig {
        tenant_data: Some(Arc::new(dir)),
        ..config()
    };
    Sandbox::new(config, None).unwrap()
}

/// One test, because compiling CPython takes long.
#[test]
fn a_rule_in_python_sees_the_events_time_and_seed_and_its_tenants_data() {
    let tenants = tempfile::tempdir().unwrap();
    let sandbox = with_data(tenants.path(), "holidays.json", r#"["2026-01-01"]"#);
    let prepared = prepare(&sandbox, "python-office-hours");
    let write = |tenant: &str, id: &str, data: &str| {
        let mut given = given(id, data, "{}");
        given.tenant = tenant.parse().unwrap();
        given.run(&sandbox, &prepared)
    };

    // A Thursday, and a holiday where that is known.
    let ann = r#"{"contact": "ann"}"#;
    for (tenant, back, said) in [
        ("acme", "Friday at 09:00", None),
        ("other", "Thursday at 09:00", Some("no holidays are known")),
    ] {
        let report = write(tenant, "e1", ann);
        let (name, reply) = act(&report);
        assert_eq!(name, "conversation.reply");
        let text = reply["text"].as_str().unwrap();
        assert!(
            text.ends_with(&format!(" We are back on {back}.")),
            "{text}"
        );
        let mut expected = vec![(LogLevel::Info, "it is Thursday, 00:00")];
        if let Some(said) = said {
            expected.insert(0, (LogLevel::Error, said));
        }
        assert_eq!(log(&report), expected);
        assert!(report.asked_now && report.asked_random);
    }

    let greeting = |id: &str| {
        let report = write("acme", id, ann);
        act(&report).1["text"].as_str().unwrap().to_owned()
    };
    let greetings = (0..20).map(|number| greeting(&format!("e{number}")));
    let different: std::collections::BTreeSet<_> = greetings.collect();
    assert_eq!(different.len(), 3, "{different:?}");

    let stop = write("acme", "e1", "{}").outcome.unwrap_err();
    assert_eq!(stop.code, StopCode::RuleFailed);
    let stop = write("acme", "e1", "7").outcome.unwrap_err();
    assert_eq!(stop.code, StopCode::Trap);
    assert!(stop.message.contains("TypeError"), "{}", stop.message);

    crate::determinism::check(&sandbox, &prepared, &given("e1", ann, "{}"), 100);
}
