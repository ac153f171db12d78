//! What must survive: the catalog of tenants and rules, the durable log of
//! events, and the journal of what was done with them.
//!
//! The trait [`Store`] has three parts, one per use. [`Sqlite`] is the
//! default; [`conformance`] is what any implementation must pass.

mod catalog;
pub mod conformance;
mod error;
mod journal;
mod log;
mod sqlite;

pub use catalog::{Catalog, LINEAGE_KEYS_MAX, NewVersion, PutVersion, RuleInForce, VersionRecord};
pub use error::StoreError;
pub use journal::{
    ANOMALIES_MAX, AnomalyRecord, CascadeRecord, Counts, DeadLetter, DeadLetterFilter, EventRecord,
    EventState, ExecutionFilter, Journal, Outgoing, Page, Parent,
};
pub use log::{
    Accepted, Append, Backlog, CommitOutcome, Completion, Decision, Feed, FollowUp, Log, Outcome,
    Parked, Pending, RunCommit, Seq, SkipReason, Sleepers, Sleeping, Woken,
};

pub use sqlite::Sqlite;

/// Everything that must survive.
pub trait Store: Catalog + Log + Journal {}

impl<T: Catalog + Log + Journal> Store for T {}

/// What a store answers.
pub type Result<T> = std::result::Result<T, StoreError>;
