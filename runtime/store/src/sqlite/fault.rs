//! Errors within this store, before they are told what was being done.

use crate::StoreError;

/// Why a piece of work failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite says so.
    Sql(rusqlite::Error),
    /// The work itself refuses.
    Refused(StoreError),
}

/// What a piece of work answers.
pub(super) type Work<T> = Result<T, Fault>;

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl Fault {
    /// As the store's error.
    pub(super) fn during(self, doing: &'static str) -> StoreError {
        match self {
            Self::Sql(error) => StoreError::Storage {
                doing,
                cause: error.to_string(),
            },
            Self::Refused(error) => error,
        }
    }
}

/// Writes a record as JSON. `doing` names what for.
pub(super) fn encode<T: serde::Serialize>(
    doing: &'static str,
    record: &T,
) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|error| StoreError::Storage {
        doing,
        cause: error.to_string(),
    })
}

/// Reads a record that was written as JSON.
pub(super) fn decode<T: serde::de::DeserializeOwned>(
    what: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| damaged(what, &error))
}

/// A record cannot be read.
pub(super) fn damaged(what: &'static str, cause: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged {
        what,
        cause: cause.to_string(),
    }
}
