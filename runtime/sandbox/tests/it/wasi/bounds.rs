//! What a rule can make the host hold and do by way of WASI is bounded.

use ringfence_model::{Limits, StopCode};

use super::run;
use crate::guest::{Given, Guest, prepare, sandbox};

fn guest() -> Guest {
    Guest::new()
        .importing(
            "random/random",
            "get-random-bytes",
            "$random-bytes",
            "(param i64 i32)",
        )
        .importing("cli/stdout", "get-stdout", "$stdout", "(result i32)")
        .importing(
            "io/streams",
            "[method]output-stream.write",
            "$write",
            "(param i32 i32 i32 i32)",
        )
        .importing(
            "io/streams",
            "[method]output-stream.write-zeroes",
            "$zeroes",
            "(param i32 i64 i32)",
        )
        .importing(
            "clocks/monotonic-clock",
            "subscribe-duration",
            "$after",
            "(param i64) (result i32)",
        )
        .importing("io/poll", "poll", "$poll", "(param i32 i32 i32)")
        .importing("io/poll", "[resource-drop]pollable", "$drop", "(param i32)")
}

#[test]
fn asking_for_too_much_ends_the_run_and_says_so() {
    for (body, says) in [
        (
            "(call $random-bytes (i64.const -1) (i32.const 512))",
            "asked for 18446744073709551615 random bytes",
        ),
        (
            "(call $random-bytes (i64.const 65537) (i32.const 512))",
            "at most 65536",
        ),
        (
            "(call $zeroes (call $stdout) (i64.const -1) (i32.const 512))",
            "`check-write` permits 65536",
        ),
        (
            "(call $write (call $stdout) (i32.const 0) (i32.const 65537) (i32.const 512))",
            "it wrote 65537 bytes",
        ),
        (
            "(call $poll (i32.const 0) (i32.const 0) (i32.const 512))",
            "nothing to wait for",
        ),
        ("(loop $again (drop (call $stdout)) (br $again))", "handle"),
        (
            "(loop $again (drop (call $after (i64.const 1))) (br $again))",
            "handle",
        ),
    ] {
        let guest = guest().handling(&format!("{body} (i32.const 1024)"));
        let stop = run(guest).outcome.unwrap_err();
        assert_eq!(stop.code, StopCode::Trap, "{body}: {}", stop.message);
        assert!(stop.message.contains(says), "{body}: {}", stop.message);
    }
}

#[test]
fn what_is_dropped_makes_room() {
    let body = "(local $n i32)
        (loop $again
          (call $drop (call $after (i64.const 1)))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $n) (i32.const 5000))))
        (i32.const 1024)";
    assert_eq!(run(guest().handling(body)).outcome.unwrap(), []);
}

#[test]
fn every_call_costs_fuel_so_that_none_can_go_on_for_ever() {
    let sandbox = sandbox();
    for call in [
        "(call $drop (call $after (i64.const -1)))",
        "(call $random-bytes (i64.const 0) (i32.const 512))",
        "(call $write (local.get $out) (i32.const 1024) (i32.const 0) (i32.const 512))",
        "(call $zeroes (local.get $out) (i64.const 65536) (i32.const 512))",
    ] {
        let guest = guest().handling(&format!(
            "(local $out i32) (local.set $out (call $stdout)) (loop $again {call} (br $again)) (unreachable)"
        ));
        let prepared = prepare(&sandbox, &guest.core());
        let limits = Limits {
            fuel: 1_000_000,
            // So that it is not the clock that stops it.
            deadline_ms: 60_000,
            ..Limits::default()
        };
        let report = Given::limits(limits).run(&sandbox, &prepared);
        assert_eq!(
            report.outcome.unwrap_err().code,
            StopCode::OutOfFuel,
            "{call}"
        );
        assert_eq!(report.usage.fuel, 1_000_000, "{call}");
    }
}

/// A function in front charges for it, which is nobody's business.
#[test]
fn a_handle_that_is_not_there_ends_the_run_where_it_was_dropped() {
    let guest = Guest::new()
        .importing("io/poll", "[resource-drop]pollable", "$drop", "(param i32)")
        .with("(func $forging (call $drop (i32.const 77)))")
        .handling("(call $forging) (i32.const 1024)");
    let sandbox = sandbox();
    let prepared = prepare(&sandbox, &guest.core());
    let stop = Given::default()
        .run(&sandbox, &prepared)
        .outcome
        .unwrap_err();
    assert_eq!(stop.code, StopCode::Trap, "{stop:?}");
    let functions: Vec<_> = stop
        .backtrace
        .iter()
        .map(|frame| &*frame.function)
        .collect();
    assert_eq!(functions[0], "forging", "{functions:?}");
    let added = |function: &&str| function.starts_with("ringfence:");
    assert!(!functions.iter().any(added), "{functions:?}");
}
