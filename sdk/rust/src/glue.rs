//! What the attribute's expansion calls.

use serde::Deserialize;

use crate::Error;

/// Parses an event's data.
pub fn data<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::invalid_event(format_args!("data: {error}")))
}

/// Parses a configuration.
pub fn config<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Error> {
    serde_json::from_str(text)
        .map_err(|error| Error::invalid_config(format_args!("config: {error}")))
}

/// What a rule function may return.
#[diagnostic::on_unimplemented(
    message = "a rule returns nothing or a `ringfence::Result<()>`, not `{Self}`",
    label = "return `Result<()>`"
)]
pub trait Outcome {
    /// As a result.
    fn into_result(self) -> Result<(), Error>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), Error> {
        Ok(())
    }
}

impl<E: Into<Error>> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), Error> {
        self.map_err(Into::into)
    }
}
