//! Guests built from Rust with the SDK: the useful ones run, the hostile ones
//! are stopped.

use std::path::PathBuf;

use ringfence_model::{Effect, Json, StopCode};

use crate::guest::{Given, prepare, sandbox};

/// A built guest's bytes. That it is not there is a failure: a test that is
/// skipped promises nothing.
pub(crate) fn built(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("RINGFENCE_GUESTS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/guests"),
        PathBuf::from,
    );
    let path = folder.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; run `make guests setup-tests`", path.display())
    })
}

#[test]
fn hostile_guests_are_stopped() {
    let sandbox = sandbox();
    for (name, code, function) in [
        ("infinite-loop", StopCode::OutOfFuel, ""),
        ("memory-bomb", StopCode::OutOfMemory, ""),
        ("deep-recursion", StopCode::StackOverflow, "deep_recursion"),
        ("huge-output", StopCode::OutputTooLarge, ""),
        ("trap-late", StopCode::Trap, ""),
    ] {
        let prepared = prepare(&sandbox, &built(name));
        let mut given = Given::default();
        given.event.data = Json::empty_object();
        // So that what stops them is the limit that they attack.
        given.limits.fuel = 100_000_000;
        let report = given.run(&sandbox, &prepared);
        let Err(stop) = report.outcome else {
            panic!("{name}: not stopped: {report:?}")
        };
        assert_eq!(stop.code, code, "{name}: {stop:?}");
        let named = |frame: &ringfence_model::Frame| frame.function.contains(function);
        let found = function.is_empty() || stop.backtrace.iter().any(named);
        assert!(found, "{name}: {stop:?}");
    }
}

#[test]
fn an_urgent_conversation_escalates() {
    let sandbox = sandbox();
    let prepared = prepare(&sandbox, &built("escalate-urgent"));
    let mut given = Given::default();
    given.event.ty = "conversation.created".into();
    given.event.data = Json::parse(r#"{"priority": "urgent"}"#).unwrap();
    let report = given.run(&sandbox, &prepared);
    let effects = report.outcome.unwrap();
    let [Effect::Act(action)] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(action.name, "conversation.update");
    assert_eq!(action.payload.to_value()["team"], "escalations");
}
