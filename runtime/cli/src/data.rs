//! The server's data folder: the database, compiled artifacts, and two
//! secrets that are made at the first start.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ringfence_store::Sqlite;

use crate::console;
use crate::error::Hint as _;
use crate::files;

/// Only this user may read.
const SECRET_MODE: u32 = 0o600;
/// Only this user may enter.
const FOLDER_MODE: u32 = 0o700;
/// Permission bits of everybody else.
const OTHERS: u32 = 0o077;
const KEY_BYTES: usize = 32;
const TOKEN_BYTES_MAX: u64 = 1024;
/// Shorter ones can be guessed.
const TOKEN_BYTES_SAFE: usize = 16;

/// The folder, held by this process alone until the store is dropped.
pub(crate) struct DataFolder {
    dir: PathBuf,
    /// The database.
    pub(crate) store: Sqlite,
}

/// Opens the folder of the tenants' data, if there is one. It is never made:
/// one that is not there was named by mistake.
pub(crate) fn open_tenants(dir: Option<&Path>) -> Result<Option<Arc<Dir>>> {
    let Some(dir) = dir else { return Ok(None) };
    let open = Dir::open_ambient_dir(dir, ambient_authority())
        .with_context(|| format!("cannot open the tenants' data in {}", dir.display()))
        .hint("`tenant_data` and `--tenant-data` name a folder with a folder for each tenant.")?;
    Ok(Some(Arc::new(open)))
}

impl DataFolder {
    /// Opens the folder, or makes it. A second process is refused: the
    /// database's lock stands for the whole folder, so it is taken first.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(dir)
            .with_context(|| format!("cannot make the data folder {}", dir.display()))
            .hint("Name another one with `--data DIR`.")?;
        let store = Sqlite::open(dir.join("ringfence.db"))
            .with_context(|| format!("cannot use the data folder {}", dir.display()))?;
        Ok(Self {
            dir: dir.to_owned(),
            store,
        })
    }

    /// Where compiled components are kept.
    pub(crate) fn artifacts(&self) -> Result<Dir> {
        let path = self.dir.join("artifacts");
        let failed = || format!("cannot use {}", path.display());
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(&path)
            .with_context(failed)?;
        Dir::open_ambient_dir(&path, ambient_authority()).with_context(failed)
    }

    /// Authenticates compiled components: this installation's own.
    pub(crate) fn artifact_key(&self) -> Result<[u8; KEY_BYTES]> {
        let path = self.dir.join("artifact-key");
        let (bytes, _) = secret(&path, KEY_BYTES as u64, random)?;
        <[u8; KEY_BYTES]>::try_from(bytes)
            .ok()
            .with_context(|| format!("{} does not hold {KEY_BYTES} bytes", path.display()))
            .hint("Remove it: a new key is made, and components are compiled again.")
    }

    /// The operator's token: as given, or the one kept here, which is made at
    /// the first start.
    pub(crate) fn operator_token(&self, given: Option<String>) -> Result<String> {
        if let Some(token) = given {
            return checked(token);
        }
        let path = self.dir.join("operator-token");
        let make = || Ok(hex(&random()?).into_bytes());
        let (bytes, new) = secret(&path, TOKEN_BYTES_MAX, make)?;
        let shown = path.display();
        if new {
            console::say(format_args!(
                "An operator's token was made. It may do everything; read it with: cat {shown}"
            ));
        }
        let token = String::from_utf8(bytes).with_context(|| format!("{shown} is not text"))?;
        let token = token.trim().to_owned();
        ensure!(!token.is_empty(), "{shown} is empty");
        Ok(token)
    }
}

fn checked(token: String) -> Result<String> {
    if token.is_empty() || token.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(anyhow::anyhow!(
            "RINGFENCE_OPERATOR_TOKEN is empty or holds white space"
        ))
        .hint("Make one with `openssl rand -hex 32`, or unset it: then one is made and kept in the data folder.");
    }
    if token.len() < TOKEN_BYTES_SAFE {
        console::warn(format_args!(
            "RINGFENCE_OPERATOR_TOKEN has fewer than {TOKEN_BYTES_SAFE} characters, which can be guessed"
        ));
    }
    Ok(token)
}

/// A secret kept in a file, and whether it was made just now.
fn secret(
    path: &Path,
    bytes_max: u64,
    make: impl FnOnce() -> Result<Vec<u8>>,
) -> Result<(Vec<u8>, bool)> {
    let failed = || format!("cannot keep a secret in {}", path.display());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(SECRET_MODE);
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            refuse_if_open_to_others(path)?;
            return Ok((files::read(path, bytes_max)?, false));
        }
        Err(error) => return Err(error).with_context(failed),
    };
    let bytes = make()?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a secret would be taken for a whole one at the next start.
        let _ = std::fs::remove_file(path);
        return Err(error).with_context(failed);
    }
    Ok((bytes, true))
}

fn refuse_if_open_to_others(path: &Path) -> Result<()> {
    let metadata =
        std::fs::metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    if metadata.permissions().mode() & OTHERS != 0 {
        let shown = path.display();
        return Err(anyhow::anyhow!("{shown} is open to other users"))
            .hint(format!("Others may have read it: remove it, and a new one is made; or, if that cannot be, `chmod 600 {shown}`."));
    }
    Ok(())
}

/// Random bytes for a secret.
pub(crate) fn random() -> Result<Vec<u8>> {
    let mut bytes = vec![0; KEY_BYTES];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => bail!("the system gives no random bytes: {error}"),
    }
}

/// As lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_once_and_for_this_user_only() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("data");
        let folder = DataFolder::open(&dir).unwrap();
        let key = folder.artifact_key().unwrap();
        let token = folder.operator_token(None).unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(folder.artifact_key().unwrap(), key);
        assert_eq!(folder.operator_token(None).unwrap(), token);
        for name in ["artifact-key", "operator-token"] {
            let mode = std::fs::metadata(dir.join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, SECRET_MODE, "{name}");
        }
        let given = folder.operator_token(Some("0123456789abcdef".to_owned()));
        assert_eq!(given.unwrap(), "0123456789abcdef");
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(dir.path()).unwrap();
        folder.operator_token(None).unwrap();
        let path = dir.path().join("operator-token");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = folder.operator_token(None).unwrap_err();
        assert!(error.to_string().contains("open to other users"));
        for bad in ["", "a b", "a\n"] {
            assert!(folder.operator_token(Some(bad.to_owned())).is_err());
        }
    }

    #[test]
    fn two_processes_cannot_share_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataFolder::open(dir.path()).unwrap();
        let second = DataFolder::open(dir.path()).map(drop).unwrap_err();
        assert!(format!("{second:#}").contains("in use"), "{second:#}");
        drop(first);
    }
}
