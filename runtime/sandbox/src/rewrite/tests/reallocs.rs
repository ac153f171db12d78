//! Where texts are written that the host copies between nested components.

use wasmtime::Val;

use super::{Side, modules};
use crate::fuel::UNITS_PER_FUEL;
use crate::rewrite::{Rewritten, rewrite};

/// What a byte costs, and what is charged for at once: as documented.
const FUEL_PER_BYTE: u64 = 2;
const AT_ONCE: u64 = 64;
/// What counting costs for each of those, and calling once.
const COUNTING_FUEL: u64 = 8;
const CALLING_FUEL: u64 = 24;

const LIMIT: u64 = 100 << 16;

/// A component with the module in another, which takes texts through the
/// export `realloc`.
fn nested(module: &str) -> Vec<u8> {
    let text = format!(
        r#"(component (component
          (core module $behind
            (func (export "behind") (param i32 i32 i32 i32) (result i32) (i32.const 7))
            (func (export "take") (param i32 i32)))
          (core instance $behind (instantiate $behind))
          {module}
          (core instance $i (instantiate $m (with "behind" (instance $behind))))
          (func (param "text" string) (canon lift (core func $i "take")
            (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))))"#
    );
    wat::parse_str(text).unwrap()
}

/// The module as it was, and as it is made.
fn both(module: &str, reserve: bool) -> (Rewritten<'static>, [Vec<u8>; 2]) {
    let before = nested(module);
    let rewritten = rewrite(&before, reserve).unwrap();
    wasmparser::validate(&rewritten.bytes).unwrap();
    let [one, other] = [&before[..], &rewritten.bytes].map(|bytes| modules(bytes).remove(1));
    let Rewritten { bytes, layout } = rewritten;
    let rewritten = Rewritten {
        bytes: bytes.into_owned().into(),
        layout,
    };
    (rewritten, [one, other])
}

const MODULE: &str = r#"(core module $m
  (memory (export "memory") 1)
  (func $realloc (export "realloc") (export "same") (param i32 i32 i32 i32) (result i32)
    (i32.sub (local.get 3) (i32.add (local.get 0) (i32.mul (local.get 1) (local.get 2)))))
  (func (export "other") (param i32 i32 i32 i32) (result i32) (local.get 3))
  (func (export "inside") (param i32) (result i32)
    (call $realloc (i32.const 1) (i32.const 2) (i32.const 3) (local.get 0)))
  (func (export "address") (result i32) (ref.is_null (ref.func $realloc)))
  (func (export "grow") (result i32) (memory.grow (i32.const 1)))
  (func (export "take") (param i32 i32)))"#;

/// What a call costs more than before; it must answer the same.
fn more(sides: &mut [Side; 2], name: &str, arguments: &[i32]) -> u64 {
    let arguments: Vec<_> = arguments.iter().copied().map(Val::I32).collect();
    let [(before, fuel), (after, now)] = sides.each_mut().map(|side| side.call(name, &arguments));
    assert_eq!(after, before, "{name} {arguments:?}");
    assert!(before.result.is_ok(), "{name}: {before:?}");
    (now - fuel) / UNITS_PER_FUEL
}

#[test]
fn what_is_asked_for_is_charged_for() {
    for reserve in [true, false] {
        let (rewritten, modules) = both(MODULE, reserve);
        let pages = rewritten.layout.reserve_pages;
        assert_eq!(pages, if reserve { 16 } else { 0 });
        let [before, after] = modules;
        let mut sides = [(before, 0), (after, pages)]
            .map(|(module, reserve)| Side::new(&module, reserve, LIMIT).0);
        for name in ["realloc", "same"] {
            for bytes in [0, 1, 63, 64, 65, 4_096, 1_000_000, 100_000_000] {
                let more = more(&mut sides, name, &[5, 6, 7, bytes]);
                let bytes = u64::try_from(bytes).unwrap();
                let least = FUEL_PER_BYTE * bytes;
                let units = bytes / AT_ONCE + 1;
                let most = units * (FUEL_PER_BYTE * AT_ONCE + COUNTING_FUEL) + CALLING_FUEL;
                assert!((least..=most).contains(&more), "{name} {bytes}: {more}");
            }
        }
        // As large as a number can be: counted, not cut off.
        let all = more(&mut sides, "realloc", &[0, 0, 0, -1]);
        assert!(all >= FUEL_PER_BYTE * u64::from(u32::MAX), "{all}");
        for (name, arguments) in [
            ("other", &[1, 2, 3, 4_096][..]),
            ("inside", &[4_096]),
            ("address", &[]),
        ] {
            assert_eq!(more(&mut sides, name, arguments), 0, "{name}");
        }
    }
}

#[test]
fn modules_of_all_shapes_are_given_one() {
    let shapes: [&str; 2] = [
        // One that exports what it imports, and has no code.
        r#"(core module $m
          (import "behind" "behind" (func $f (param i32 i32 i32 i32) (result i32)))
          (import "behind" "take" (func $take (param i32 i32)))
          (memory (export "memory") 1)
          (export "realloc" (func $f)) (export "take" (func $take)))"#,
        // One with all that comes before and after what is added.
        r#"(core module $m
          (import "behind" "behind" (func $f (param i32 i32 i32 i32) (result i32)))
          (type (func)) (table 3 funcref) (memory (export "memory") 1)
          (global (export "g") funcref (ref.func $realloc))
          (func $realloc (export "realloc") (param i32 i32 i32 i32) (result i32)
            (call $f (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)))
          (func $start) (start $start)
          (elem (i32.const 0) $realloc $f)
          (elem declare func $start)
          (func (export "take") (param i32 i32)
            (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)))
          (data $d "x") (@custom "after" "x"))"#,
    ];
    for module in shapes {
        for reserve in [true, false] {
            let (_, [before, after]) = both(module, reserve);
            assert_ne!(before, after);
        }
    }
}

#[test]
fn where_nothing_is_copied_nothing_is_changed() {
    let lifted = |module: &str| {
        format!(
            r#"(component {module} (core instance $i (instantiate $m))
              (func (param "text" string) (canon lift (core func $i "take")
                (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
              (component))"#
        )
    };
    let one = wat::parse_str(lifted(MODULE)).unwrap();
    assert_eq!(rewrite(&one, false).unwrap().bytes, one);
}
