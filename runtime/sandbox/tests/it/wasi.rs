//! What components that import WASI find.

mod adapter;
mod bounds;
mod folder;
mod interfaces;
mod scripted;

use ringfence_sandbox::RunReport;
use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldItem, WorldKey};

use crate::guest::{Given, Guest, prepare, sandbox};

/// The version of [`official`].
pub(crate) const VERSION: &str = "0.2.12";

/// The official WIT, as the adapter from WASI 0.1 brings it along: each
/// interface that it imports, with its functions.
fn official() -> (Resolve, Vec<String>) {
    let (_, adapter) =
        wit_component::metadata::decode(WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER).unwrap();
    let imports = &adapter.resolve.worlds[adapter.world].imports;
    let names = imports.iter().filter_map(|(key, item)| match (key, item) {
        (WorldKey::Interface(id), WorldItem::Interface { .. }) => adapter.resolve.id_of(*id),
        _ => None,
    });
    let names = names.collect();
    (adapter.resolve, names)
}

/// A core module with the WIT type of our world and all of WASI.
pub(crate) fn embed(wat: &[u8]) -> Vec<u8> {
    let (mut resolve, names) = official();
    resolve
        .push_str("rule.wit", include_str!("../../../../wit/rule.wit"))
        .unwrap();
    let imports: String = names.iter().map(|name| format!("import {name};")).collect();
    let world = format!("package a:b; world w {{ include ringfence:rule/rule@0.1.0; {imports} }}");
    let package = resolve.push_str("world.wit", &world).unwrap();
    let world = resolve.select_world(&[package], Some("w")).unwrap();
    let mut module = wat::parse_bytes(wat).unwrap().into_owned();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

/// A guest with `$show`, which logs bytes of its memory in hexadecimal.
pub(crate) fn showing(guest: Guest) -> Guest {
    guest.with(
        r#"(func $digit (param $at i32) (param $value i32)
             (i32.store8 (local.get $at)
               (i32.add (local.get $value)
                 (select (i32.const 48) (i32.const 87)
                   (i32.lt_u (local.get $value) (i32.const 10))))))
           (func $show (param $at i32) (param $len i32) (local $to i32)
             (local.set $to (i32.const 200000))
             (block $done (loop $next
               (br_if $done (i32.eq (local.get $to)
                 (i32.add (i32.const 200000) (i32.mul (local.get $len) (i32.const 2)))))
               (call $digit (local.get $to)
                 (i32.shr_u (i32.load8_u (local.get $at)) (i32.const 4)))
               (call $digit (i32.add (local.get $to) (i32.const 1))
                 (i32.and (i32.load8_u (local.get $at)) (i32.const 15)))
               (local.set $at (i32.add (local.get $at) (i32.const 1)))
               (local.set $to (i32.add (local.get $to) (i32.const 2)))
               (br $next)))
             (call $log (i32.const 0) (i32.const 200000)
               (i32.mul (local.get $len) (i32.const 2))))"#,
    )
}

/// What `$show` showed.
pub(crate) fn shown(report: &RunReport) -> Vec<Vec<u8>> {
    let lines = report.log.lines.iter();
    lines
        .filter(|line| line.level == ringfence_model::LogLevel::Debug)
        .map(|line| unhex(&line.message))
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text
        .chars()
        .map(|c| c.to_digit(16).unwrap() as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// Runs it once, with what is usual.
fn run(guest: Guest) -> RunReport {
    let sandbox = sandbox();
    let prepared = prepare(&sandbox, &guest.core());
    Given::default().run(&sandbox, &prepared)
}
