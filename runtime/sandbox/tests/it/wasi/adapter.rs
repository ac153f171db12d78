//! Programs for WASI 0.1 with the adapter that toolchains put around them:
//! the interfaces as real components use them.

use std::fs;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ringfence_model::LogLevel;
use ringfence_sandbox::{Sandbox, SandboxConfig};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::ComponentEncoder;

use crate::guest::{Given, Guest, config, embed, prepare};

/// A component of a program with these imports of WASI 0.1.
fn adapted(guest: Guest, imports: &[(&str, &str)]) -> Vec<u8> {
    let imports: String = imports
        .iter()
        .map(|(name, ty)| {
            format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} {ty}))\n")
        })
        .collect();
    let wat = guest
        .wat()
        .replacen("(module", &format!("(module {imports}"), 1);
    ComponentEncoder::default()
        .module(&embed(wat.as_bytes()))
        .unwrap()
        .adapter(
            WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
            WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
        )
        .unwrap()
        .encode()
        .unwrap()
}

#[test]
fn a_program_for_wasi_0_1_runs_with_the_adapter() {
    let tenants = tempfile::tempdir().unwrap();
    fs::create_dir(tenants.path().join("acme")).unwrap();
    fs::write(tenants.path().join("acme/teams.csv"), "a,b\nc,d\n").unwrap();
    let dir = Dir::open_ambient_dir(tenants.path(), ambient_authority()).unwrap();
    let config = SandboxConfig {
        tenant_data: Some(Arc::new(dir)),
        ..config()
    };
    let sandbox = Sandbox::new(config, None).unwrap();

    let mut guest = Guest::new();
    let (path, path_len) = guest.text("teams.csv");
    // Descriptor 3 is the first preopen. What a call answers must be 0.
    let body = format!(
        "(call $must (call $environ_sizes_get (i32.const 700) (i32.const 704)))
         (if (i32.load (i32.const 700)) (then (unreachable)))
         (call $must (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 712)))
         (if (i64.ne (i64.load (i32.const 712)) (i64.const 1767225600123000000))
           (then (unreachable)))
         (call $must (call $random_get (i32.const 720) (i32.const 8)))
         (if (i64.eqz (i64.load (i32.const 720))) (then (unreachable)))
         (call $must (call $fd_prestat_get (i32.const 3) (i32.const 740)))
         (if (i32.ne (call $fd_prestat_get (i32.const 4) (i32.const 740)) (i32.const 8))
           (then (unreachable)))
         (call $must (call $path_open (i32.const 3) (i32.const 0)
           (i32.const {path}) (i32.const {path_len}) (i32.const 0)
           (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 760)))
         (i32.store (i32.const 770) (i32.const 900)) (i32.store (i32.const 774) (i32.const 100))
         (call $must (call $fd_read (i32.load (i32.const 760)) (i32.const 770) (i32.const 1)
           (i32.const 780)))
         (i32.store (i32.const 774) (i32.load (i32.const 780)))
         (call $must (call $fd_write (i32.const 1) (i32.const 770) (i32.const 1)
           (i32.const 780)))
         (i32.const 1024)"
    );
    let guest = guest
        .with("(func $must (param i32) (if (local.get 0) (then (unreachable))))")
        .handling(&body);
    let upload = adapted(
        guest,
        &[
            ("environ_sizes_get", "(param i32 i32) (result i32)"),
            ("clock_time_get", "(param i32 i64 i32) (result i32)"),
            ("random_get", "(param i32 i32) (result i32)"),
            ("fd_prestat_get", "(param i32 i32) (result i32)"),
            (
                "path_open",
                "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)",
            ),
            ("fd_read", "(param i32 i32 i32 i32) (result i32)"),
            ("fd_write", "(param i32 i32 i32 i32) (result i32)"),
        ],
    );
    let prepared = prepare(&sandbox, &upload);
    let report = Given::default().run(&sandbox, &prepared);
    assert_eq!(report.outcome.as_deref().unwrap(), [], "{:?}", report.log);
    let lines: Vec<_> = report
        .log
        .lines
        .iter()
        .map(|line| (line.level, &*line.message))
        .collect();
    assert_eq!(lines, [(LogLevel::Info, "a,b"), (LogLevel::Info, "c,d")]);
    assert!(report.asked_now && report.asked_random);
}
