//! Compiled artifacts: kept, authenticated, made again.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ringfence_model::{Limits, Manifest, VersionId};
use ringfence_sandbox::{
    Built, CompileHere, Compiler, PrepareError, Prepared, Sandbox, SandboxConfig, UploadError,
};

use crate::guest::{Given, Guest, config};

fn open(path: &Path, config: SandboxConfig) -> Sandbox {
    let dir = Dir::open_ambient_dir(path, ambient_authority()).unwrap();
    Sandbox::new(config, Some(dir)).unwrap()
}

fn files(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Prepares, and says whether the component's bytes were asked for.
fn prepare(sandbox: &Sandbox, upload: &[u8]) -> (Prepared, bool) {
    let asked = Cell::new(false);
    let prepared = sandbox
        .prepare(
            VersionId::of(upload),
            &Manifest::default(),
            &Limits::default(),
            &|| {
                asked.set(true);
                Ok(Some(upload.into()))
            },
        )
        .unwrap();
    (prepared, asked.get())
}

#[test]
fn an_artifact_survives_a_restart_and_only_its_owner_may_touch_it() {
    let folder = tempfile::tempdir().unwrap();
    let upload = Guest::new().core();
    let sandbox = open(folder.path(), config());
    let inspected = sandbox.inspect(&upload, &Limits::default()).unwrap();
    assert!(!prepare(&sandbox, &upload).1, "cached by inspect");
    let [file] = &files(folder.path())[..] else {
        panic!("one file expected")
    };
    assert_eq!(
        fs::metadata(file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    drop(sandbox);

    let sandbox = open(folder.path(), config());
    let (prepared, asked) = prepare(&sandbox, &upload);
    assert!(!asked, "loaded from disk");
    assert_eq!(
        Given::default().run(&sandbox, &prepared).outcome.unwrap(),
        []
    );

    sandbox.forget(inspected.version);
    assert!(files(folder.path()).is_empty());
    assert!(prepare(&sandbox, &upload).1, "compiled again");
    assert_eq!(files(folder.path()).len(), 1, "and kept again");
}

#[test]
fn what_was_tampered_with_is_compiled_again_and_never_loaded() {
    type Tampering = fn(&mut Vec<u8>);
    let tamperings: [(&str, Tampering); 6] = [
        ("a bit of code", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }),
        ("the last byte", |bytes| *bytes.last_mut().unwrap() ^= 1),
        ("a bit of the code over it", |bytes| bytes[0] ^= 1),
        ("cut off", |bytes| bytes.truncate(bytes.len() / 2)),
        ("longer", |bytes| bytes.push(0)),
        ("emptied", Vec::clear),
    ];
    let upload = Guest::new().core();
    for (name, tamper) in tamperings {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path(), config())
            .inspect(&upload, &Limits::default())
            .unwrap();
        let file = files(folder.path()).remove(0);
        let good = fs::read(&file).unwrap();
        let mut bad = good.clone();
        tamper(&mut bad);
        fs::write(&file, &bad).unwrap();

        let sandbox = open(folder.path(), config());
        let (prepared, asked) = prepare(&sandbox, &upload);
        assert!(asked, "{name}");
        assert_eq!(
            Given::default().run(&sandbox, &prepared).outcome.unwrap(),
            []
        );
        drop(sandbox);
        let sandbox = open(folder.path(), config());
        assert!(!prepare(&sandbox, &upload).1, "{name}: replaced");
    }
}

#[test]
fn anothers_artifacts_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (Guest::new().core(), Guest::new().failing(0, "x").core());
    let sandbox = open(folder.path(), config());
    sandbox.inspect(&one, &Limits::default()).unwrap();
    drop(sandbox);

    // Under another key.
    let other = SandboxConfig {
        artifact_key: [8; 32],
        ..config()
    };
    assert!(prepare(&open(folder.path(), other), &one).1);

    // Under another version's name.
    let file = files(folder.path()).remove(0);
    let name = file.file_name().unwrap().to_str().unwrap();
    let (_, host) = name.split_once('.').unwrap();
    let renamed = folder
        .path()
        .join(format!("{}.{host}", VersionId::of(&two)));
    fs::rename(&file, renamed).unwrap();
    assert!(prepare(&open(folder.path(), config()), &two).1);
}

#[test]
fn what_no_process_can_use_is_removed_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let version = VersionId::of(b"x");
    let keep = folder.path().join("README");
    fs::write(&keep, "ours?").unwrap();
    for name in [format!("{version}.0123"), format!("{version}.tmp-1-2")] {
        fs::write(folder.path().join(name), "old").unwrap();
    }
    open(folder.path(), config());
    assert_eq!(files(folder.path()), [keep]);
}

#[test]
fn an_upgrade_removes_old_artifacts_and_compiles_again() {
    let folder = tempfile::tempdir().unwrap();
    let upload = Guest::new().core();
    let sandbox = open(folder.path(), config());
    sandbox.inspect(&upload, &Limits::default()).unwrap();
    drop(sandbox);
    // As another wasmtime, or another configuration, would have called it.
    let file = files(folder.path()).remove(0);
    let version = VersionId::of(&upload);
    let old = folder.path().join(format!("{version}.{}", "0".repeat(32)));
    fs::rename(&file, &old).unwrap();

    let sandbox = open(folder.path(), config());
    assert!(files(folder.path()).is_empty());
    let (prepared, asked) = prepare(&sandbox, &upload);
    assert!(asked, "compiled again");
    assert_eq!(files(folder.path()), [file]);
    assert_eq!(
        Given::default().run(&sandbox, &prepared).outcome.unwrap(),
        []
    );
}

/// Uploads that differ in a text.
fn uploads() -> [Vec<u8>; 3] {
    ["a", "b", "c"].map(|text| Guest::new().failing(0, text).core())
}

fn sizes(path: &Path) -> u64 {
    let sizes = files(path).into_iter();
    sizes.map(|file| fs::metadata(file).unwrap().len()).sum()
}

fn is_kept(path: &Path, upload: &[u8]) -> bool {
    let version = VersionId::of(upload).to_string();
    let name = |file: &PathBuf| file.file_name().unwrap().to_str().unwrap().to_owned();
    files(path)
        .iter()
        .any(|file| name(file).starts_with(&version))
}

#[test]
fn what_is_kept_has_a_bound_and_the_least_recently_loaded_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let [a, b, c] = uploads();
    let sandbox = open(path, config());
    for upload in [&a, &b] {
        sandbox.inspect(upload, &Limits::default()).unwrap();
    }
    drop(sandbox);
    // Room for two and a half. Nothing is kept in memory, so that each is
    // loaded from the folder.
    let tight = SandboxConfig {
        artifact_bytes: sizes(path) * 5 / 4,
        cache_bytes: 1,
        ..config()
    };
    let sandbox = open(path, tight.clone());
    assert!(!prepare(&sandbox, &a).1, "loaded");
    drop(sandbox);
    // The order outlives the process.
    let sandbox = open(path, tight.clone());
    sandbox.inspect(&c, &Limits::default()).unwrap();
    assert!(sizes(path) <= tight.artifact_bytes);
    let kept = [&a, &b, &c].map(|upload| is_kept(path, upload));
    assert_eq!(kept, [true, false, true]);
    assert!(prepare(&sandbox, &b).1, "compiled again");
    let kept = [&a, &b, &c].map(|upload| is_kept(path, upload));
    assert_eq!(kept, [false, true, true]);
    drop(sandbox);

    // A lower bound is kept from the start; one that is too low keeps none.
    let lower = SandboxConfig {
        artifact_bytes: sizes(path) - 1,
        ..tight.clone()
    };
    open(path, lower);
    assert_eq!(files(path).len(), 1);
    let none = SandboxConfig {
        artifact_bytes: 1,
        ..tight
    };
    let sandbox = open(path, none);
    assert!(files(path).is_empty());
    sandbox.inspect(&a, &Limits::default()).unwrap();
    assert!(files(path).is_empty());
    assert!(prepare(&sandbox, &a).1, "and it runs all the same");
}

#[test]
fn what_is_in_memory_goes_last() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let [a, b, c] = uploads();
    let sandbox = open(path, config());
    for upload in [&a, &b] {
        sandbox.inspect(upload, &Limits::default()).unwrap();
    }
    drop(sandbox);
    let tight = SandboxConfig {
        artifact_bytes: sizes(path) * 5 / 4,
        ..config()
    };
    let sandbox = open(path, tight);
    // `a` was written first, and is in memory.
    assert!(!prepare(&sandbox, &a).1);
    let before = sizes(path);
    sandbox.inspect(&c, &Limits::default()).unwrap();
    assert!(sizes(path) <= before * 5 / 4);
    let kept = [&a, &b, &c].map(|upload| is_kept(path, upload));
    assert_eq!(kept, [true, false, true]);
}

#[test]
fn the_cache_is_bounded() {
    // Room for no artifact at all: each is made ready again.
    let sandbox = Sandbox::new(
        SandboxConfig {
            cache_bytes: 1,
            ..config()
        },
        None,
    )
    .unwrap();
    let upload = Guest::new().core();
    sandbox.inspect(&upload, &Limits::default()).unwrap();
    let (prepared, asked) = prepare(&sandbox, &upload);
    assert!(asked);
    assert!(prepare(&sandbox, &upload).1);
    // Who holds one can go on.
    assert_eq!(
        Given::default().run(&sandbox, &prepared).outcome.unwrap(),
        []
    );
}

#[test]
fn what_cannot_be_made_ready_says_why() {
    let sandbox = Sandbox::new(config(), None).unwrap();
    let version = VersionId::of(b"x");
    let prepare = |answer: Result<Option<Vec<u8>>, String>| {
        sandbox
            .prepare(version, &Manifest::default(), &Limits::default(), &|| {
                answer.clone()
            })
            .unwrap_err()
    };
    assert!(matches!(prepare(Ok(None)), PrepareError::Missing(_)));
    assert!(matches!(
        prepare(Err("disk".into())),
        PrepareError::Unreadable(_)
    ));
    assert!(matches!(
        prepare(Ok(Some(b"junk".into()))),
        PrepareError::Refused { .. }
    ));
}

/// Compiles what is allowed this much time; a host on which it takes as long.
struct Slow {
    here: CompileHere,
    takes_ms: u64,
}

impl Compiler for Slow {
    fn build(&self, upload: &[u8], limits: &Limits) -> Result<Built, UploadError> {
        if limits.compile_ms < self.takes_ms {
            return Err(UploadError::CompileLimit {
                limit: limits.compile_ms,
                unit: "milliseconds".into(),
            });
        }
        self.here.build(upload, limits)
    }
}

/// A tenant that may take longer to compile may do so again, also on a host
/// that has become slower.
#[test]
fn what_was_accepted_is_compiled_again_under_its_own_limits() {
    let upload = Guest::new().core();
    let limits = Limits {
        compile_ms: 50_000,
        ..Limits::default()
    };
    for (takes_ms, fits) in [(50_000, true), (150_000, true), (250_000, false)] {
        let here = CompileHere::new(&config()).unwrap();
        let slow = Arc::new(Slow { here, takes_ms });
        let sandbox = Sandbox::with_compiler(config(), None, slow).unwrap();
        let again = || Ok(Some(upload.clone()));
        let version = VersionId::of(&upload);
        let prepared = sandbox.prepare(version, &Manifest::default(), &limits, &again);
        assert_eq!(prepared.is_ok(), fits, "{takes_ms}: {prepared:?}");
    }
}

/// More versions than there is memory for: they come back from the disk, and
/// nothing is compiled again.
#[test]
fn what_leaves_memory_comes_back_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let uploads = uploads();
    let sandbox = open(folder.path(), config());
    for upload in &uploads {
        sandbox.inspect(upload, &Limits::default()).unwrap();
    }
    let (all, largest) = (sandbox.counts(), sizes(folder.path()) / 3);
    assert_eq!((all.compiled, all.loaded, all.versions), (3, 0, 3));
    drop(sandbox);

    let little = SandboxConfig {
        cache_bytes: largest * 3 / 2,
        ..config()
    };
    let sandbox = open(folder.path(), little.clone());
    for _ in 0..3 {
        for upload in &uploads {
            let (prepared, asked) = prepare(&sandbox, upload);
            assert!(!asked, "compiled again");
            // It fails, as it is made to.
            assert!(Given::default().run(&sandbox, &prepared).outcome.is_err());
            let counts = sandbox.counts();
            assert!(counts.bytes <= little.cache_bytes, "{counts:?}");
        }
    }
    let counts = sandbox.counts();
    assert_eq!((counts.compiled, counts.versions), (0, 1), "{counts:?}");
    assert!(counts.loaded >= 6, "{counts:?}");
}
