//! Why a rule could not do its work.

use std::fmt;

/// What a rule function returns.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Why a rule could not do its work. None of the run's effects take place,
/// and the text reaches the rule's author.
///
/// Any [`std::error::Error`] becomes one (of the kind
/// [`ErrorKind::Internal`]) through `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// Whose fault it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The event's data are not what the rule expects.
    InvalidEvent,
    /// The configuration is not what the rule expects.
    InvalidConfig,
    /// Anything else.
    Internal,
}

impl ErrorKind {
    /// The stable code, as in a fixture's `expect`.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidEvent => "invalid-event",
            Self::InvalidConfig => "invalid-config",
            Self::Internal => "internal",
        }
    }
}

impl Error {
    /// The event's data are not what the rule expects.
    pub fn invalid_event(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidEvent, &message)
    }

    /// The configuration is not what the rule expects.
    pub fn invalid_config(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidConfig, &message)
    }

    /// Anything else.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Internal, &message)
    }

    fn new(kind: ErrorKind, message: &dyn fmt::Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
        }
    }

    /// Whose fault it was.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What happened, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The text, taken.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn into_message(self) -> String {
        self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.message)
    }
}

// This is why `Error` itself is no `std::error::Error`: the two would overlap.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self {
            kind: ErrorKind::Internal,
            message,
        }
    }
}

/// Ends the run with [`Error::internal`], from a format string as in
/// [`format!`].
///
/// ```
/// # use ringfence::prelude::*;
/// # fn f(agents: &[&str]) -> Result<()> {
/// if agents.is_empty() {
///     bail!("nobody speaks {}", "French");
/// }
/// # Ok(()) }
/// # assert_eq!(f(&[]).unwrap_err().message(), "nobody speaks French");
/// ```
#[macro_export]
macro_rules! bail {
    ($($format:tt)+) => {
        return ::core::result::Result::Err($crate::Error::internal(::core::format_args!($($format)+)))
    };
}
