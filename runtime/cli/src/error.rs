//! How commands end.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use anyhow::{Error, Result};

/// What a command that did its work has to say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All is well.
    Fine,
    /// The rule or a test failed.
    Failed,
}

impl Verdict {
    /// Fine if this holds.
    pub(crate) fn fine_if(fine: bool) -> Self {
        if fine { Self::Fine } else { Self::Failed }
    }
}

/// An error with what to do next. Reads like the error itself.
#[derive(Debug)]
struct Hinted {
    error: Error,
    hint: String,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl StdError for Hinted {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

/// Adds to an error what to do next.
pub(crate) trait Hint<T> {
    /// With this sentence.
    fn hint(self, hint: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<Error>> Hint<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> Result<T> {
        self.map_err(|error| {
            Error::new(Hinted {
                error: error.into(),
                hint: hint.into(),
            })
        })
    }
}

/// What to do next, of all that is known about an error.
pub(crate) fn hints(error: &Error) -> impl Iterator<Item = &str> {
    error
        .chain()
        .filter_map(|cause| Some(cause.downcast_ref::<Hinted>()?.hint.as_str()))
}

/// Whether it only means that nobody reads on: `ringfence ... | head`.
pub(crate) fn is_closed_pipe(error: &Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn a_hint_stays_with_its_error() {
        let error = Err::<(), _>(anyhow!("the cause"))
            .context("the error")
            .hint("do this")
            .context("around it")
            .unwrap_err();
        let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
        assert_eq!(chain, ["around it", "the error", "the cause"]);
        assert_eq!(hints(&error).collect::<Vec<_>>(), ["do this"]);
    }
}
