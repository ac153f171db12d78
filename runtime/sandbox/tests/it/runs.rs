//! Runs: fresh, repeatable, counted, side by side.

use std::thread;

use ringfence_model::{Action, Effect, Entry, Json, Limits, NewEvent, StopCode};

use crate::guest::{E, Given, Guest, config, event, prepare, sandbox};

#[test]
fn effects_arrive_as_returned() {
    let sandbox = sandbox();
    let guest = Guest::new().returning(&[
        E::Emit("test.out", Some("s-2"), r#"{"a": [1, "ü"]}"#),
        E::Act("note.add", "\"hello\""),
        E::Remember("k", Some("17")),
        E::Remember("old", None),
    ]);
    let prepared = prepare(&sandbox, &guest.core());
    let report = Given::default().run(&sandbox, &prepared);
    let json = |text: &str| Json::parse(text).unwrap();
    let expected = [
        Effect::Emit(NewEvent {
            ty: "test.out".into(),
            subject: Some("s-2".into()),
            data: json(r#"{"a": [1, "ü"]}"#),
        }),
        Effect::Act(Action {
            name: "note.add".into(),
            payload: json("\"hello\""),
        }),
        Effect::Remember(Entry {
            key: "k".into(),
            value: Some(json("17")),
        }),
        Effect::Remember(Entry {
            key: "old".into(),
            value: None,
        }),
    ];
    assert_eq!(report.outcome.unwrap(), expected);
    assert_eq!(report.usage.effects, 4);
    let size: u64 = expected.iter().map(Effect::size).sum();
    assert_eq!(report.usage.output_bytes, size);
    assert!(report.usage.fuel > 0);
    assert!(!report.asked_now && !report.asked_random);
}

/// A body that acts with a text at `at` of `len` bytes in memory.
fn acting(guest: &mut Guest, at: &str, len: &str) -> String {
    let (name, name_len) = guest.text("note.add");
    format!(
        "(i32.store (i32.const 512) (i32.const 0))
         (i32.store (i32.const 516) (i32.const 600)) (i32.store (i32.const 520) (i32.const 1))
         (i32.store (i32.const 600) (i32.const 1))
         (i32.store (i32.const 604) (i32.const {name}))
         (i32.store (i32.const 608) (i32.const {name_len}))
         (i32.store (i32.const 612) {at}) (i32.store (i32.const 616) {len})
         (i32.const 512)"
    )
}

fn payload(outcome: Result<Vec<Effect>, ringfence_model::Stop>) -> String {
    match &outcome.unwrap()[..] {
        [Effect::Act(action)] => action.payload.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rule_is_shown_its_event_and_its_configuration() {
    // Offsets of `data` in the event, and of `config` in the invocation.
    for (offset, shown) in [(44, r#"{"n": 1}"#), (68, r#"{"team": "x"}"#)] {
        let sandbox = sandbox();
        let mut guest = Guest::new();
        let (at, len) = (
            format!("(i32.load offset={offset} (local.get $args))"),
            format!("(i32.load offset={} (local.get $args))", offset + 4),
        );
        let body = acting(&mut guest, &at, &len);
        let prepared = prepare(&sandbox, &guest.handling(&body).core());
        let given = Given {
            config: Json::parse(r#"{"team": "x"}"#).unwrap(),
            ..Given::default()
        };
        assert_eq!(payload(given.run(&sandbox, &prepared).outcome), shown);
    }
}

/// Counts, in a global, in memory and in what grew, how often it was run.
fn counting() -> Guest {
    let mut guest = Guest::new().with("(global $runs (mut i32) (i32.const 48))");
    let body = acting(&mut guest, "(i32.const 700)", "(i32.const 3)");
    guest.handling(&format!(
        "(global.set $runs (i32.add (global.get $runs) (i32.const 1)))
         (i32.store8 (i32.const 700) (global.get $runs))
         (i32.store8 (i32.const 704) (i32.add (i32.load8_u (i32.const 704)) (i32.const 1)))
         (i32.store8 (i32.const 701) (i32.add (i32.load8_u (i32.const 704)) (i32.const 48)))
         (i32.store8 (i32.const 702) (i32.add (memory.grow (i32.const 2)) (i32.const 48)))
         (i32.store8 (i32.const 300000) (i32.add (i32.load8_u (i32.const 300000)) (i32.const 9)))
         (if (i32.ne (i32.load8_u (i32.const 300000)) (i32.const 9)) (then (unreachable)))
         {body}"
    ))
}

#[test]
fn every_run_is_the_first() {
    let sandbox = sandbox();
    let prepared = prepare(&sandbox, &counting().core());
    for _ in 0..20 {
        let report = Given::default().run(&sandbox, &prepared);
        assert_eq!(payload(report.outcome), "114");
    }
}

#[test]
fn a_run_can_be_repeated() {
    let sandbox = sandbox();
    let mut guest = Guest::new();
    let body = acting(&mut guest, "(i32.const 700)", "(i32.const 10)");
    let digits: String = (0..10)
        .map(|index| {
            format!(
                "(i32.store8 (i32.const {}) (i32.add (i32.const 49)
                   (i32.rem_u (call $random) (i32.const 9))))",
                700 + index
            )
        })
        .collect();
    let prepared = prepare(
        &sandbox,
        &guest.handling(&format!("{digits} {body}")).core(),
    );
    let run = |id: &str| {
        let given = Given {
            event: event(id),
            ..Given::default()
        };
        let report = given.run(&sandbox, &prepared);
        assert!(report.asked_random && !report.asked_now);
        (report.usage.fuel, payload(report.outcome))
    };
    assert_eq!(run("e1"), run("e1"));
    assert_ne!(run("e1").1, run("e2").1);
}

#[test]
fn memories_and_tables_count_together() {
    let sandbox = sandbox();
    let page = 64 << 10;
    let guest = |grow: &str| {
        Guest::new()
            .with("(memory $other 3) (table $table 1000 funcref)")
            .with(&format!("(func $grow {grow})"))
            .handling("(call $grow) (i32.const 1024)")
            .core()
    };
    let used = |grow: &str| {
        let prepared = prepare(&sandbox, &guest(grow));
        Given::default().run(&sandbox, &prepared).usage.memory_bytes
    };
    let least = used("");
    // 4 + 3 pages and 1,000 elements, and the small table of the shim that
    // links host functions.
    let ours = 7 * page + 8_000;
    assert!((ours..ours + 1_000).contains(&least), "{least}");
    assert_eq!(used("(drop (memory.grow (i32.const 1)))"), least + page);
    assert_eq!(
        used("(drop (memory.grow $other (i32.const 2)))"),
        least + 2 * page
    );
    let grow = "(drop (table.grow $table (ref.null func) (i32.const 500)))";
    assert_eq!(used(grow), least + 4_000);

    // Each fits alone; together they do not.
    let both =
        guest("(drop (memory.grow (i32.const 100))) (drop (memory.grow $other (i32.const 100)))");
    let prepared = prepare(&sandbox, &both);
    let limits = Limits {
        memory_bytes: least + 150 * page,
        ..Limits::default()
    };
    let report = Given::limits(limits).run(&sandbox, &prepared);
    let stop = report.outcome.unwrap_err();
    assert_eq!(stop.code, StopCode::OutOfMemory);
    assert_eq!(stop.limit, Some(least + 150 * page));
    assert_eq!(stop.usage, Some(least + 200 * page));
    assert_eq!(report.usage.memory_bytes, least + 100 * page);
}

#[test]
fn a_maximum_of_the_guests_own_is_its_own_affair() {
    let sandbox = sandbox();
    let guest = Guest::new().with("(memory $other 1 2)").handling(
        "(if (i32.ne (memory.grow $other (i32.const 9)) (i32.const -1)) (then (unreachable)))
             (i32.const 1024)",
    );
    let prepared = prepare(&sandbox, &guest.core());
    let report = Given::default().run(&sandbox, &prepared);
    assert_eq!(report.outcome.unwrap(), []);
}

#[test]
fn less_fuel_than_the_limit_is_what_a_run_gets() {
    let sandbox = sandbox();
    let prepared = prepare(&sandbox, &Guest::new().core());
    let enough = Given::default().run(&sandbox, &prepared).usage.fuel;
    let limits = |fuel| Limits {
        fuel,
        ..Limits::default()
    };
    let report = Given::limits(limits(enough)).run(&sandbox, &prepared);
    assert_eq!(report.outcome.unwrap(), []);
    assert_eq!(report.usage.fuel, enough);
    let report = Given::limits(limits(enough - 1)).run(&sandbox, &prepared);
    assert_eq!(report.outcome.unwrap_err().code, StopCode::OutOfFuel);
}

#[test]
fn threads_run_side_by_side_and_beyond_the_pool_they_wait() {
    let sandbox = ringfence_sandbox::Sandbox::new(
        ringfence_sandbox::SandboxConfig {
            concurrent_runs: 1,
            ..config()
        },
        None,
    )
    .unwrap();
    let prepared = prepare(&sandbox, &counting().core());
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let report = Given::default().run(&sandbox, &prepared);
                    assert_eq!(payload(report.outcome), "114");
                }
            });
        }
    });
}

#[test]
fn a_component_runs_like_the_module_that_it_was_made_of() {
    let sandbox = sandbox();
    let module = prepare(&sandbox, &counting().core());
    let component = prepare(&sandbox, &counting().component());
    let [module, component] = [module, component].map(|prepared| {
        let report = Given::default().run(&sandbox, &prepared);
        (report.usage.fuel, payload(report.outcome))
    });
    assert_eq!(module, component);
}
