//! What modules import that the host makes.

use wasmtime::component::{Component, Instance, Linker};
use wasmtime::{Engine, Store};

use super::{ENGINE, FUEL};
use crate::fuel::UNITS_PER_FUEL;
use crate::memory::MemoryMeter;
use crate::rewrite::rewrite;

/// What such a call costs more, and what the front itself may cost.
const CALL_FUEL: u64 = 128;
const FRONT_FUEL: u64 = 20;

/// Makes handles in all ways in which a function can be called.
const CALLS: &str = r#"(component
  (type $thing (resource (rep i32)))
  (core func $new (canon resource.new $thing))
  (core module $reexports
    (import "host" "new" (func $new (param i32) (result i32)))
    (export "renewed" (func $new)))
  (core instance $reexports (instantiate $reexports
    (with "host" (instance (export "new" (func $new))))))
  (core module $m
    (type $t (func (param i32) (result i32)))
    (import "host" "new" (func $new (type $t)))
    (import "other" "renewed" (func $renewed (type $t)))
    (table $table 4 funcref)
    (global $g funcref (ref.func $new))
    (elem (table $table) (i32.const 0) func $new)
    (elem $passive funcref (ref.func $new))
    (elem declare func $renewed)
    (func (export "nothing") (result i32) (i32.const 0))
    (func (export "direct") (result i32) (call $new (i32.const 5)))
    (func (export "tail") (result i32) (return_call $new (i32.const 5)))
    (func (export "indirect") (result i32) (call_indirect (type $t) (i32.const 5) (i32.const 0)))
    (func (export "global") (result i32)
      (table.set $table (i32.const 1) (global.get $g))
      (call_indirect (type $t) (i32.const 5) (i32.const 1)))
    (func (export "passive") (result i32)
      (table.init $passive (i32.const 2) (i32.const 0) (i32.const 1))
      (call_indirect (type $t) (i32.const 5) (i32.const 2)))
    (func (export "reference") (result i32)
      (table.set $table (i32.const 3) (ref.func $new))
      (call_indirect (type $t) (i32.const 5) (i32.const 3)))
    (func (export "exported") (result i32) (call $renewed (i32.const 5)))
    (func (export "twice") (result i32)
      (drop (call $new (i32.const 5))) (call $new (i32.const 6))))
  (core instance $m (instantiate $m
    (with "host" (instance (export "new" (func $new))))
    (with "other" (instance $reexports))))
  ;; exports
)"#;

const WAYS: [(&str, u64); 9] = [
    ("nothing", 0),
    ("direct", 1),
    ("tail", 1),
    ("indirect", 1),
    ("global", 1),
    ("passive", 1),
    ("reference", 1),
    ("exported", 1),
    ("twice", 2),
];

struct Side(Store<MemoryMeter>, Instance);

impl Side {
    fn new(component: &[u8]) -> Self {
        let engine: &Engine = &ENGINE;
        let mut store = Store::new(engine, MemoryMeter::new(1 << 30));
        store.set_fuel(FUEL).unwrap();
        store.set_epoch_deadline(1);
        let component = Component::new(engine, component).unwrap();
        let linker = Linker::new(engine);
        let instance = linker.instantiate(&mut store, &component).unwrap();
        Self(store, instance)
    }

    /// What it answers, and what it costs.
    fn call(&mut self, name: &str) -> (u32, u64) {
        let Self(store, instance) = self;
        let before = store.get_fuel().unwrap();
        let function = instance
            .get_typed_func::<(), (u32,)>(&mut *store, name)
            .unwrap();
        let (answer,) = function.call(&mut *store, ()).unwrap();
        (answer, before - store.get_fuel().unwrap())
    }
}

#[test]
fn a_call_is_charged_whichever_way_it_is_made() {
    let export = |(name, _): (&str, u64)| {
        format!(r#"(func (export "{name}") (result u32) (canon lift (core func $m "{name}")))"#)
    };
    let exports: String = WAYS.map(export).concat();
    let before = wat::parse_str(CALLS.replace(";; exports", &exports)).unwrap();
    let after = rewrite(&before, true).unwrap().bytes;
    wasmparser::validate(&after).unwrap();
    let [mut before, mut after] = [&before[..], &after].map(Side::new);
    for (name, calls) in WAYS {
        let ((expected, fuel), (answer, now)) = (before.call(name), after.call(name));
        assert_eq!(answer, expected, "{name}");
        let more = (now - fuel) / UNITS_PER_FUEL;
        let charged = calls * CALL_FUEL..=calls * (CALL_FUEL + FRONT_FUEL);
        assert!(charged.contains(&more), "{name}: {more}");
    }
}

#[test]
fn names_stay_with_what_they_name() {
    let wat = CALLS.replace(";; exports", "");
    let before = wat::parse_str(wat).unwrap();
    let after = rewrite(&before, true).unwrap().bytes;
    let named = |bytes: &[u8]| -> Vec<(u32, String)> {
        let module = super::modules(bytes).remove(1);
        let payloads = wasmparser::Parser::new(0).parse_all(&module);
        let sections = payloads.filter_map(|payload| match payload.unwrap() {
            wasmparser::Payload::CustomSection(section) => match section.as_known() {
                wasmparser::KnownCustom::Name(names) => Some(names.into_iter()),
                _ => None,
            },
            _ => None,
        });
        let functions = sections.flatten().filter_map(|names| match names.unwrap() {
            wasmparser::Name::Function(functions) => Some(functions.into_iter()),
            _ => None,
        });
        let name = |naming: wasmparser::Result<wasmparser::Naming<'_>>| {
            let naming = naming.unwrap();
            (naming.index, naming.name.to_owned())
        };
        functions.flatten().map(name).collect()
    };
    let (before, mut after) = (named(&before), named(&after));
    assert_eq!(before[..2], [(0, "new".into()), (1, "renewed".into())]);
    let added = after.split_off(before.len());
    assert_eq!(after, before);
    assert_eq!(added.len(), 2, "{added:?}");
    assert!(added.iter().all(|(_, name)| crate::rewrite::is_added(name)));
}
