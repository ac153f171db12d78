//! The durable log: events that wait, and the commits that finish them.

use std::sync::Arc;

use async_trait::async_trait;
use ringfence_model::{
    CascadeId, Draw, Effect, EffectId, Event, Execution, ExecutionId, Json, Ledger, RuleName, Stop,
    TenantId, VersionId,
};
use serde::{Deserialize, Serialize};

use crate::Result;

/// An event's place in the log; greater is later.
pub type Seq = u64;

/// What became of an event that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Append {
    /// It is new, and durable.
    Accepted,
    /// The same id was accepted before; nothing changed.
    Duplicate,
}

/// An event that is durable.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Its place.
    pub seq: Seq,
    /// The event.
    pub event: Arc<Event>,
    /// What its cascade has used, if it is not the cascade's root: as
    /// committed before it.
    pub ledger: Ledger,
}

/// Is told of every event that becomes durable and waits, in the order of the
/// log, from one thread. It must be quick and must not call the store.
pub type Feed = Box<dyn Fn(Vec<Accepted>) + Send + Sync>;

/// An event read back from the log, with what is known of it.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Its place.
    pub seq: Seq,
    /// The event.
    pub event: Arc<Event>,
    /// What its cascade has used.
    pub ledger: Ledger,
    /// Decisions already committed for it, from before a restart.
    pub decided: Vec<Decision>,
    /// Whether it has slept, so that something of it was committed even if
    /// nothing was decided.
    pub slept: bool,
}

/// How much of a tenant waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// Whose.
    pub tenant: TenantId,
    /// Events.
    pub events: u64,
    /// Their sizes as by `Event::size`, in bytes.
    pub bytes: u64,
}

/// What was decided about one rule for one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Which rule.
    pub rule: RuleName,
    /// Which version was in force.
    pub version: VersionId,
    /// What was decided.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of one rule for one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// It was run.
    Ran {
        /// The record.
        execution: ExecutionId,
    },
    /// It was run and stopped, or was not run because a budget was used up;
    /// the event is in the dead letters for this rule.
    DeadLettered {
        /// The record, if it was run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        execution: Option<ExecutionId>,
        /// Why.
        stop: Stop,
    },
    /// It was not run, and that is no error.
    Skipped {
        /// Why.
        reason: SkipReason,
    },
}

/// Why a rule that wants an event was not run on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// The activation's `percent` leaves this event out.
    Percent,
    /// It ended the processes that ran it; see its activation.
    Quarantined,
    /// It was taken out of force before the event's turn.
    Deactivated,
}

/// A follow-up event of a run.
#[derive(Debug, Clone)]
pub struct FollowUp {
    /// The event.
    pub event: Arc<Event>,
    /// If the cascade's budget does not allow it: why. It is then kept as a
    /// dead letter and not run.
    pub stop: Option<Stop>,
}

/// What one step of an event's work makes durable, all or nothing. What it
/// leaves in the outbox and the dead letters has the completion's time or,
/// without one, the time when the run began (without a run, the event's).
#[derive(Debug, Clone)]
pub struct RunCommit {
    /// The event's place.
    pub seq: Seq,
    /// The event.
    pub event: Arc<Event>,
    /// The run's record, if there was a run. A record with this id that is
    /// there already makes the whole commit a `Repeated`. What it recalled is
    /// compared with what is remembered now, except for a run stopped by
    /// `state-conflict`.
    pub execution: Option<Arc<Execution>>,
    /// What was decided in this step. A rule version for which the event has
    /// a decision already makes the whole commit a `Repeated`.
    pub decisions: Vec<Decision>,
    /// Follow-up events, in the order of the effects.
    pub follow_ups: Vec<FollowUp>,
    /// What is asked of the host application and what is to be remembered
    /// (`Effect::Act` and `Effect::Remember` only), in the order returned;
    /// empty without an execution.
    pub effects: Vec<(EffectId, Effect)>,
    /// What to add to the cascade's ledger.
    pub draw: Draw,
    /// The bound on what the rule may remember, in bytes: keys and values. A
    /// commit that does not grow it is allowed beyond the bound.
    pub state_bytes_max: u64,
    /// Set when the event has nothing left to do.
    pub completion: Option<Completion>,
    /// With a completion: rules in quarantine, or paused, that the event waits for. It
    /// then is not finished but sleeps; see [`Log::wake`].
    pub parks: Vec<RuleName>,
    /// Whether the event sleeps. If it does not, or does unexpectedly, the
    /// commit is a `Repeated`.
    pub asleep: bool,
}

/// An event that sleeps, because rules that it waits for are in quarantine.
#[derive(Debug, Clone)]
pub struct Sleeping {
    /// Its place.
    pub seq: Seq,
    /// The event.
    pub event: Arc<Event>,
    /// The rules that it waits for.
    pub parked: Vec<RuleName>,
}

/// Which events that sleep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sleepers {
    /// That wait for this rule.
    Of(TenantId, RuleName),
    /// That have been asleep since before this time, in microseconds since
    /// 1970.
    Since(u64),
}

/// An event that slept.
#[derive(Debug, Clone)]
pub struct Woken {
    /// As it waits now.
    pub pending: Pending,
    /// The rules that it slept for.
    pub parked: Vec<RuleName>,
}

/// That an event sleeps for a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Whose.
    pub tenant: TenantId,
    /// Which rule.
    pub rule: RuleName,
    /// The event's place.
    pub seq: Seq,
    /// What it is about.
    pub subject: Option<String>,
}

/// That an event is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// When, in microseconds since 1970.
    pub done_us: u64,
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitOutcome {
    /// All of it is durable.
    Committed,
    /// It had been committed before (or the event is gone with its tenant);
    /// nothing changed.
    Repeated,
    /// A value that the run recalled has changed since; nothing was written.
    /// The run is to be repeated.
    Conflict {
        /// Under which key.
        key: String,
    },
    /// The rule would remember more than it may; nothing was written.
    StateTooLarge {
        /// What it would remember, in bytes.
        bytes: u64,
    },
}

/// The durable log.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// Sets who is told of events that become durable. Once, before the first
    /// append.
    fn attach(&self, feed: Feed);

    /// Makes events durable; all of them or, on an error, none. They must
    /// have passed `Event::check`. Events of tenants that are gone are
    /// answered by `NoTenant`.
    async fn append(&self, events: Vec<Event>) -> Result<Vec<Append>>;

    /// What waits, per tenant.
    async fn backlog(&self) -> Result<Vec<Backlog>>;

    /// A tenant's waiting events in the order of the log, beginning after
    /// `after`: at most `limit`, and none after the one with which they have
    /// `bytes` or more, as by `Event::size`.
    async fn pending(
        &self,
        tenant: &TenantId,
        after: Seq,
        limit: u32,
        bytes: u64,
    ) -> Result<Vec<Pending>>;

    /// Which events sleep for which rules: by tenant, in an order of the store's,
    /// by rule and by place, beginning after `after`.
    async fn parked(&self, after: Option<&Parked>, limit: u32) -> Result<Vec<Parked>>;

    /// Those that sleep for a rule since before `before_us` count as asleep
    /// since `now_us`, both in microseconds since 1970: they sleep for as long
    /// as it takes.
    async fn keep(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
        before_us: u64,
        now_us: u64,
    ) -> Result<()>;

    /// Events that sleep: of one rule, in the order of the log, or those that
    /// have been asleep since before a time (microseconds since 1970), the
    /// longest first.
    async fn sleeping(&self, which: &Sleepers, limit: u32) -> Result<Vec<Sleeping>>;

    /// Lets the first events that wait for a rule go on, in the order of the
    /// log: they wait as others do, and are answered here once. They sleep for
    /// no other rule any more, either.
    async fn wake(&self, tenant: &TenantId, rule: &RuleName, limit: u32) -> Result<Vec<Woken>>;

    /// Makes the results of runs durable, each all or nothing, in this order.
    /// The answers are in the same order.
    async fn commit(&self, commits: Vec<RunCommit>) -> Result<Vec<CommitOutcome>>;

    /// A value that a rule remembers. Called on worker threads during a run:
    /// blocks, briefly.
    fn recall(&self, tenant: &TenantId, rule: &RuleName, key: &str) -> Result<Option<Json>>;

    /// What a cascade has used, as committed.
    async fn ledger(&self, tenant: &TenantId, cascade: CascadeId) -> Result<Ledger>;

    /// Removes finished events, their executions, dead letters and cascades
    /// that ended before this time, at most `limit` events in one go; answers
    /// how many. Events are then no longer recognized as duplicates.
    async fn prune(&self, before_us: u64, limit: u32) -> Result<u64>;

    /// Finishes what was asked for and refuses what comes later.
    async fn close(&self);
}
