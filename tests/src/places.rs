//! Where things are that tests use and do not make.

use std::env;
use std::path::{Path, PathBuf};

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate is a folder of the workspace")
}

/// From the environment, or where `make` puts it.
fn place(variable: &str, otherwise: impl FnOnce() -> PathBuf) -> PathBuf {
    env::var_os(variable).map_or_else(otherwise, PathBuf::from)
}

/// The `ringfence` binary: `RINGFENCE_BIN`, or the one built beside this
/// test. Panics if there is none.
pub fn binary() -> PathBuf {
    let path = place("RINGFENCE_BIN", || {
        let test = env::current_exe().expect("a running program has a path");
        // target/PROFILE/deps/TEST and target/PROFILE/ringfence.
        let profile = test.parent().and_then(Path::parent);
        profile
            .map(Path::to_owned)
            .unwrap_or_default()
            .join("ringfence")
    });
    assert!(
        path.is_file(),
        "there is no binary {}: run `make build`",
        path.display()
    );
    path
}

/// Where a guest example's component is: below `RINGFENCE_GUESTS`, or
/// `target/guests`. Panics if it is not there.
pub fn guest_path(name: &str) -> PathBuf {
    let folder = place("RINGFENCE_GUESTS", || workspace().join("target/guests"));
    let path = folder.join(format!("{name}.wasm"));
    assert!(
        path.is_file(),
        "there is no component {}: run `make guests`",
        path.display()
    );
    path
}

/// A guest example's component.
pub fn guest(name: &str) -> Vec<u8> {
    let path = guest_path(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where official clients and real payloads are installed:
/// `RINGFENCE_CLIENTS_DIR`, or `target/clients`. Panics if they are not.
pub fn clients() -> PathBuf {
    let folder = place("RINGFENCE_CLIENTS_DIR", || {
        workspace().join("target/clients")
    });
    assert!(
        folder.join(".stamp").is_file(),
        "there are no test clients in {}: run `make clients`",
        folder.display()
    );
    folder
}
