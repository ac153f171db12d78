//! The example rules, built.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::error::Hint as _;
use crate::files;

const DIR: &str = "target/guests";
/// The largest of them, in bytes.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The folder with the example rules.
pub(super) struct Guests {
    dir: PathBuf,
}

impl Guests {
    /// Finds it, and all that is needed in it.
    pub(super) fn find(
        given: Option<&Path>,
        needed: impl Iterator<Item = &'static str>,
    ) -> Result<Self> {
        let guests = Self {
            dir: given.unwrap_or(Path::new(DIR)).to_owned(),
        };
        let mut missing: Vec<&str> = needed.filter(|name| !guests.path(name).is_file()).collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(guests);
        }
        let (dir, missing) = (guests.dir.display(), missing.join(", "));
        Err(anyhow::anyhow!(
            "{dir} lacks the built example rules {missing}"
        ))
        .hint("Build them with `make guests`, or name their folder with `--guests DIR`.")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.wasm"))
    }

    /// A component.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>> {
        files::read(&self.path(name), BYTES_MAX)
    }

    /// The folder around it: on a disk, where the system's folder for
    /// temporary files may be in memory.
    pub(super) fn around(&self) -> Option<&Path> {
        self.dir.parent()
    }
}
