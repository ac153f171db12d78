//! Rewritten growth: whole rules run as they did without it.

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ringfence_model::{Effect, Json, Limits, Log, Manifest, Stop, StopCode, VersionId};
use ringfence_sandbox::{RunReport, Sandbox, SandboxConfig};

use crate::built::built;
use crate::guest::{Given, Guest, config, prepare};

const PAGE: u64 = 64 << 10;

/// With growth rewritten, and without.
fn both() -> [Sandbox; 2] {
    [true, false].map(|reserve_growth| {
        let config = SandboxConfig {
            reserve_growth,
            ..config()
        };
        Sandbox::new(config, None).unwrap()
    })
}

/// What must not differ.
#[derive(Debug, PartialEq)]
struct Seen {
    outcome: Result<Vec<Effect>, Stop>,
    memory_bytes: u64,
    log: Log,
    /// After a trap, the time that a run took counts too.
    fuel: Option<u64>,
}

impl Seen {
    fn of(mut report: RunReport) -> Self {
        let stopped = report.outcome.as_mut().err();
        let exact = match stopped {
            Some(stop) => {
                // Code moves within the module.
                stop.backtrace.iter_mut().for_each(|f| f.offset = None);
                stop.code == StopCode::OutOfFuel
            }
            None => true,
        };
        Self {
            outcome: report.outcome,
            memory_bytes: report.usage.memory_bytes,
            log: report.log,
            fuel: exact.then_some(report.usage.fuel),
        }
    }
}

#[test]
fn the_examples_run_as_before() {
    let sandboxes = both();
    let examples = [
        "assign-by-skill",
        "escalate-urgent",
        "huge-output",
        "infinite-loop",
        "label-issue",
        "sla-breach",
        "tag-sync",
        "three-strikes",
        "trap-late",
        "without-sdk",
    ];
    for name in examples {
        let bytes = built(name);
        for data in [r#"{"priority": "urgent", "id": "c-1", "text": "x"}"#, "[]"] {
            let [with, without] = sandboxes.each_ref().map(|sandbox| {
                let mut given = Given::default();
                given.event.data = Json::parse(data).unwrap();
                let prepared = prepare(sandbox, &bytes);
                Seen::of(given.run(sandbox, &prepared))
            });
            assert_eq!(with, without, "{name}");
        }
    }
}

#[test]
fn a_guest_that_takes_all_memory_is_stopped_at_the_same_byte() {
    let sandboxes = both();
    let bytes = built("memory-bomb");
    // From less than the reserve's end to far beyond it.
    for memory_bytes in [5 * PAGE, 17 * PAGE, 18 * PAGE + 1, 20 * PAGE, 32 << 20] {
        let [with, without] = sandboxes.each_ref().map(|sandbox| {
            let mut given = Given::limits(Limits {
                memory_bytes,
                fuel: 100_000_000,
                ..Limits::default()
            });
            given.event.data = Json::empty_object();
            let prepared = prepare(sandbox, &bytes);
            Seen::of(given.run(sandbox, &prepared))
        });
        assert_eq!(with, without, "{memory_bytes}");
        let stop = with.outcome.unwrap_err();
        assert_eq!(stop.code, StopCode::OutOfMemory, "{memory_bytes}");
    }
}

/// Grows by so many pages, and then reads behind them.
fn reading_behind(fields: &str, pages: u32) -> Vec<u8> {
    Guest::new()
        .with(fields)
        .handling(&format!(
            "(drop (memory.grow (i32.const {pages})))
             (drop (i32.load (i32.mul (memory.size) (i32.const 65536))))
             (i32.const 1024)"
        ))
        .core()
}

#[test]
fn what_a_guest_may_notice_is_that_the_reserve_can_be_read() {
    let [with, without] = both();
    // Of 4 pages; 16 are reserved.
    for (fields, pages, sandbox, trapped) in [
        ("", 1, &without, true),
        ("", 1, &with, false),
        ("", 15, &with, false),
        ("", 16, &with, true),
        ("", 17, &with, true),
        // Imitates what tells the host of growth, and so is left alone.
        ("(table 0 19997 funcref)", 1, &with, true),
    ] {
        let prepared = prepare(sandbox, &reading_behind(fields, pages));
        let report = Given::default().run(sandbox, &prepared);
        let code = report.outcome.err().map(|stop| stop.code);
        let expected = trapped.then_some(StopCode::Trap);
        assert_eq!(code, expected, "{fields} {pages}");
    }
}

#[test]
fn a_guest_that_imitates_a_shadow_is_counted_as_any_other() {
    let sandbox = &both()[0];
    let used = |grow: &str| {
        let guest = Guest::new()
            .with("(table $table 0 19997 funcref)")
            .handling(&format!("{grow} (i32.const 1024)"));
        let prepared = prepare(sandbox, &guest.core());
        Given::default().run(sandbox, &prepared).usage.memory_bytes
    };
    let least = used("(if (i32.const 0) (then (drop (memory.grow (i32.const 1)))))");
    assert!(least >= 4 * PAGE, "{least}: no pages for free");
    assert_eq!(used("(drop (memory.grow (i32.const 3)))"), least + 3 * PAGE);
    let table = "(drop (table.grow $table (ref.null func) (i32.const 100)))";
    assert_eq!(used(table), least + 800);
}

#[test]
fn what_is_counted_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        Sandbox::new(config(), Some(dir)).unwrap()
    };
    let upload = Guest::new()
        .handling("(drop (memory.grow (i32.const 20))) (i32.const 1024)")
        .core();
    let sandbox = open();
    let prepared = prepare(&sandbox, &upload);
    let before = Seen::of(Given::default().run(&sandbox, &prepared));
    drop(sandbox);

    let sandbox = open();
    let prepared = sandbox
        .prepare(
            VersionId::of(&upload),
            &Manifest::default(),
            &Limits::default(),
            &|| panic!("it is on disk"),
        )
        .unwrap();
    let after = Seen::of(Given::default().run(&sandbox, &prepared));
    assert_eq!(after, before);
    assert!(after.memory_bytes < 25 * PAGE, "{}", after.memory_bytes);
}
