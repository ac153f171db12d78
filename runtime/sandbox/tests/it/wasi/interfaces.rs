//! What each interface answers.

use std::fmt::Write;

use ringfence_model::{Limits, LogLevel, StopCode};
use ringfence_sandbox::HOST_CALL_FUEL;
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Resolve, TypeDefKind};

use super::{VERSION, official, run, showing, shown};
use crate::guest::{Given, Guest, embed_world, encode, event, prepare, sandbox};

/// Imports of everything that WASI has: functions and the ends of resources.
fn everything(resolve: &Resolve) -> String {
    let mut imports = String::new();
    let wasm = |types: &[WasmType]| {
        let names = types.iter().map(|ty| match ty {
            WasmType::I64 => "i64 ",
            WasmType::F32 => "f32 ",
            WasmType::F64 => "f64 ",
            _ => "i32 ",
        });
        names.collect::<String>()
    };
    for (id, interface) in resolve.interfaces.iter() {
        let name = resolve.id_of(id).unwrap();
        if name.starts_with("wasi:cli/run@") {
            continue;
        }
        for (function, definition) in &interface.functions {
            let signature = resolve.wasm_signature(AbiVariant::GuestImport, definition);
            let (params, results) = (wasm(&signature.params), wasm(&signature.results));
            writeln!(
                imports,
                "(import \"{name}\" \"{function}\" (func (param {params}) (result {results})))"
            )
            .unwrap();
        }
        for (ty, id) in &interface.types {
            if matches!(resolve.types[*id].kind, TypeDefKind::Resource) {
                writeln!(
                    imports,
                    "(import \"{name}\" \"[resource-drop]{ty}\" (func (param i32)))"
                )
                .unwrap();
            }
        }
    }
    imports
}

#[test]
fn everything_is_there_with_its_type() {
    let (resolve, names) = official();
    let imports = everything(&resolve);
    assert!(imports.lines().count() > 130, "{imports}");
    let wat = Guest::new().wat();
    let wat = wat.replacen("(module", &format!("(module {imports}"), 1);
    let upload = super::embed(wat.as_bytes());
    let sandbox = sandbox();
    let inspected = sandbox.inspect(&upload, &Limits::default()).unwrap();
    for name in names {
        assert!(name.ends_with(VERSION), "{name}");
        assert!(inspected.imports.contains(&name), "{name}");
    }
    let prepared = prepare(&sandbox, &upload);
    let report = Given::default().run(&sandbox, &prepared);
    assert_eq!(report.outcome.unwrap(), []);
}

#[test]
fn what_wasi_does_not_have_is_refused_by_name() {
    let sandbox = sandbox();
    for (version, function, result, code, says) in [
        (
            "0.2.0",
            "get-secrets",
            "list<string>",
            "wrong-type",
            "get-secrets",
        ),
        (
            "0.2.99",
            "get-arguments",
            "u32",
            "wrong-type",
            "get-arguments",
        ),
        (
            "0.3.0",
            "get-arguments",
            "list<string>",
            "unknown-imports",
            "0.3.0",
        ),
    ] {
        let wit = format!(
            "package a:b; world w {{ import wasi:cli/environment@{version}; export describe: func(); export handle: func(); }}
             package wasi:cli@{version} {{ interface environment {{ {function}: func() -> {result}; }} }}"
        );
        let ty = if result == "u32" {
            "(result i32)"
        } else {
            "(param i32)"
        };
        let wat = format!(
            "(module (import \"wasi:cli/environment@{version}\" \"{function}\" (func {ty}))
               (memory (export \"memory\") 1)
               (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) unreachable)
               (func (export \"describe\")) (func (export \"handle\")))"
        );
        let upload = encode(&embed_world(wat.as_bytes(), &wit, "w"));
        let error = sandbox.inspect(&upload, &Limits::default()).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

fn timed() -> Guest {
    let monotonic = "clocks/monotonic-clock";
    let guest = Guest::new()
        .importing("clocks/wall-clock", "now", "$wall", "(param i32)")
        .importing(monotonic, "now", "$monotonic", "(result i64)")
        .importing(
            monotonic,
            "subscribe-duration",
            "$after",
            "(param i64) (result i32)",
        )
        .importing(
            monotonic,
            "subscribe-instant",
            "$at",
            "(param i64) (result i32)",
        )
        .importing("io/poll", "[method]pollable.block", "$block", "(param i32)")
        .importing(
            "io/poll",
            "[method]pollable.ready",
            "$ready",
            "(param i32) (result i32)",
        )
        .importing("io/poll", "poll", "$poll", "(param i32 i32 i32)");
    showing(guest).with(
        "(func $clocks (call $wall (i32.const 512))
           (i64.store (i32.const 528) (call $monotonic))
           (call $show (i32.const 512) (i32.const 24)))",
    )
}

/// What `$clocks` shows: seconds, nanoseconds, and the monotonic clock.
fn clocks(bytes: &[u8]) -> (u64, u32, u64) {
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    (number(0), number(8) as u32, number(16))
}

#[test]
fn time_passes_only_by_waiting_and_then_at_once() {
    const START: u64 = 1_767_225_600;
    let hour = 3_600_000_000_000_u64;
    let report = run(timed().handling(&format!(
        "(call $clocks) (call $clocks)
         (call $block (call $after (i64.const {hour})))
         (call $clocks)
         ;; A moment that has passed.
         (call $block (call $at (i64.const 5)))
         (call $clocks)
         (call $block (call $after (i64.const -1)))
         (call $clocks)
         (i32.const 1024)"
    )));
    assert_eq!(report.outcome.as_deref().unwrap(), []);
    let told: Vec<_> = shown(&report).iter().map(|bytes| clocks(bytes)).collect();
    let end = START + u64::MAX / 1_000_000_000;
    assert_eq!(
        told,
        [
            (START, 123_000_000, 0),
            (START, 123_000_000, 0),
            (START + 3600, 123_000_000, hour),
            (START + 3600, 123_000_000, hour),
            (end, 123_000_000 + 709_551_615, u64::MAX),
        ]
    );
    assert!(report.asked_now && !report.asked_random);
}

#[test]
fn polling_lets_the_first_moment_come() {
    // Two that are in the future, one of them twice.
    let report = run(timed().handling(
        "(i32.store (i32.const 600) (call $after (i64.const 300)))
         (i32.store (i32.const 604) (call $after (i64.const 200)))
         (i32.store (i32.const 608) (call $after (i64.const 200)))
         (i32.store8 (i32.const 620) (call $ready (i32.load (i32.const 604))))
         (call $poll (i32.const 600) (i32.const 3) (i32.const 640))
         (i32.store8 (i32.const 621) (call $ready (i32.load (i32.const 604))))
         (i32.store8 (i32.const 622) (call $ready (i32.load (i32.const 600))))
         (i64.store (i32.const 623) (call $monotonic))
         (call $show (i32.const 620) (i32.const 11))
         (call $show (i32.load (i32.const 640))
           (i32.mul (i32.load (i32.const 644)) (i32.const 4)))
         (i32.const 1024)",
    ));
    assert_eq!(report.outcome.as_deref().unwrap(), []);
    let shown = shown(&report);
    assert_eq!(shown[0], [0, 1, 0, 200, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(shown[1], [1, 0, 0, 0, 2, 0, 0, 0]);
    // The monotonic clock says nothing about when the run is.
    assert!(!report.asked_now && !report.asked_random);
}

fn random() -> Guest {
    let guest = Guest::new()
        .importing(
            "random/random",
            "get-random-bytes",
            "$bytes",
            "(param i64 i32)",
        )
        .importing("random/random", "get-random-u64", "$number", "(result i64)")
        .importing(
            "random/insecure",
            "get-insecure-random-bytes",
            "$insecure",
            "(param i64 i32)",
        )
        .importing(
            "random/insecure",
            "get-insecure-random-u64",
            "$insecure-number",
            "(result i64)",
        )
        .importing(
            "random/insecure-seed",
            "insecure-seed",
            "$seed",
            "(param i32)",
        );
    showing(guest)
}

#[test]
fn randomness_is_the_events_by_every_way() {
    let sandbox = sandbox();
    let show = |body: &str, id: &str| {
        let guest = random().handling(&format!("{body} (i32.const 1024)"));
        let prepared = prepare(&sandbox, &guest.core());
        let given = Given {
            event: event(id),
            ..Given::default()
        };
        let report = given.run(&sandbox, &prepared);
        assert_eq!(report.outcome.as_deref().unwrap(), []);
        assert!(report.asked_random && !report.asked_now);
        shown(&report).concat()
    };
    let list = "(call $show (i32.load (i32.const 512)) (i32.load (i32.const 516)))";
    let words: String = (0..4)
        .map(|word| format!("(i32.store (i32.const {}) (call $random))", 600 + word * 4))
        .collect();
    let host = format!("{words} (call $show (i32.const 600) (i32.const 16))");
    let expected = show(&host, "e1");
    assert_ne!(expected, show(&host, "e2"));
    let number = |function: &str| {
        format!(
            "(i64.store (i32.const 600) (call {function}))
             (i64.store (i32.const 608) (call {function}))
             (call $show (i32.const 600) (i32.const 16))"
        )
    };
    for body in [
        format!("(call $bytes (i64.const 16) (i32.const 512)) {list}"),
        format!("(call $insecure (i64.const 16) (i32.const 512)) {list}"),
        number("$number"),
        number("$insecure-number"),
        "(call $seed (i32.const 600)) (call $show (i32.const 600) (i32.const 16))".into(),
    ] {
        assert_eq!(show(&body, "e1"), expected, "{body}");
    }
}

fn printing() -> Guest {
    let write = "(param i32 i32 i32 i32)";
    let stream = "[method]output-stream.blocking-write-and-flush";
    Guest::new()
        .importing("cli/stdout", "get-stdout", "$stdout", "(result i32)")
        .importing("cli/stderr", "get-stderr", "$stderr", "(result i32)")
        .importing("io/streams", stream, "$write", write)
        .importing(
            "io/streams",
            "[method]output-stream.write-zeroes",
            "$zeroes",
            "(param i32 i64 i32)",
        )
}

/// Calls that print these texts, each to `$stdout` or `$stderr`.
fn prints(guest: &mut Guest, texts: &[(&str, &str)]) -> String {
    texts
        .iter()
        .map(|(stream, text)| {
            let (at, len) = guest.text(text);
            format!(
                "(call $write (call {stream}) (i32.const {at}) (i32.const {len}) (i32.const 512))"
            )
        })
        .collect()
}

#[test]
fn what_is_printed_is_logged_line_by_line() {
    let mut guest = printing();
    let body = prints(
        &mut guest,
        &[
            ("$stdout", "one\ntw"),
            ("$stderr", "bad: "),
            ("$stdout", "o\n\nthr"),
            ("$stderr", "ü\n"),
            ("$stdout", "ee"),
        ],
    );
    let report = run(guest.handling(&format!("{body} (i32.const 1024)")));
    assert_eq!(report.outcome.as_deref().unwrap(), []);
    let lines: Vec<_> = report
        .log
        .lines
        .iter()
        .map(|line| (line.level, &*line.message))
        .collect();
    let (info, error) = (LogLevel::Info, LogLevel::Error);
    let expected = [
        (info, "one"),
        (info, "two"),
        (info, ""),
        (error, "bad: ü"),
        (info, "three"),
    ];
    assert_eq!(lines, expected);
    assert_eq!(report.usage.log_bytes, 18);
    assert!(!report.log.truncated && !report.asked_now && !report.asked_random);
}

#[test]
fn what_is_printed_is_cut_like_a_log_and_costs_fuel() {
    let sandbox = sandbox();
    let printed = |text: &str, log_bytes| {
        let mut guest = printing();
        let body = prints(&mut guest, &[("$stdout", text)]);
        let guest = guest.handling(&format!("{body} (i32.const 1024)"));
        let prepared = prepare(&sandbox, &guest.core());
        let report = Given::limits(Limits {
            log_bytes,
            ..Limits::default()
        })
        .run(&sandbox, &prepared);
        assert_eq!(report.outcome.as_deref().unwrap(), []);
        report
    };
    let nothing = run(printing()).usage.fuel;
    let report = printed("0123456789\nnot any more", 8);
    assert!(report.log.truncated);
    assert_eq!(report.log.lines.len(), 1);
    assert_eq!(report.log.lines[0].message, "01234567");
    assert_eq!(report.usage.log_bytes, 22);
    assert!(report.usage.fuel > nothing + 2 * HOST_CALL_FUEL + 22);
    // A byte that is no text, and a character that does not fit.
    let report = printed("ab\u{fffd}", 4);
    assert_eq!(report.log.lines[0].message, "ab");
    assert!(report.log.truncated);
    // A line that never ends is held no further than the log would go.
    let zeroes = "(call $zeroes (call $stdout) (i64.const 65536) (i32.const 512))";
    let report = run(printing().handling(&format!("{} (i32.const 1024)", zeroes.repeat(20))));
    assert_eq!(
        report.log.lines[0].message.len() as u64,
        Limits::default().log_bytes
    );
    assert_eq!(report.usage.log_bytes, 20 * 65536);
}

#[test]
fn a_trap_is_told_with_what_was_printed_before() {
    let mut guest = printing();
    let body = prints(
        &mut guest,
        &[
            ("$stderr", "thread panicked:\nno such team\n"),
            ("$stdout", "bye"),
        ],
    );
    let report = run(guest.handling(&format!("{body} (unreachable)")));
    let stop = report.outcome.unwrap_err();
    assert_eq!(stop.code, StopCode::Trap);
    let says = "it logged: thread panicked:\nno such team";
    assert!(stop.message.contains(says), "{}", stop.message);
    assert_eq!(report.log.lines.last().unwrap().message, "bye");
}

#[test]
fn there_is_nothing_around_a_rule() {
    let guest = Guest::new()
        .importing("cli/environment", "get-environment", "$env", "(param i32)")
        .importing(
            "cli/environment",
            "get-arguments",
            "$args-of",
            "(param i32)",
        )
        .importing("cli/environment", "initial-cwd", "$cwd", "(param i32)")
        .importing("cli/stdin", "get-stdin", "$stdin", "(result i32)")
        .importing(
            "io/streams",
            "[method]input-stream.read",
            "$read",
            "(param i32 i64 i32)",
        )
        .importing(
            "cli/terminal-stdin",
            "get-terminal-stdin",
            "$in",
            "(param i32)",
        )
        .importing(
            "cli/terminal-stdout",
            "get-terminal-stdout",
            "$out",
            "(param i32)",
        )
        .importing(
            "cli/terminal-stderr",
            "get-terminal-stderr",
            "$err",
            "(param i32)",
        )
        .importing(
            "filesystem/preopens",
            "get-directories",
            "$dirs",
            "(param i32)",
        )
        .importing(
            "sockets/instance-network",
            "instance-network",
            "$network",
            "(result i32)",
        )
        .importing(
            "sockets/tcp-create-socket",
            "create-tcp-socket",
            "$tcp",
            "(param i32 i32)",
        )
        .importing(
            "sockets/udp-create-socket",
            "create-udp-socket",
            "$udp",
            "(param i32 i32)",
        )
        .importing(
            "sockets/ip-name-lookup",
            "resolve-addresses",
            "$lookup",
            "(param i32 i32 i32 i32)",
        );
    // A call that answers into memory that was full of ones, and the byte
    // that says what it answered.
    let asks = [
        ("(call $env (i32.const 512))", 516, 0),
        ("(call $args-of (i32.const 512))", 516, 0),
        ("(call $cwd (i32.const 512))", 512, 0),
        // An error, and that the stream is closed.
        (
            "(call $read (call $stdin) (i64.const 9) (i32.const 512))",
            512,
            1,
        ),
        (
            "(call $read (call $stdin) (i64.const 9) (i32.const 512))",
            516,
            1,
        ),
        ("(call $in (i32.const 512))", 512, 0),
        ("(call $out (i32.const 512))", 512, 0),
        ("(call $err (i32.const 512))", 512, 0),
        ("(call $dirs (i32.const 512))", 516, 0),
        // An error, and that it is `access-denied`.
        ("(call $tcp (i32.const 0) (i32.const 512))", 512, 1),
        ("(call $tcp (i32.const 0) (i32.const 512))", 516, 1),
        ("(call $udp (i32.const 1) (i32.const 512))", 516, 1),
        (
            "(call $lookup (call $network) (i32.const 1024) (i32.const 2) (i32.const 512))",
            516,
            1,
        ),
    ];
    let body: String = asks
        .iter()
        .map(|(call, at, _)| {
            format!(
                "(memory.fill (i32.const 512) (i32.const 255) (i32.const 16)) {call}
                 (call $show (i32.const {at}) (i32.const 1))"
            )
        })
        .collect();
    let report = run(showing(guest).handling(&format!("{body} (i32.const 1024)")));
    assert_eq!(report.outcome.as_deref().unwrap(), []);
    for ((call, _, expected), shown) in asks.iter().zip(shown(&report)) {
        assert_eq!(shown, [*expected], "{call}");
    }
}

#[test]
fn exit_ends_the_run() {
    for (function, status, says) in [
        ("exit", 0, "status 0"),
        ("exit", 1, "status 1"),
        ("exit-with-code", 7, "status 7"),
    ] {
        let guest = Guest::new()
            .importing("cli/exit", function, "$exit", "(param i32)")
            .handling(&format!(
                "(call $exit (i32.const {status})) (i32.const 1024)"
            ));
        let stop = run(guest).outcome.unwrap_err();
        assert_eq!(stop.code, StopCode::Trap);
        assert!(stop.message.contains("`exit`"), "{}", stop.message);
        assert!(stop.message.contains(says), "{}", stop.message);
    }
}
