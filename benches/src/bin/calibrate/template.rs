//! Makes a rule of a piece of WebAssembly text.

use anyhow::Context;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const HOST: &str = "ringfence:rule/host@0.1.0";

/// A core module for our world, with the WIT type embedded. `fields` define
/// `$work`, which `handle` calls; it may call `$now`, `$random`, `$recall` and
/// `$log`, use the memory from 1 MiB on, and put its result into `$out`, so
/// that no compiler leaves the work out.
pub(crate) fn rule(fields: &str) -> anyhow::Result<Vec<u8>> {
    let mut module = wat::parse_str(text(fields))?;
    let mut resolve = Resolve::default();
    let wit = include_str!("../../../../wit/rule.wit");
    let package = resolve.push_str("rule.wit", wit)?;
    let world = resolve
        .select_world(&[package], Some("rule"))
        .context("the WIT package has no world `rule`")?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    Ok(module)
}

/// `describe` answers the record at 1088: a trigger `bench.*`, an action
/// `note.add` and a summary. `handle` answers the one at 1152: the effects
/// whose address and number are behind it, at first none.
fn text(fields: &str) -> String {
    format!(
        r#"(module
          (import "{HOST}" "now" (func $now (result i64)))
          (import "{HOST}" "random" (func $random (result i32)))
          (import "{HOST}" "recall" (func $recall (param i32 i32 i32)))
          (import "{HOST}" "log" (func $log (param i32 i32 i32)))
          (memory (export "memory") 32)
          (global $heap (mut i32) (i32.const 65536))
          (global $out (mut i64) (i64.const 0))
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (global.set $heap
              (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
            (global.get $heap)
            (global.set $heap (i32.add (global.get $heap) (local.get 3))))
          (func (export "describe") (result i32) (i32.const 1088))
          (func (export "handle") (param i32) (result i32) (call $work) (i32.const 1152))
          (data (i32.const 1024) "bench.*Calibrates.note.add")
          (data (i32.const 1056) "\00\04\00\00\07\00\00\00")
          (data (i32.const 1072) "\12\04\00\00\08\00\00\00")
          (data (i32.const 1088) "\20\04\00\00\01\00\00\00")
          (data (i32.const 1104) "\30\04\00\00\01\00\00\00")
          (data (i32.const 1124) "\07\04\00\00\0b\00\00\00")
          {fields})"#
    )
}
