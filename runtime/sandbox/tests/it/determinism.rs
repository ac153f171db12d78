//! A run can be repeated: the same event gives the same effects, the same
//! log, the same use of fuel and memory, whichever core it runs on and
//! whatever ran in its place before.

use std::collections::BTreeSet;
use std::thread;

use proptest::prelude::*;
use ringfence_model::{Event, EventId, Json, Limits, Usage};
use ringfence_sandbox::{Prepared, RunReport, Sandbox};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::built::built;
use crate::guest::{Given, Guest, event, prepare, sandbox};
use crate::wasi::{showing, shown};

/// How often each event is run.
const RUNS: usize = 1_000;

/// All of a report but how long it took.
fn told(report: RunReport) -> String {
    let usage = Usage {
        wall_us: 0,
        cpu_us: 0,
        ..report.usage
    };
    format!("{:?}", RunReport { usage, ..report })
}

/// The cores that this process may use, two of them if it may.
fn cores() -> [usize; 2] {
    let allowed = sched_getaffinity(None).unwrap();
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let first = cores.next().unwrap();
    [first, cores.next().unwrap_or(first)]
}

/// Runs it so many times on two threads, one to a core, with other runs in
/// between that leave their traces wherever there is a place for traces.
pub(crate) fn check(sandbox: &Sandbox, prepared: &Prepared, given: &Given, runs: usize) {
    let expected = told(given.run(sandbox, prepared));
    let other = Given {
        event: Event {
            accepted_us: given.event.accepted_us / 2,
            data: given.event.data.clone(),
            ..event("another event")
        },
        config: given.config.clone(),
        ..Given::default()
    };
    thread::scope(|scope| {
        for core in cores() {
            let (expected, other) = (&expected, &other);
            scope.spawn(move || {
                let mut only = CpuSet::new();
                only.set(core);
                sched_setaffinity(None, &only).unwrap();
                for number in 0..runs.div_ceil(2) {
                    if number % 4 == 0 {
                        other.run(sandbox, prepared);
                    }
                    assert_eq!(&told(given.run(sandbox, prepared)), expected);
                }
            });
        }
    });
}

/// Fills its memory with all that it can ask for, lets it grow, and logs a
/// hash of every byte of it.
fn hashing() -> Vec<u8> {
    let guest = Guest::new()
        .importing("clocks/wall-clock", "now", "$wall", "(param i32)")
        .importing(
            "random/random",
            "get-random-bytes",
            "$bytes",
            "(param i64 i32)",
        )
        .importing(
            "random/insecure-seed",
            "insecure-seed",
            "$seed",
            "(param i32)",
        )
        .importing("cli/environment", "get-environment", "$env", "(param i32)")
        .importing(
            "filesystem/preopens",
            "get-directories",
            "$dirs",
            "(param i32)",
        );
    let guest = showing(guest).with(
        "(func $hash (param $end i32) (result i64) (local $at i32) (local $hash i64)
           (loop $next
             (local.set $hash (i64.mul
               (i64.xor (local.get $hash) (i64.load (local.get $at)))
               (i64.const 0x100000001b3)))
             (local.set $hash (i64.xor (local.get $hash)
               (i64.shr_u (local.get $hash) (i64.const 29))))
             (local.set $at (i32.add (local.get $at) (i32.const 8)))
             (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
           (local.get $hash))",
    );
    guest
        .handling(
            "(call $wall (i32.const 512))
             (i64.store (i32.const 528) (call $now))
             (i32.store (i32.const 536) (call $random))
             (call $bytes (i64.const 1000) (i32.const 540))
             (call $seed (i32.const 552))
             (call $env (i32.const 568))
             (call $dirs (i32.const 576))
             (drop (memory.grow (i32.const 3)))
             (i64.store (i32.const 600)
               (call $hash (i32.mul (memory.size) (i32.const 65536))))
             (call $show (i32.const 600) (i32.const 8))
             (i32.const 1024)",
        )
        .core()
}

/// Events that have little in common.
fn events() -> impl Strategy<Value = Event> {
    let text = "[a-z0-9ü]{1,20}";
    let time = 0..4_000_000_000_000_000_u64;
    (text, text, time).prop_map(|(id, contact, accepted_us)| {
        let tenant = "acme".parse().unwrap();
        let data = serde_json::json!({
            "contact": contact, "priority": "urgent", "n": id.len(),
        });
        Event {
            id: EventId::root(&tenant, "/test", &id),
            ty: "conversation.created".into(),
            data: Json::parse(&data.to_string()).unwrap(),
            accepted_us,
            ..event(&id)
        }
    })
}

fn of(event: Event) -> Given {
    Given {
        event,
        // So that a machine that is busy does not decide what is told.
        limits: Limits {
            deadline_ms: 60_000,
            ..Limits::default()
        },
        ..Given::default()
    }
}

/// Rules in Rust, with the SDK, with wit-bindgen alone and with all of the
/// standard library, one in JavaScript, and one that hides nothing. (Python,
/// which takes long, has its own in `wasi::scripted`.)
fn guests() -> [Vec<u8>; 5] {
    let built = ["escalate-urgent", "without-sdk", "with-std", "js-survey"].map(built);
    let [sdk, bare, std, js] = built;
    [sdk, bare, std, js, hashing()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, ..ProptestConfig::default() })]

    #[test]
    fn the_same_event_gives_the_same_run(event in events()) {
        let sandbox = sandbox();
        for guest in guests() {
            let prepared = prepare(&sandbox, &guest);
            check(&sandbox, &prepared, &of(event.clone()), RUNS);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    /// A journal entry keeps the clock in milliseconds, and nothing else of
    /// when the run was.
    #[test]
    fn a_run_is_repeated_from_what_its_journal_entry_keeps(event in events()) {
        let sandbox = sandbox();
        let prepared = prepare(&sandbox, &hashing());
        let kept = Event {
            accepted_us: event.accepted_us / 1000 * 1000,
            ..event.clone()
        };
        let [first, again] = [event, kept].map(|event| told(of(event).run(&sandbox, &prepared)));
        prop_assert_eq!(first, again);
    }

    /// Different events are different in all that depends on chance.
    #[test]
    fn different_events_have_different_randomness(ids in prop::collection::btree_set("[a-z]{1,9}", 2..40)) {
        let sandbox = sandbox();
        let guest = Guest::new()
            .importing("random/random", "get-random-u64", "$number", "(result i64)");
        let guest = showing(guest).handling(
            "(i64.store (i32.const 512) (call $number))
             (call $show (i32.const 512) (i32.const 8)) (i32.const 1024)",
        );
        let prepared = prepare(&sandbox, &guest.core());
        let drawn: BTreeSet<_> = ids
            .iter()
            .map(|id| shown(&of(event(id)).run(&sandbox, &prepared)).concat())
            .collect();
        prop_assert_eq!(drawn.len(), ids.len());
    }
}
