//! What can go wrong in a store.

/// A store could not do what was asked. Nothing was half-done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The medium failed: disk full, I/O error, corruption.
    #[error("storage failed while {doing}: {cause}")]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// What the medium said.
        cause: String,
    },
    /// A record cannot be read; it was written by a newer Ringfence or is
    /// damaged.
    #[error("a stored {what} cannot be read: {cause}")]
    Damaged {
        /// Which kind of record.
        what: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// The tenant does not exist.
    #[error("there is no such tenant")]
    NoTenant,
    /// A limit on the number of rules, versions or keys was reached.
    #[error("`{limit}` allows {max}, and there are {max} already")]
    Full {
        /// The limit's name, as in `Limits`.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}
