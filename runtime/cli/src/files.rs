//! Reading files, bounded, and writing them as a whole.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// The largest event, fixture or configuration file, in bytes.
pub(crate) const TEXT_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A file's bytes, if they are not too many.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let failed = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(failed)?;
    file.take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .with_context(failed)?;
    if bytes.len() as u64 > bytes_max {
        bail!(
            "{} has more than {bytes_max} bytes, which is not read",
            path.display()
        );
    }
    Ok(bytes)
}

/// A text file.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path, TEXT_BYTES_MAX)?)
        .with_context(|| format!("{} is not UTF-8 text", path.display()))
}

/// Replaces a file as a whole, so that nobody reads half of it.
pub(crate) fn replace(path: &Path, text: &str) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let permissions = std::fs::metadata(path).with_context(failed)?.permissions();
    let mut file = tempfile::Builder::new()
        .permissions(permissions)
        .tempfile_in(dir)
        .with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}
