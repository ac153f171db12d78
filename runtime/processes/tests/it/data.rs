//! A tenant's data folder is read from within a worker that can open nothing
//! else.

use std::fs;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ringfence_processes::WorkersConfig;
use ringfence_sandbox::{Runner, Runners as _, Sandbox, SandboxConfig, Threads};
use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::{WorldItem, WorldKey};

use crate::world::{Given, Told, config, prepare, sandbox_with, workers, workers_config};

/// Opens the file whose name is the event's type, and logs what is in it; or,
/// if it cannot be opened, the error's number.
const READER: &str = r#"(module
    (import "wasi:filesystem/preopens@0.2.12" "get-directories" (func $folders (param i32)))
    (import "wasi:filesystem/types@0.2.12" "[method]descriptor.open-at"
        (func $open (param i32 i32 i32 i32 i32 i32 i32)))
    (import "wasi:filesystem/types@0.2.12" "[method]descriptor.read"
        (func $read (param i32 i64 i64 i32)))
    (import "ringfence:rule/host@0.1.0" "log" (func $log (param i32 i32 i32)))
    (memory (export "memory") 4)
    (global $heap (mut i32) (i32.const 65536))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (global.set $heap (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
        (global.get $heap)
        (global.set $heap (i32.add (global.get $heap) (local.get 3))))
    (func (export "describe") (result i32) (i32.const 1024))
    (func (export "handle") (param $args i32) (result i32)
        (call $folders (i32.const 512))
        ;; The type is the third of the event's texts.
        (call $open (i32.load (i32.load (i32.const 512))) (i32.const 1)
            (i32.load offset=16 (local.get $args)) (i32.load offset=20 (local.get $args))
            (i32.const 0) (i32.const 1) (i32.const 560))
        (if (i32.load8_u (i32.const 560)) (then
            (i32.store8 (i32.const 564)
                (i32.add (i32.load8_u (i32.const 564)) (i32.const 64)))
            (call $log (i32.const 1) (i32.const 564) (i32.const 1))
            (return (i32.const 1400))))
        (call $read (i32.load (i32.const 564)) (i64.const 100) (i64.const 0) (i32.const 600))
        (call $log (i32.const 1) (i32.load (i32.const 604)) (i32.load (i32.const 608)))
        (i32.const 1400))
    ;; A manifest with one trigger, and its text.
    (data (i32.const 1024) "\4c\04\00\00\01\00\00\00")
    (data (i32.const 1100) "\b0\04\00\00\04\00\00\00")
    (data (i32.const 1200) "test"))"#;

/// With the types of our world, and of all of WASI as the adapter from WASI
/// 0.1 brings it along.
fn reader() -> Vec<u8> {
    let (_, adapter) =
        wit_component::metadata::decode(WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER).unwrap();
    let mut resolve = adapter.resolve;
    let imports = &resolve.worlds[adapter.world].imports;
    let names = imports.iter().filter_map(|(key, item)| match (key, item) {
        (WorldKey::Interface(id), WorldItem::Interface { .. }) => resolve.id_of(*id),
        _ => None,
    });
    let imports: String = names.map(|name| format!("import {name};")).collect();
    let rule = include_str!("../../../../wit/rule.wit");
    resolve.push_str("rule.wit", rule).unwrap();
    let world = format!("package a:b; world w {{ include ringfence:rule/rule@0.1.0; {imports} }}");
    let package = resolve.push_str("world.wit", &world).unwrap();
    let world = resolve.select_world(&[package], Some("w")).unwrap();
    let mut module = wat::parse_str(READER).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

#[test]
fn a_worker_reads_its_tenants_folder_and_nothing_else() {
    let tenants = tempfile::tempdir().unwrap();
    for (path, text) in [("acme/a.txt", "hello"), ("other/secret", "secret")] {
        let path = tenants.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let link = tenants.path().join("acme/link");
    std::os::unix::fs::symlink("../other/secret", link).unwrap();
    let folder = Dir::open_ambient_dir(tenants.path(), ambient_authority()).unwrap();
    let folder = Some(Arc::new(folder));
    let workers = workers(WorkersConfig {
        tenant_data: folder.clone(),
        ..workers_config()
    });
    let here = SandboxConfig {
        tenant_data: folder,
        ..config()
    };
    let here = Sandbox::new(here, None).unwrap();
    let there = sandbox_with(&workers);
    let run = |sandbox: &Sandbox, runner: &mut dyn Runner| -> Vec<String> {
        let prepared = prepare(sandbox, &reader());
        let names = ["a.txt", "none", "../other/secret", "link", "/etc/passwd"];
        let given = names.map(|name| Given::new(0, name, "{}"));
        let tasks: Vec<_> = given.iter().map(|given| given.task(&prepared)).collect();
        let mut told = Told::default();
        runner.run(&tasks, &mut told);
        let reports = told.results.into_iter().map(Result::unwrap);
        let logs = reports.map(|report| {
            assert!(report.outcome.is_ok(), "{report:?}");
            report.log.lines[0].message.clone()
        });
        logs.collect()
    };
    let threads = run(&here, &mut *Threads(here.clone()).runner().unwrap());
    let lane = run(&there, &mut *workers.runner().unwrap());
    // `no-entry` is the 20th, `not-permitted` the 31st.
    assert_eq!(lane, ["hello", "T", "_", "_", "_"]);
    assert_eq!(threads, lane);
}
