//! The repository keeps its own rules.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use ringfence_tests::workspace;

const LINES_MAX: usize = 600;

/// Which of our crates each crate of `runtime/` may use, as ARCHITECTURE.md
/// says. The command composes all of them.
const ARROWS: [(&str, &[&str]); 7] = [
    ("model", &[]),
    ("sandbox", &["model"]),
    ("processes", &["model", "sandbox"]),
    ("governor", &["model"]),
    ("store", &["model"]),
    ("engine", &["model", "governor", "sandbox", "store"]),
    ("server", &["model", "engine", "store", "sandbox"]),
];

/// Files under version control, or about to be.
fn files() -> Vec<PathBuf> {
    let git = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(workspace())
        .output()
        .expect("git lists the repository's files");
    assert!(
        git.status.success(),
        "{}",
        String::from_utf8_lossy(&git.stderr)
    );
    let names = String::from_utf8(git.stdout).expect("file names are UTF-8");
    let files = names.split('\0').filter(|name| !name.is_empty());
    // A file that was deleted and not yet committed is listed, too.
    let files = files
        .map(PathBuf::from)
        .filter(|path| workspace().join(path).is_file());
    let files: Vec<PathBuf> = files.collect();
    assert!(files.len() > 100, "only {} files", files.len());
    files
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extensions.contains(&extension))
}

fn read(path: &Path) -> String {
    let path = workspace().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn rust_files_are_short() {
    for path in files().iter().filter(|path| has_extension(path, &["rs"])) {
        let lines = read(path).lines().count();
        assert!(lines <= LINES_MAX, "{}: {lines} lines", path.display());
    }
}

#[test]
fn nothing_that_is_built_is_kept() {
    for path in files() {
        let built = has_extension(&path, &["wasm", "cwasm", "so", "a", "o", "rlib", "exe"]);
        assert!(!built, "{} is built", path.display());
        let bytes = std::fs::read(workspace().join(&path)).unwrap();
        let magic = [&b"\x7fELF"[..], b"\0asm", b"!<arch>"];
        let built = magic.iter().any(|magic| bytes.starts_with(magic));
        assert!(!built, "{} is a binary", path.display());
    }
}

fn manifest(folder: &Path) -> toml::Table {
    let path = folder.join("Cargo.toml");
    let manifest = read(&path).parse();
    manifest.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn arrows_between_crates_are_those_of_the_architecture() {
    for (name, allowed) in ARROWS {
        let manifest = manifest(&Path::new("runtime").join(name));
        let dependencies = manifest.get("dependencies");
        let dependencies = dependencies.and_then(toml::Value::as_table);
        let ours: BTreeSet<&str> = dependencies
            .into_iter()
            .flat_map(toml::Table::keys)
            .filter_map(|name| name.strip_prefix("ringfence-"))
            .collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let new: Vec<_> = ours.difference(&allowed).collect();
        assert!(
            new.is_empty(),
            "`{name}` may not use {new:?}; see ARCHITECTURE.md"
        );
    }
}

#[test]
fn decisions_and_data_know_no_input_and_output() {
    const IO: [&str; 6] = [
        "tokio", "axum", "reqwest", "rusqlite", "wasmtime", "cap-std",
    ];
    for (name, forbidden) in [
        ("model", &IO[..]),
        ("governor", &IO),
        ("sandbox", &["tokio", "axum", "reqwest", "rusqlite"]),
        ("store", &["axum", "reqwest", "wasmtime"]),
    ] {
        let manifest = manifest(&Path::new("runtime").join(name));
        let dependencies = manifest.get("dependencies");
        let dependencies = dependencies.and_then(toml::Value::as_table);
        for dependency in dependencies.into_iter().flat_map(toml::Table::keys) {
            assert!(
                !forbidden.contains(&&**dependency),
                "`{name}` uses {dependency}"
            );
        }
    }
}

#[test]
fn every_crate_says_what_it_is_for() {
    let root = manifest(Path::new(""));
    let members = root["workspace"]["members"].as_array().unwrap();
    assert!(members.len() >= 10, "{members:?}");
    for member in members {
        let folder = Path::new(member.as_str().unwrap());
        let package = manifest(folder);
        let described = package["package"].get("description");
        assert!(
            described.is_some(),
            "{} has no description",
            folder.display()
        );
        let root = ["src/lib.rs", "src/main.rs"]
            .map(|file| folder.join(file))
            .into_iter()
            .find(|path| workspace().join(path).is_file())
            .unwrap_or_else(|| panic!("{} has no root file", folder.display()));
        let first = read(&root);
        assert!(
            first.starts_with("//!"),
            "{} has no crate docs",
            root.display()
        );
    }
}
