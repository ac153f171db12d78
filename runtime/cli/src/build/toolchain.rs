//! Which Rust toolchain can compile for WebAssembly on this machine.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// The target of Rust rules: no WASI, so nothing to stub.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// A toolchain that can compile for [`TARGET`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toolchain {
    cargo: OsString,
    rustc: OsString,
    /// Whether the standard library for the target is compiled along,
    /// because only its source is installed.
    build_std: bool,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Path::new(&self.rustc).display())?;
        if self.build_std {
            write!(f, " and its own standard library, from source")?;
        }
        Ok(())
    }
}

/// What is installed of a toolchain.
struct Candidate {
    cargo: OsString,
    rustc: OsString,
    sysroot: PathBuf,
}

impl Toolchain {
    /// Finds one: the toolchain of this folder if the target is installed
    /// (`rustup target add wasm32-unknown-unknown`), then the system's; then
    /// either of them with the standard library's source.
    pub(crate) fn find() -> Result<Self> {
        let candidates: Vec<Candidate> = [("cargo", "rustc"), ("/usr/bin/cargo", "/usr/bin/rustc")]
            .into_iter()
            .filter_map(|(cargo, rustc)| Candidate::at(cargo, rustc))
            .collect();
        Self::choose(&candidates)
    }

    fn choose(candidates: &[Candidate]) -> Result<Self> {
        let ready = candidates.iter().find(|candidate| candidate.has_target());
        let source = || candidates.iter().find(|candidate| candidate.has_source());
        match ready
            .map(|ready| (ready, false))
            .or_else(|| source().map(|source| (source, true)))
        {
            Some((candidate, build_std)) => Ok(Self {
                cargo: candidate.cargo.clone(),
                rustc: candidate.rustc.clone(),
                build_std,
            }),
            None => bail!(
                "no Rust toolchain here can compile for {TARGET}. Run `scripts/setup-guests.sh`, or \
                 `rustup target add {TARGET}`, or on Debian `apt-get install rustc-web cargo-web \
                 rust-web-src rust-web-llvm lld-22`"
            ),
        }
    }

    /// Cargo, set up to build with this toolchain and nothing that the
    /// environment says about the host's own build.
    pub(super) fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        for name in [
            "CARGO_BUILD_TARGET",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTFLAGS",
        ] {
            command.env_remove(name);
        }
        command.env("RUSTC", &self.rustc);
        if self.build_std {
            // Building the standard library is unstable; this is how a
            // stable compiler is told to do so.
            command.env("RUSTC_BOOTSTRAP", "1");
        }
        command
    }

    /// Arguments of `cargo build`.
    pub(super) fn arguments(&self) -> &'static [&'static str] {
        if self.build_std {
            &["--target", TARGET, "-Zbuild-std=std,panic_abort"]
        } else {
            &["--target", TARGET]
        }
    }
}

impl Candidate {
    /// None if it cannot be run.
    fn at(cargo: &str, rustc: &str) -> Option<Self> {
        let print = Command::new(rustc)
            .args(["--print", "sysroot"])
            .output()
            .ok()?;
        let sysroot = String::from_utf8(print.stdout).ok()?;
        let runs = Command::new(cargo)
            .arg("--version")
            .output()
            .ok()?
            .status
            .success();
        (print.status.success() && runs).then(|| Self {
            cargo: OsStr::new(cargo).to_owned(),
            rustc: OsStr::new(rustc).to_owned(),
            sysroot: PathBuf::from(sysroot.trim_end()),
        })
    }

    fn has_target(&self) -> bool {
        let libraries = self.sysroot.join("lib/rustlib").join(TARGET).join("lib");
        libraries.is_dir()
    }

    fn has_source(&self) -> bool {
        let source = self.sysroot.join("lib/rustlib/src/rust/library");
        source.join("Cargo.lock").is_file() && source.join("std/Cargo.toml").is_file()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(dir: &Path, name: &str, files: &[&str]) -> Candidate {
        let sysroot = dir.join(name);
        for file in files {
            let path = sysroot.join("lib/rustlib").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        Candidate {
            cargo: name.into(),
            rustc: name.into(),
            sysroot,
        }
    }

    #[test]
    fn an_installed_target_goes_before_source() {
        const TARGET_FILE: &str = "wasm32-unknown-unknown/lib/libstd.rlib";
        const SOURCE: [&str; 2] = [
            "src/rust/library/Cargo.lock",
            "src/rust/library/std/Cargo.toml",
        ];
        let dir = tempfile::tempdir().unwrap();
        let bare = || candidate(dir.path(), "bare", &[]);
        let target = || candidate(dir.path(), "target", &[TARGET_FILE]);
        let source = || candidate(dir.path(), "source", &SOURCE);
        for (candidates, expected) in [
            (vec![], None),
            (vec![bare()], None),
            (vec![bare(), source()], Some(("source", true))),
            (vec![bare(), target()], Some(("target", false))),
            (vec![source(), target()], Some(("target", false))),
        ] {
            let chosen = Toolchain::choose(&candidates);
            let chosen = chosen.map(|toolchain| (toolchain.rustc, toolchain.build_std));
            match (chosen, expected) {
                (Ok(chosen), Some((rustc, build_std))) => {
                    assert_eq!(chosen, (rustc.into(), build_std));
                }
                (Err(error), None) => assert!(error.to_string().contains("setup-guests.sh")),
                (chosen, expected) => panic!("{chosen:?} instead of {expected:?}"),
            }
        }
    }
}
