//! Compiled artifacts on disk.
//!
//! An artifact is native code: loading one that somebody else wrote would
//! hand them the process. So a file holds a keyed BLAKE3 code over its own
//! name and the artifact, under a key that only this installation has, and
//! what does not verify is compiled again.
//!
//! The folder has a bound in bytes. What was loaded longest ago goes first;
//! the order is that of the files' modification times, which loading renews,
//! so that it outlives the process.

use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use parking_lot::Mutex;
use ringfence_model::VersionId;
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::shelf::Shelf;
use crate::{Layout, Sealed};

/// The code's length, in bytes.
const MAC_BYTES: usize = 32;

/// The largest artifact that is read back, in bytes. A component of 32 MiB
/// compiles to less.
const ARTIFACT_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Only this user may read or write.
const MODE: u32 = 0o600;

const TEMPORARY: &str = "tmp";

/// Leaves it to the kernel to say what time it is.
const NOW: Timestamps = Timestamps {
    last_access: Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    },
    last_modification: Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    },
};

/// Keeps compiled artifacts in a folder, or nowhere.
pub(crate) struct Artifacts {
    dir: Option<Dir>,
    key: [u8; 32],
    /// Names what the artifacts are good for: this wasmtime, configured so,
    /// and what is made of a component before it is compiled.
    host: String,
    counter: AtomicU64,
    /// What is in the folder. Locked while the folder is changed, so that its
    /// bound holds at each moment.
    shelf: Mutex<Shelf>,
}

/// A compiled artifact that came out of this installation's compiler, or out of
/// a file that this installation authenticated. Only this module makes one.
///
/// It begins with its [`Layout`]: what is counted and charged depends on it, so
/// it is authenticated with the code.
pub(crate) struct Artifact {
    bytes: Vec<u8>,
    /// Where it begins: it was read behind its code.
    at: usize,
}

impl Artifacts {
    /// Opens the folder, and removes from it what no process can use any
    /// more: artifacts of another wasmtime or configuration, and what an
    /// interrupted write left; and what is beyond the bound.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn open(
        engine: &Engine,
        dir: Option<Dir>,
        key: [u8; 32],
        bytes_max: u64,
    ) -> Result<Self, std::io::Error> {
        let artifacts = Self {
            dir,
            key,
            host: host_name(engine),
            counter: AtomicU64::new(0),
            shelf: Mutex::new(Shelf::new(bytes_max)),
        };
        artifacts.take_stock()?;
        Ok(artifacts)
    }

    fn take_stock(&self) -> Result<(), std::io::Error> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let mut kept = Vec::new();
        for entry in dir.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            let parts = name.to_str().and_then(|name| name.split_once('.'));
            let Some((Ok(version), host)) =
                parts.map(|(version, host)| (version.parse::<VersionId>(), host))
            else {
                // Not ours.
                continue;
            };
            if host == self.host {
                let metadata = entry.metadata()?;
                kept.push((metadata.modified()?, version, metadata.len()));
            } else {
                dir.remove_file(&name)?;
            }
        }
        kept.sort_unstable();
        let mut shelf = self.shelf.lock();
        for (_, version, bytes) in kept {
            shelf.put(version, bytes);
        }
        self.make_room(dir, &mut shelf, 0, &|_| false);
        Ok(())
    }

    /// Removes what has to go so that so many bytes more fit.
    fn make_room(
        &self,
        dir: &Dir,
        shelf: &mut Shelf,
        bytes: u64,
        is_hot: &dyn Fn(VersionId) -> bool,
    ) {
        while let Some(version) = shelf.surplus(bytes, is_hot) {
            self.remove_from(dir, shelf, version);
        }
    }

    /// A file that cannot be removed is counted no more: it is found again at
    /// the next start.
    fn remove_from(&self, dir: &Dir, shelf: &mut Shelf, version: VersionId) {
        shelf.remove(version);
        match dir.remove_file(self.name(version)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%version, %error, "a compiled artifact cannot be removed");
            }
            _ => {}
        }
    }

    /// Takes what the compiler has just made.
    pub(crate) fn fresh(layout: Layout, mut compiled: Vec<u8>) -> Artifact {
        compiled.splice(0..0, layout.to_bytes());
        Artifact {
            bytes: compiled,
            at: 0,
        }
    }

    /// The artifact kept for a version, if there is one and it verifies.
    pub(crate) fn load(&self, version: VersionId) -> Option<Artifact> {
        let dir = self.dir.as_ref()?;
        let name = self.name(version);
        match self.read(dir, &name) {
            Ok(artifact) => {
                self.shelf.lock().touch(version);
                artifact
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(%version, %error, "a compiled artifact cannot be read; compiling again");
                None
            }
        }
    }

    fn read(&self, dir: &Dir, name: &str) -> Result<Option<Artifact>, std::io::Error> {
        let file = dir.open(name)?;
        let size = file.metadata()?.len();
        if size > ARTIFACT_BYTES_MAX {
            tracing::warn!(
                name,
                size,
                "a compiled artifact is too large; compiling again"
            );
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        (&file).take(ARTIFACT_BYTES_MAX).read_to_end(&mut bytes)?;
        // Only the order of eviction depends on it.
        if let Err(error) = futimens(&file, &NOW) {
            tracing::debug!(name, %error, "a compiled artifact's time cannot be renewed");
        }
        let verified = bytes
            .split_first_chunk::<MAC_BYTES>()
            // `blake3::Hash` compares in constant time.
            .is_some_and(|(mac, artifact)| self.mac(name, artifact) == *mac);
        if !verified {
            tracing::warn!(name, "a compiled artifact does not verify; compiling again");
            return Ok(None);
        }
        let at = MAC_BYTES;
        Ok(Some(Artifact { bytes, at }))
    }

    /// Keeps an artifact, if there is room or can be made: what is not in
    /// memory (`is_hot`) goes first. That it cannot be kept costs time later,
    /// and nothing else, so it is only logged.
    pub(crate) fn save(
        &self,
        version: VersionId,
        artifact: &Artifact,
        is_hot: &dyn Fn(VersionId) -> bool,
    ) {
        let Some(dir) = &self.dir else { return };
        let bytes = artifact.size() + MAC_BYTES as u64;
        let shelf = &mut *self.shelf.lock();
        self.remove_from(dir, shelf, version);
        if !shelf.could_hold(bytes) {
            tracing::warn!(%version, bytes, "a compiled artifact is larger than all that may be kept; it will be compiled again at the next start");
            return;
        }
        self.make_room(dir, shelf, bytes, is_hot);
        match self.write(dir, &self.name(version), artifact) {
            Ok(()) => shelf.put(version, bytes),
            Err(error) => {
                tracing::warn!(%version, %error, "a compiled artifact cannot be kept");
            }
        }
    }

    /// Written under another name first, so that a reader never sees half.
    fn write(&self, dir: &Dir, name: &str, artifact: &Artifact) -> Result<(), std::io::Error> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        // Shaped like an artifact's name of no host: swept at the next start.
        let version = name.split('.').next().unwrap_or(name);
        let temporary = format!("{version}.{TEMPORARY}-{}-{number}", std::process::id());
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(MODE);
        let written = dir
            .open_with(&temporary, &options)
            .and_then(|mut file| {
                file.write_all(self.mac(name, artifact.whole()).as_bytes())?;
                file.write_all(artifact.whole())?;
                // Before it has its name: after a power cut there is the
                // whole file or none.
                file.sync_data()
            })
            .and_then(|()| dir.rename(&temporary, dir, name));
        if written.is_err() {
            // Already failing; the next start sweeps it.
            let _ = dir.remove_file(&temporary);
        }
        written
    }

    /// Forgets a version's artifact.
    pub(crate) fn remove(&self, version: VersionId) {
        let Some(dir) = &self.dir else { return };
        self.remove_from(dir, &mut self.shelf.lock(), version);
    }

    fn name(&self, version: VersionId) -> String {
        format!("{version}.{}", self.host)
    }

    /// Over the name too, so that one version's artifact is not taken for
    /// another's.
    fn mac(&self, name: &str, artifact: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(artifact);
        hasher.finalize()
    }
}

impl Artifact {
    /// Its size, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.whole().len() as u64
    }

    fn whole(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// What must be known of the code besides.
    pub(crate) fn layout(&self) -> Layout {
        self.parts().0
    }

    /// Makes it callable.
    #[allow(unsafe_code, reason = "see the argument inside")]
    pub(crate) fn component(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: `deserialize` trusts its bytes to be what wasmtime's
        // compiler wrote, unchanged. An `Artifact` has a private field and is
        // made in two places only: `Artifacts::fresh`, which is given the
        // output of the compiler (of this process, or of a child that runs
        // the same binary, over a channel that nobody else has), and `Artifacts::read`, which
        // checks a keyed code over the bytes that are in memory already (the
        // file is not read again after the check, nor mapped, so it cannot
        // change in between). The key never leaves this installation and is
        // not known to any guest, so whoever can forge the code already has
        // the host. That the bytes fit this wasmtime and its configuration is
        // part of the name under the code, and wasmtime checks it again.
        unsafe { Component::deserialize(engine, self.code()) }
    }

    /// Puts it where another process can take it from.
    pub(crate) fn seal(&self) -> std::io::Result<Sealed> {
        Sealed::new(self.code(), self.layout())
    }

    /// One that is too short is no code, and is refused as such.
    fn parts(&self) -> (Layout, &[u8]) {
        Layout::split(self.whole()).unwrap_or_default()
    }

    fn code(&self) -> &[u8] {
        self.parts().1
    }
}

/// Feeds what wasmtime says that its artifacts depend on to BLAKE3, because
/// std's hashers are not stable over time.
struct StableHasher(blake3::Hasher);

impl Hasher for StableHasher {
    fn finish(&self) -> u64 {
        let hash = self.0.finalize();
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_le_bytes(bytes)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

fn host_name(engine: &Engine) -> String {
    let mut hasher = StableHasher(blake3::Hasher::new_derive_key(
        "ringfence 0.1 artifact host",
    ));
    engine.precompile_compatibility_hash().hash(&mut hasher);
    crate::rewrite::REVISION.hash(&mut hasher);
    hasher.0.finalize().to_hex()[..32].to_owned()
}
