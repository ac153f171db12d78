//! Everything that a run makes the host hold counts as its memory, and what
//! does not is bounded otherwise.

use std::sync::Arc;

use ringfence_model::{Json, Limits, StopCode};
use ringfence_sandbox::{Recall, RecallError, RunReport};
use wasm_encoder::{Encode, InstanceSection, ModuleArg};
use wasmparser::{Validator, WasmFeatures};

use crate::guest::{E, Given, Guest, embed_world, encode, prepare, sandbox};

struct Remembered(usize);

impl Recall for Remembered {
    fn recall(&self, _: &str) -> Result<Option<Json>, RecallError> {
        Ok(Some(
            Json::parse(&format!("\"{}\"", "x".repeat(self.0 - 2))).unwrap(),
        ))
    }
}

fn run(guest: &Guest, memory_bytes: Option<u64>) -> RunReport {
    let sandbox = sandbox();
    let prepared = prepare(&sandbox, &guest.clone().core());
    let mut given = Given {
        recall: Arc::new(Remembered(9_000)),
        ..Given::default()
    };
    if let Some(bytes) = memory_bytes {
        given.limits.memory_bytes = bytes;
    }
    given.run(&sandbox, &prepared)
}

/// Guests that hold something, and how much beyond their memory, at least.
fn holders() -> Vec<(&'static str, Guest, u64)> {
    let payload = format!("\"{}\"", "x".repeat(20_000));
    let mut recalling = Guest::new();
    let (keys, _) = recalling.text("ab");
    let recall = |at| format!("(call $recall (i32.const {at}) (i32.const 1) (i32.const 800))");
    let recalls = format!("{} {} (i32.const 1024)", recall(keys), recall(keys + 1));
    let log = "(call $log (i32.const 1) (i32.const 0) (i32.const 1000))".repeat(8);
    let lines = "(call $log (i32.const 1) (i32.const 0) (i32.const 0))".repeat(500);
    vec![
        (
            "effects",
            Guest::new().returning(&[E::Act("note.add", &payload), E::Act("note.add", &payload)]),
            40_000,
        ),
        ("a failure", Guest::new().failing(2, &payload), 20_000),
        ("remembered values", recalling.handling(&recalls), 18_000),
        (
            "a log",
            Guest::new().handling(&format!("{log} (i32.const 1024)")),
            8_000,
        ),
        (
            "empty lines",
            Guest::new().handling(&format!("{lines} (i32.const 1024)")),
            500 * 24,
        ),
    ]
}

#[test]
fn what_the_host_holds_counts_as_memory() {
    let nothing = run(&Guest::new(), None).usage.memory_bytes;
    for (name, guest, least) in holders() {
        let used = run(&guest, None).usage.memory_bytes;
        let held = used - nothing;
        assert!((least..least + 25_000).contains(&held), "{name}: {held}");
        // Exactly that much will do, and a byte less will not.
        let enough = run(&guest, Some(used));
        let code = enough.outcome.as_ref().err().map(|stop| stop.code);
        assert_ne!(code, Some(StopCode::OutOfMemory), "{name}: {enough:?}");
        let short = run(&guest, Some(used - 1));
        let stop = short.outcome.unwrap_err();
        assert_eq!(stop.code, StopCode::OutOfMemory, "{name}: {stop:?}");
        assert_eq!(stop.limit, Some(used - 1), "{name}");
        assert!(stop.usage >= Some(used), "{name}: {stop:?}");
        assert!(short.usage.memory_bytes < used, "{name}");
    }
}

/// A guest that makes and keeps so many resources of its own.
fn making_resources(count: u32) -> Vec<u8> {
    let wit = include_str!("../../../../wit/rule.wit").to_owned()
        + "interface things { resource thing { constructor(); } }
           world more { include rule; export things; }";
    let things = "ringfence:rule/things@0.1.0";
    let module = Guest::new()
        .with(&format!(
            "(func (export \"{things}#[constructor]thing\") (result i32)
               (call $new (i32.const 1)))"
        ))
        .handling(&format!(
            "(local $left i32)
             (local.set $left (i32.const {count}))
             (loop $again
               (drop (call $new (i32.const 1)))
               (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
             (i32.const 1024)"
        ))
        .wat()
        .replacen(
            "(module",
            &format!(
                "(module (import \"[export]{things}\" \"[resource-new]thing\"
                   (func $new (param i32) (result i32)))"
            ),
            1,
        );
    encode(&embed_world(module.as_bytes(), &wit, "more"))
}

#[test]
fn handles_are_bounded() {
    let sandbox = sandbox();
    let prepared = prepare(&sandbox, &making_resources(1_000));
    let report = Given::default().run(&sandbox, &prepared);
    assert_eq!(report.outcome.unwrap(), []);
    let prepared = prepare(&sandbox, &making_resources(1_001));
    let stop = Given::default()
        .run(&sandbox, &prepared)
        .outcome
        .unwrap_err();
    assert_eq!(stop.code, StopCode::Trap);
    assert!(stop.message.contains("handle"), "{}", stop.message);
}

/// A component that instantiates another core module so many times.
fn with_instances(fields: &str, count: usize) -> Vec<u8> {
    let mut component = Guest::new().component();
    let features = WasmFeatures::default();
    let types = Validator::new_with_features(features)
        .validate_all(&component)
        .unwrap();
    let index = types.as_ref().module_count();
    let module = wat::parse_str(format!("(module {fields})")).unwrap();
    component.push(1);
    module.encode(&mut component);
    let mut instances = InstanceSection::new();
    for _ in 0..count {
        instances.instantiate(index, Vec::<(&str, ModuleArg)>::new());
    }
    component.push(2);
    instances.encode(&mut component);
    component
}

#[test]
fn what_takes_too_much_to_instantiate_is_refused() {
    let sandbox = sandbox();
    let refused = |upload: &[u8], code: &str, says: &str| {
        let error = sandbox.inspect(upload, &Limits::default()).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.hint().is_some());
    };
    for (fields, fits, says) in [
        ("", 20, "instances of core modules"),
        ("(memory 1)", 1, "linear memories"),
        ("(table 1 funcref)", 2, "tables"),
    ] {
        let upload = with_instances(fields, fits);
        sandbox.inspect(&upload, &Limits::default()).unwrap();
        refused(&with_instances(fields, fits + 4), "too-complex", says);
    }
    let table = |size: u32| Guest::new().with(&format!("(table {size} funcref)")).core();
    sandbox.inspect(&table(20_000), &Limits::default()).unwrap();
    refused(&table(20_001), "too-complex", "20000");
    let memory = Guest::new().with("(memory $big 2000)").core();
    refused(&memory, "too-complex", "minimum byte size");
}

#[test]
fn a_table_that_would_be_too_large_does_not_grow() {
    let guest = Guest::new().with("(table $t 10 funcref)").handling(
        "(if (i32.ne (table.grow $t (ref.null func) (i32.const 20000)) (i32.const -1))
           (then (unreachable)))
         (i32.const 1024)",
    );
    assert_eq!(run(&guest, None).outcome.unwrap(), []);
}
