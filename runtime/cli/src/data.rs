//! A server's data folder: the database, compiled artifacts, and two secrets
//! that only their owner may read.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// An open data folder. No other process has it open.
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Opens a folder, and makes it if it does not exist.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the data folder {shown}"))?;
        let lock = File::create(path.join("lock"))
            .with_context(|| format!("cannot write in the data folder {shown}"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => bail!(
                "another server uses the data folder {shown}; stop it, or give this one another \
                 folder with `--data`"
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock the data folder {shown}"))
            }
        }
    }

    /// Where the database is.
    pub fn database(&self) -> PathBuf {
        self.path.join("ringfence.db")
    }

    /// Where compiled artifacts are; made if it does not exist.
    pub fn artifacts(&self) -> Result<PathBuf> {
        let path = self.path.join("artifacts");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// The key that authenticates compiled artifacts.
    pub fn artifact_key(&self) -> Result<[u8; 32]> {
        let (text, _) = self.secret("artifact-key")?;
        let mut key = [0; 32];
        let digits = text.as_bytes().chunks_exact(2);
        if text.len() != 2 * key.len() {
            bail!(
                "{} is damaged; remove it",
                self.path.join("artifact-key").display()
            );
        }
        for (byte, pair) in key.iter_mut().zip(digits) {
            let pair = std::str::from_utf8(pair)?;
            *byte = u8::from_str_radix(pair, 16)
                .with_context(|| format!("{} is damaged; remove it", self.path.display()))?;
        }
        Ok(key)
    }

    /// The operator's token for a server that was given none, where it is
    /// kept, and whether it was made just now.
    pub fn operator_token(&self) -> Result<(String, PathBuf, bool)> {
        let (token, made) = self.secret("operator-token")?;
        Ok((token, self.path.join("operator-token"), made))
    }

    /// 256 random bits in hexadecimal, made at the first call.
    fn secret(&self, name: &str) -> Result<(String, bool)> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => return Ok((text.trim().to_owned(), false)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        }
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        // Whole or not at all, even if the machine stops now.
        let new = self.path.join(format!("{name}.new"));
        let write = || -> std::io::Result<()> {
            let mut options = OpenOptions::new();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&new)?;
            writeln!(file, "{text}")?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
        Ok((text, true))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_stay_and_are_their_owners() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let data = DataFolder::open(&path).unwrap();
        let key = data.artifact_key().unwrap();
        let (token, kept, made) = data.operator_token().unwrap();
        assert!(made);
        let mode = fs::metadata(kept).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(data);
        let again = DataFolder::open(&path).unwrap();
        assert_eq!(again.artifact_key().unwrap(), key);
        let (same, _, made) = again.operator_token().unwrap();
        assert!(!made && same == token);
    }

    #[test]
    fn two_servers_do_not_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let _first = DataFolder::open(folder.path()).unwrap();
        let error = DataFolder::open(folder.path()).err().unwrap();
        assert!(error.to_string().contains("another server"), "{error}");
    }
}
