//! What the engine refuses or cannot do.

use ringfence_governor::{Crowded, Cycles, NoPlace, TurnedAway};
use ringfence_model::{EventError, LimitError, PolicyError, RuleName, TenantId, VersionId};
use ringfence_sandbox::UploadError;
use ringfence_store::StoreError;

use crate::evaluation::SoFar;

/// What the engine refuses or cannot do.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no such tenant.
    #[error("there is no tenant `{0}`")]
    NoTenant(TenantId),
    /// There is no such plan.
    #[error("there is no plan `{0}`")]
    NoPlan(String),
    /// A limit is out of bounds.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// What is said about loops or about the host application is out of
    /// bounds.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The rule has no such version.
    #[error("rule `{rule}` has no version {version}")]
    NoVersion {
        /// Which rule.
        rule: RuleName,
        /// Which version.
        version: VersionId,
    },
    /// An activation closes cycles of rules, and its tenant wants that
    /// refused.
    #[error("activating `{rule}` closes {}", closed(.cycles))]
    ClosesCycle {
        /// Which rule.
        rule: RuleName,
        /// The cycles, each from the rule on; at least one.
        cycles: Cycles,
    },
    /// The tenant wants activations that close a cycle refused, and its rules
    /// are too many to know.
    #[error(
        "the tenant's rules are too many, and set off too many of each other, to know whether activating `{0}` closes a cycle of rules"
    )]
    CyclesUnknown(RuleName),
    /// `percent` is not 1 to 100.
    #[error("`percent` may be 1 to 100; {0} was given")]
    Percent(u8),
    /// An upload is refused.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// An event of the batch is refused, and so all are.
    #[error("event {index}: {error}")]
    Event {
        /// Its place in the batch.
        index: usize,
        /// What is wrong.
        error: EventError,
    },
    /// An event of the batch is too large.
    #[error("event {index} has {bytes} bytes of data; at most {limit} are allowed")]
    EventTooLarge {
        /// Its place in the batch.
        index: usize,
        /// Its data's size.
        bytes: u64,
        /// The tenant's limit.
        limit: u64,
    },
    /// Too much of the tenant waits already.
    #[error("{waiting} of {limit} {what} wait already")]
    TooMuchWaiting {
        /// Events, or bytes of events.
        what: &'static str,
        /// How much waits.
        waiting: u64,
        /// The tenant's limit.
        limit: u64,
        /// When there will be room, as fast as what waits gets less now, in
        /// microseconds; none if never, because it is more than the limit.
        retry_after_us: Option<u64>,
    },
    /// The tenant sends faster than it may.
    #[error("events come faster than {rate} a second, or more than {burst} at once")]
    TooFast {
        /// Events per second that are allowed.
        rate: u64,
        /// Events at once that are allowed beyond that.
        burst: u64,
        /// When as many would be accepted, in microseconds; none if never,
        /// because there are more than the burst.
        retry_after_us: Option<u64>,
    },
    /// The host is behind, and this tenant above its share; or nobody is
    /// served.
    #[error("{}", crate::queue::why(.0))]
    TurnedAway(TurnedAway),
    /// The host has no memory to spare.
    #[error("the host is short of memory, and what was asked for takes much of it")]
    NoMemory,
    /// There are too many uploads already.
    #[error(
        "{usage} of {limit} {} are waiting or being compiled already{}",
        .0.what,
        if .0.of_tenant { ", all of this tenant" } else { "" },
        usage = .0.usage,
        limit = .0.limit
    )]
    UploadsWaiting(Crowded),
    /// As many evaluations are waited for as may be.
    #[error("{}", waited_for(.0))]
    EvaluationsWaiting(NoPlace),
    /// An evaluation was not done in its time.
    #[error("the evaluation was not done within {limit_ms} ms: {so_far}")]
    EvaluateDeadline {
        /// The tenant's limit, in milliseconds.
        limit_ms: u64,
        /// How far it had come.
        so_far: SoFar,
    },
    /// The tenant is paused, or all are.
    #[error("{}", paused(.0.as_ref()))]
    Paused(Option<TenantId>),
    /// The operator paused it, and so only the operator may resume it.
    #[error("the operator has paused {0}")]
    PausedByOperator(String),
    /// The engine is shutting down.
    #[error("the server is shutting down")]
    Draining,
    /// A worker thread cannot be started.
    #[error("a worker thread cannot be started: {0}")]
    Thread(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn paused(tenant: Option<&TenantId>) -> String {
    match tenant {
        Some(tenant) => format!("tenant `{tenant}` is paused, or the host is, and runs nothing"),
        None => "the host is paused and runs nothing".into(),
    }
}

fn closed(cycles: &Cycles) -> String {
    let first = cycles.list.first().map(ToString::to_string);
    let first = first.unwrap_or_default();
    match (cycles.list.len(), cycles.truncated) {
        (0 | 1, false) => format!("a cycle of rules: {first}"),
        (count, false) => format!("{count} cycles of rules; the shortest: {first}"),
        (count, true) => format!("more than {count} cycles of rules; one of them: {first}"),
    }
}

fn waited_for(refused: &NoPlace) -> String {
    match refused {
        NoPlace::OfTenant { limit } => {
            format!("{limit} of {limit} evaluations of the tenant are waited for already")
        }
        NoPlace::OfHost { own, taken, limit } => format!(
            "{taken} of {limit} evaluations of all tenants are waited for already, and of this \
             tenant {own}: who has as many as are left gets no more"
        ),
    }
}
