//! Each limit ends a run with its own code, with limit and usage.

use ringfence_model::{Limits, StopCode};

use crate::guest::{E, Given, Guest, prepare, sandbox};

struct Case {
    name: &'static str,
    guest: Guest,
    limits: Limits,
    code: StopCode,
    limit: Option<u64>,
    usage: Option<u64>,
    says: &'static [&'static str],
}

fn case(name: &'static str, guest: Guest, code: StopCode) -> Case {
    Case {
        name,
        guest,
        limits: Limits::default(),
        code,
        limit: None,
        usage: None,
        says: &[],
    }
}

impl Case {
    fn within(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    fn at(mut self, limit: u64, usage: u64) -> Self {
        (self.limit, self.usage) = (Some(limit), Some(usage));
        self
    }

    fn says(mut self, says: &'static [&'static str]) -> Self {
        self.says = says;
        self
    }
}

const SPIN: &str = "(func $spin (loop $again (br $again)))";
const SUM: &str = "(func $sum (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br_if $again (local.get 0)))
    (local.get 1))";

fn runaways() -> Vec<Case> {
    let call = |name: &str| format!("(call {name}) (unreachable)");
    let late = "(drop (i32.div_u (call $sum (i32.const 3000)) (i32.sub (local.get $args) (local.get $args)))) (unreachable)";
    let mut logging = Guest::new();
    let (at, len) = logging.text("panicked at src/lib.rs:7:5: boom");
    let logging = logging.handling(&format!(
        "(call $log (i32.const 3) (i32.const {at}) (i32.const {len})) (unreachable)"
    ));
    vec![
        case(
            "a loop",
            Guest::new().with(SPIN).handling(&call("$spin")),
            StopCode::OutOfFuel,
        )
        .within(|limits| limits.fuel = 100_000)
        .at(100_000, 100_000)
        .says(&["Used 100,000 of 100,000 fuel. It was in `spin`."]),
        case(
            "a grab",
            Guest::new().handling("(drop (memory.grow (i32.const 100))) (unreachable)"),
            StopCode::OutOfMemory,
        )
        .within(|limits| limits.memory_bytes = 1 << 20)
        // The shim that wit-component makes has a table of its own.
        .says(&["1,048,576 are allowed", "`handle`"]),
        case(
            "a recursion",
            Guest::new()
                .with("(func $deep (call $deep))")
                .handling(&call("$deep")),
            StopCode::StackOverflow,
        )
        .at(512 * 1024, 512 * 1024)
        .says(&["524,288 bytes", "`deep`"]),
        case(
            "a trap",
            Guest::new().handling("(unreachable)"),
            StopCode::Trap,
        )
        .says(&["trapped", "`unreachable` instruction executed."]),
        case(
            "a trap after work",
            Guest::new().with(SUM).handling(late),
            StopCode::Trap,
        )
        .says(&["integer divide by zero"]),
        case("a panic", logging, StopCode::Trap)
            .says(&["it logged: panicked at src/lib.rs:7:5: boom"]),
        case(
            "a bad address",
            Guest::new().handling("(i32.const 0x7ffffffc)"),
            StopCode::Trap,
        ),
    ]
}

fn outputs() -> Vec<Case> {
    let payload = format!("\"{}\"", "x".repeat(198));
    let act = |payload: &str| Guest::new().returning(&[E::Act("note.add", payload)]);
    let many: Vec<_> = (0..65).map(|_| E::Act("note.add", "1")).collect();
    let memory = 3 << 20;
    // One list of strings that says it is 2 MiB long, in memory that is there.
    let mut huge = Guest::new();
    let (at, _) = huge.text("note.add");
    let body = format!(
        "(drop (memory.grow (i32.const {})))
         (i32.store (i32.const 512) (i32.const 0))
         (i32.store (i32.const 516) (i32.const 600)) (i32.store (i32.const 520) (i32.const 1))
         (i32.store (i32.const 600) (i32.const 1))
         (i32.store (i32.const 604) (i32.const {at})) (i32.store (i32.const 608) (i32.const 8))
         (i32.store (i32.const 612) (i32.const 70000)) (i32.store (i32.const 616) (i32.const {}))
         (i32.const 512)",
        memory / 65536,
        2 << 20
    );
    vec![
        case("a long payload", act(&payload), StopCode::OutputTooLarge)
            .within(|limits| limits.output_bytes = 207)
            .at(207, 208)
            .says(&["208 bytes", "207"]),
        case(
            "a huge payload",
            huge.handling(&body),
            StopCode::OutputTooLarge,
        )
        .at(64 << 10, (64 << 10) + (1 << 20) + 1),
        case(
            "many effects",
            Guest::new().returning(&many),
            StopCode::TooManyEffects,
        )
        .at(64, 65),
        case(
            "a large value",
            Guest::new().returning(&[E::Remember("k", Some("[1,2,3]"))]),
            StopCode::StateTooLarge,
        )
        .within(|limits| limits.state_value_bytes = 6)
        .at(6, 7)
        .says(&["7 bytes under `k`"]),
    ]
}

fn malformed() -> Vec<Case> {
    let returning = |effect: E<'_>| Guest::new().returning(&[E::Act("note.add", "1"), effect]);
    let long = "k".repeat(257);
    let deep = "[".repeat(200) + &"]".repeat(200);
    let undeclared = StopCode::UndeclaredEffect;
    let invalid = StopCode::InvalidEffect;
    vec![
        case(
            "other emit",
            returning(E::Emit("test.other", None, "1")),
            undeclared,
        )
        .says(&["index 1", "`emit` of `test.other`"]),
        case("other act", returning(E::Act("charge", "1")), undeclared)
            .says(&["`act` of `charge`"]),
        case(
            "emit without type",
            returning(E::Emit("", None, "1")),
            invalid,
        )
        .says(&["`type` is empty"]),
        case(
            "empty subject",
            returning(E::Emit("test.out", Some(""), "1")),
            invalid,
        )
        .says(&["`subject` is empty"]),
        case(
            "bad data",
            returning(E::Emit("test.out", None, "{")),
            invalid,
        )
        .says(&["index 1, `emit`", "`data`: not JSON"]),
        case("deep data", returning(E::Act("note.add", &deep)), invalid)
            .says(&["`payload`: not JSON: nested"]),
        case("no name", returning(E::Act("", "1")), invalid).says(&["`name` is empty"]),
        case("long name", returning(E::Act(&long, "1")), invalid).says(&["257 bytes"]),
        case("no key", returning(E::Remember("", None)), invalid).says(&["`key` is empty"]),
        case("long key", returning(E::Remember(&long, None)), invalid).says(&["257 bytes"]),
        case(
            "bad value",
            returning(E::Remember("k", Some("nul"))),
            invalid,
        )
        .says(&["`value`"]),
        case(
            "bad event",
            Guest::new().failing(0, "no id"),
            StopCode::RuleFailed,
        )
        .says(&["(invalid-event): no id"]),
        case(
            "bad config",
            Guest::new().failing(1, "no team"),
            StopCode::RuleFailed,
        )
        .says(&["(invalid-config): no team"]),
        case(
            "failure",
            Guest::new().failing(2, "oh"),
            StopCode::RuleFailed,
        )
        .says(&["(internal): oh"]),
    ]
}

fn check(cases: Vec<Case>) {
    let sandbox = sandbox();
    for case in cases {
        let prepared = prepare(&sandbox, &case.guest.core());
        let report = Given::limits(case.limits.clone()).run(&sandbox, &prepared);
        let name = case.name;
        let Err(stop) = report.outcome else {
            panic!("{name}: not stopped: {report:?}")
        };
        assert_eq!(stop.code, case.code, "{name}: {stop:?}");
        if case.limit.is_some() {
            assert_eq!((stop.limit, stop.usage), (case.limit, case.usage), "{name}");
        }
        for part in case.says {
            assert!(stop.message.contains(part), "{name}: {}", stop.message);
        }
        assert!(stop.hint.is_some(), "{name}: no hint");
        assert!(
            report.usage.fuel <= case.limits.fuel,
            "{name}: {:?}",
            report.usage
        );
    }
}

#[test]
fn what_runs_away_is_stopped() {
    check(runaways());
}

#[test]
fn what_returns_too_much_is_stopped() {
    check(outputs());
}

#[test]
fn what_returns_something_else_is_stopped() {
    check(malformed());
}

#[test]
fn a_deadline_ends_what_fuel_would_allow() {
    let sandbox = sandbox();
    let prepared = prepare(
        &sandbox,
        &Guest::new()
            .with(SPIN)
            .handling("(call $spin) (unreachable)")
            .core(),
    );
    let limits = Limits {
        deadline_ms: 5,
        fuel: 10_000_000_000,
        ..Limits::default()
    };
    let report = Given::limits(limits).run(&sandbox, &prepared);
    let stop = report.outcome.unwrap_err();
    assert_eq!(stop.code, StopCode::Deadline);
    assert_eq!(stop.limit, Some(5));
    assert!(stop.usage >= Some(5), "{stop:?}");
    assert!(report.usage.fuel > 0);
}

#[test]
fn a_trap_names_the_functions_that_were_active() {
    let sandbox = sandbox();
    let guest = Guest::new()
        .with("(func $_ZN4rule5inner17h0123456789abcdefE (unreachable))")
        .with("(func $outer (call $_ZN4rule5inner17h0123456789abcdefE))")
        .handling("(call $outer) (unreachable)");
    let prepared = prepare(&sandbox, &guest.core());
    let report = Given::default().run(&sandbox, &prepared);
    let stop = report.outcome.unwrap_err();
    let names: Vec<_> = stop.backtrace.iter().map(|f| f.function.as_str()).collect();
    assert_eq!(names, ["rule::inner", "outer", "handle"]);
    assert!(stop.backtrace.iter().all(|frame| frame.offset.is_some()));
}

/// Found by fuzzing: names may be empty.
#[test]
fn a_function_whose_name_shows_nothing_has_a_number() {
    let sandbox = sandbox();
    let guest = Guest::new()
        .with(r#"(func $empty (@name "") (unreachable))"#)
        .with(r#"(func $blank (@name " \n") (call $empty))"#)
        .handling("(call $blank) (unreachable)");
    let prepared = prepare(&sandbox, &guest.core());
    let report = Given::default().run(&sandbox, &prepared);
    let stop = report.outcome.unwrap_err();
    for frame in &stop.backtrace[..2] {
        assert!(frame.function.starts_with("function "), "{stop:?}");
    }
}

#[test]
fn work_before_a_trap_is_charged() {
    let sandbox = sandbox();
    // Then an inline trap, on which wasmtime loses its counter.
    let body = "(drop (i32.div_u (call $sum (i32.const 500000)) (i32.const 0))) (unreachable)";
    let prepared = prepare(&sandbox, &Guest::new().with(SUM).handling(body).core());
    let report = Given::default().run(&sandbox, &prepared);
    assert_eq!(report.outcome.unwrap_err().code, StopCode::Trap);
    assert!(report.usage.fuel > 50_000, "{:?}", report.usage);
}

#[test]
fn what_a_trap_logged_is_kept() {
    let sandbox = sandbox();
    let mut guest = Guest::new();
    let (at, len) = guest.text("one");
    let guest = guest.handling(&format!(
        "(call $log (i32.const 1) (i32.const {at}) (i32.const {len})) (unreachable)"
    ));
    let prepared = prepare(&sandbox, &guest.core());
    let report = Given::default().run(&sandbox, &prepared);
    assert_eq!(report.log.lines[0].message, "one");
    assert_eq!(report.usage.log_bytes, 3);
}
