//! What is wrong with a manifest, and where.

use crate::EventError;

/// A manifest is out of bounds. Says where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// A list is too long.
    #[error("`{place}` has {count} entries; at most {limit} are allowed")]
    TooMany {
        /// Which list.
        place: String,
        /// Its length.
        count: usize,
        /// The bound.
        limit: usize,
    },
    /// A text is too long.
    #[error("`{place}` has {bytes} bytes; at most {limit} are allowed")]
    TooLong {
        /// Which text.
        place: String,
        /// Its length.
        bytes: u64,
        /// The bound.
        limit: u64,
    },
    /// There is no trigger, so the rule would never run.
    #[error("`triggers` is empty, so the rule would never run")]
    NoTrigger,
    /// A name or pattern is not one.
    #[error("`{place}`: {error}")]
    Name {
        /// Where.
        place: String,
        /// What is wrong.
        error: EventError,
    },
    /// A `*` that is not last.
    #[error("`{place}`: `*` may stand only at the end of `{given}`")]
    Star {
        /// Where.
        place: String,
        /// The pattern.
        given: String,
    },
    /// An `ignore` that is not a JSON pointer.
    #[error(
        "`{place}`: `{given}` is not a JSON pointer; one starts with `/`, as in `/updated_at`, and writes `~` as `~0`"
    )]
    Pointer {
        /// Where.
        place: String,
        /// The text.
        given: String,
    },
    /// Something is in a list twice.
    #[error("`{place}`: `{given}` is there already, at `{first}`")]
    Twice {
        /// Where it is the second time.
        place: String,
        /// Where it is the first time.
        first: String,
        /// What it is.
        given: String,
    },
    /// A trigger whose `ignore` would never count.
    #[error(
        "`{place}`: every event of `{given}` is taken by `{first}`, `{wider}`, which stands before it and ignores something else"
    )]
    Covered {
        /// Where the trigger is.
        place: String,
        /// Where the one is that takes its events.
        first: String,
        /// What the trigger wants.
        given: String,
        /// What the other wants.
        wider: String,
    },
}

impl ManifestError {
    /// Where it is wrong, for example `triggers[1].type`.
    pub fn place(&self) -> &str {
        match self {
            Self::NoTrigger => "triggers",
            Self::TooMany { place, .. }
            | Self::TooLong { place, .. }
            | Self::Name { place, .. }
            | Self::Star { place, .. }
            | Self::Pointer { place, .. }
            | Self::Twice { place, .. }
            | Self::Covered { place, .. } => place,
        }
    }
}
