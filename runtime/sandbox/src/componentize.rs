//! Makes a component of an upload.

use std::borrow::Cow;
use std::panic::catch_unwind;

use wit_component::ComponentEncoder;

use crate::scan::{self, Scan};
use crate::{UploadError, packages};

/// An upload as a component.
pub(crate) struct Componentized<'a> {
    /// The component's bytes.
    pub(crate) bytes: Cow<'a, [u8]>,
    /// What a look at them shows.
    pub(crate) scan: Scan,
}

/// Checks an upload, and wraps it if it is a core module. Nothing of it is
/// compiled yet.
///
/// # Errors
/// When it is not wasm, beyond a bound, or does not fit our world's names.
pub(crate) fn componentize(upload: &[u8]) -> Result<Componentized<'_>, UploadError> {
    let first = scan::scan(upload)?;
    if first.is_component {
        return checked(Cow::Borrowed(upload), first);
    }
    first.check_core()?;
    let component = encode(upload)?;
    let second = scan::scan(&component)?;
    checked(Cow::Owned(component), second)
}

fn checked(bytes: Cow<'_, [u8]>, scan: Scan) -> Result<Componentized<'_>, UploadError> {
    scan.check_component()?;
    Ok(Componentized { bytes, scan })
}

/// The encoder reads WIT packages out of the hostile module; a panic in it
/// must cost the sender an error, and nobody else anything.
fn encode(module: &[u8]) -> Result<Vec<u8>, UploadError> {
    catch_unwind(|| {
        packages::check(module)?;
        ComponentEncoder::default()
            .validate(false)
            .module(module)
            .and_then(|mut encoder| encoder.encode())
            .map_err(|error| format!("{error:#}"))
    })
    .unwrap_or_else(|_| Err("its embedded WIT type cannot be read".into()))
    .map_err(UploadError::WrongType)
}
