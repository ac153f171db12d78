//! Uploads: accepted with what they declare, or refused with a reason.

use proptest::prelude::*;
use ringfence_model::{Limits, StopCode};
use ringfence_sandbox::UploadError;

use crate::guest::{Guest, embed, embed_world, encode, sandbox};

#[test]
fn an_upload_is_what_it_says_about_itself() {
    let sandbox = sandbox();
    for upload in [
        Guest::new().configured_by(r#"{"type": "object"}"#).core(),
        Guest::new()
            .configured_by(r#"{"type": "object"}"#)
            .component(),
    ] {
        let inspected = sandbox.inspect(&upload, &Limits::default()).unwrap();
        assert_eq!(inspected.version, ringfence_model::VersionId::of(&upload));
        assert_eq!(inspected.size, upload.len() as u64);
        assert_eq!(inspected.manifest.triggers[0].ty, "test.*");
        assert_eq!(inspected.manifest.emits, ["test.out"]);
        assert_eq!(inspected.manifest.acts, ["note.*"]);
        assert_eq!(inspected.manifest.summary, "A guest for tests.");
        let schema = inspected.manifest.config_schema.unwrap();
        assert_eq!(schema.as_str(), r#"{"type": "object"}"#);
        assert!(
            inspected
                .imports
                .contains(&"ringfence:rule/host@0.1.0".to_owned()),
            "{:?}",
            inspected.imports
        );
        assert!(inspected.warnings.is_empty(), "{:?}", inspected.warnings);
    }
}

/// Uploads that are refused, with the code and part of what is said.
fn refused() -> Vec<(&'static str, Vec<u8>, &'static str, &'static str)> {
    let text = |wat: &str| wat::parse_str(wat).unwrap();
    let world = |body: &str| format!("package a:b; world w {{ {body} }}");
    let wit = |wat: &str, body: &str| embed_world(wat.as_bytes(), &world(body), "w");
    let valid = Guest::new().core();
    let plain = Guest::new().wat();
    let functions = format!("(module {})", "(func)".repeat(100_001));
    let locals = format!("(module (func (local {})))", "i32 ".repeat(10_001));
    let wasi_import = "(import \"wasi_snapshot_preview1\" \"fd_write\" (func (param i32 i32 i32 i32) (result i32)))";
    let wasi = plain.replacen("(module", &format!("(module {wasi_import}"), 1);
    let env = plain.replacen("(module", "(module (import \"env\" \"x\" (func))", 1);
    let no_handle = wit(
        "(module (func (export \"describe\")))",
        "export describe: func();",
    );
    let other = wit(
        "(module (func (export \"describe\")) (func (export \"handle\")))",
        "export describe: func(); export handle: func();",
    );
    let unknown = wit(
        "(module (import \"c\" \"d\" (func)) (func (export \"e\") (call 0)))",
        "import c: interface { d: func(); } export e: func();",
    );
    vec![
        ("nothing", Vec::new(), "not-wasm", "it is empty"),
        ("text", plain.clone().into_bytes(), "not-wasm", "text"),
        (
            "json",
            b"{\"a\": \"component\"}".to_vec(),
            "not-wasm",
            "does not begin",
        ),
        (
            "gzip",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec(),
            "not-wasm",
            "gzip",
        ),
        (
            "cut off",
            valid[..valid.len() / 2].to_vec(),
            "invalid-wasm",
            "offset",
        ),
        (
            "bad body",
            text_with_bad_body(),
            "invalid-wasm",
            "type mismatch",
        ),
        (
            "64-bit",
            text("(module (memory i64 1))"),
            "invalid-wasm",
            "memory64",
        ),
        ("no type", text(&plain), "no-wit-type", "component-type"),
        (
            "no type, no use",
            text("(module)"),
            "no-wit-type",
            "component-type",
        ),
        (
            "no exports",
            encode(&wit("(module)", "")),
            "missing-exports",
            "`describe`, `handle`",
        ),
        ("no handle", no_handle, "missing-exports", "`handle`"),
        ("other types", other, "wrong-type", "`handle`"),
        (
            "wasi",
            embed(wasi.as_bytes()),
            "unknown-imports",
            "`wasi_snapshot_preview1`",
        ),
        ("env", embed(env.as_bytes()), "unknown-imports", "`env`"),
        ("other import", encode(&unknown), "unknown-imports", "`c`"),
        (
            "functions",
            text(&functions),
            "too-complex",
            "100001 functions",
        ),
        ("locals", text(&locals), "too-complex", "10001 locals"),
        (
            "memories",
            text("(module (memory 1) (memory 1) (memory 1))"),
            "too-complex",
            "3 memories",
        ),
        (
            "deep",
            text("(component (component (component (component (component (component))))))"),
            "too-complex",
            "nesting",
        ),
        (
            "large memory",
            Guest::new().with("(memory $big 2000)").core(),
            "too-complex",
            "memory",
        ),
        (
            "manifest",
            Guest::new().wanting(&[]).core(),
            "invalid-manifest",
            "`triggers` is empty",
        ),
        (
            "pattern",
            Guest::new().wanting(&["a.*.b"]).core(),
            "invalid-manifest",
            "only at the end",
        ),
        (
            "a trigger twice",
            Guest::new().wanting(&["a", "b", "a"]).core(),
            "invalid-manifest",
            "`triggers[2].type`: `a` is there already",
        ),
        (
            "schema",
            Guest::new().configured_by("{").core(),
            "invalid-manifest",
            "config-schema",
        ),
        (
            "describe traps",
            Guest::new().describing("(unreachable)").core(),
            "describe-failed",
            "trapped",
        ),
    ]
}

/// A function that leaves nothing where it promised an i32.
fn text_with_bad_body() -> Vec<u8> {
    let mut module = wat::parse_str("(module (func (result i32) (i32.const 1)))").unwrap();
    let at = module.len() - 3;
    module[at..at + 2].copy_from_slice(&[0x01, 0x01]);
    module
}

#[test]
fn what_cannot_be_a_rule_is_refused_with_a_reason() {
    let sandbox = sandbox();
    for (name, upload, code, says) in refused() {
        let error = sandbox
            .inspect(&upload, &Limits::default())
            .map(|inspected| format!("{inspected:?}"))
            .expect_err(name);
        assert_eq!(error.code(), code, "{name}: {error}");
        assert!(error.to_string().contains(says), "{name}: {error}");
        assert!(error.hint().is_some(), "{name}");
    }
}

#[test]
fn the_hint_fits_what_is_imported() {
    for (import, says) in [
        ("wasi_snapshot_preview1", "wasm32-wasip2"),
        ("wasi_unstable", "wasm32-wasip2"),
        ("wasi:http/types@0.2.0", "--disable http"),
        ("wasi:cli/stdout@0.3.0", "WASI 0.2"),
        ("wasi:cli/stdout@0.2.0-rc-2023-11-10", "WASI 0.2"),
        ("wasi:keyvalue/store@0.2.0", "`filesystem`"),
        ("env", "`ringfence:rule/host@0.1.0`"),
    ] {
        let error = UploadError::UnknownImports(vec!["a:b/c@1.0.0".into(), import.into()]);
        let hint = error.hint().unwrap();
        assert!(hint.contains(says), "{import}: {hint}");
    }
}

#[test]
fn a_component_that_is_too_large_is_refused_unread() {
    let limits = Limits {
        component_bytes: 1024,
        ..Limits::default()
    };
    let error = sandbox().inspect(&[0; 1025], &limits).unwrap_err();
    let (size, limit) = (1025, 1024);
    assert_eq!(error, UploadError::ComponentTooLarge { size, limit });
}

#[test]
fn what_was_refused_is_refused_again_at_once_until_a_limit_is_raised() {
    let sandbox = sandbox();
    let spin = "(local $n i32) (loop $again
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $n) (i32.const 100000))))";
    let upload = Guest::new().describing(spin).core();
    let tight = Limits {
        fuel: 20_000,
        ..Limits::default()
    };
    let refused = sandbox.inspect(&upload, &tight).unwrap_err();
    assert_eq!(refused.code(), "describe-failed");
    assert_eq!(sandbox.inspect(&upload, &tight).unwrap_err(), refused);
    sandbox.inspect(&upload, &Limits::default()).unwrap();
}

#[test]
fn describe_runs_under_limits() {
    let sandbox = sandbox();
    let upload = Guest::new().describing("(loop $again (br $again))").core();
    let error = sandbox.inspect(&upload, &Limits::default()).unwrap_err();
    let UploadError::DescribeFailed(stop) = error else {
        panic!("{error:?}")
    };
    assert_eq!(stop.code, StopCode::OutOfFuel);
    assert_eq!(stop.limit, Some(Limits::default().fuel));
}

#[test]
fn names_that_are_missing_are_missed() {
    let mut module = wat::parse_str(Guest::new().wat()).unwrap();
    // The name section is last: 0, its length in one or two bytes, its name.
    let name = module.windows(5).rposition(|w| w == b"\x04name").unwrap();
    let start = [2, 3].map(|back| name - back);
    module.truncate(*start.iter().find(|at| module[**at] == 0).unwrap());
    let inspected = sandbox()
        .inspect(&embed(&module), &Limits::default())
        .unwrap();
    assert!(
        inspected.warnings[0].contains("no names"),
        "{:?}",
        inspected.warnings
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever becomes of the bytes, the answer is a verdict.
    #[test]
    fn damaged_uploads_do_no_harm(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        component in any::<bool>(),
    ) {
        let mut upload = match component {
            true => Guest::new().component(),
            false => Guest::new().core(),
        };
        for (at, byte) in damage {
            let at = at.index(upload.len());
            upload[at] = byte;
        }
        let limits = Limits { fuel: 100_000, ..Limits::default() };
        if let Err(error) = sandbox().inspect(&upload, &limits) {
            prop_assert!(!error.to_string().is_empty());
            prop_assert!(error.hint().is_some());
        }
    }
}
