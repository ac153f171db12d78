//! The journal: questions about what was done.

use async_trait::async_trait;
use ringfence_model::{
    Action, Ancestry, Anomaly, CascadeId, EffectId, Event, EventId, Execution, ExecutionId, Ledger,
    Lineage, RuleName, RunSummary, Status, Stop, StopCode, TenantId, VersionId,
};
use serde::{Deserialize, Serialize};

use crate::{Decision, Result, Seq};

/// One page of a list, newest first unless said otherwise. A page may hold
/// fewer items than asked for, even none, and not be the last: the work for
/// one page is bounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; none on the last.
    pub next: Option<u64>,
}

/// Which executions. Empty fields do not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// Of this rule.
    pub rule: Option<RuleName>,
    /// That ended so.
    pub status: Option<Status>,
    /// That were stopped so.
    pub stop: Option<StopCode>,
    /// Only those that came near a limit without being stopped.
    pub near_limit: bool,
    /// On this event.
    pub event: Option<EventId>,
    /// Begun at or after this time, in microseconds since 1970.
    pub since_us: Option<u64>,
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventState {
    /// Something is still to be done.
    Waiting,
    /// All that was to be done is done.
    Done,
    /// It is finished, and for at least one rule it is in the dead letters.
    DeadLettered,
}

/// What happened to an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Its place in the log.
    pub seq: Seq,
    /// The event.
    pub event: Event,
    /// Where it stands.
    pub state: EventState,
    /// When it was finished, in microseconds since 1970.
    pub done_us: Option<u64>,
    /// What was decided, per rule that wants it.
    pub decisions: Vec<Decision>,
    /// Why the event as a whole was given up: a follow-up that the cascade's
    /// budget did not allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// Rules in quarantine that it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parked: Vec<RuleName>,
}

/// What a root event set off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CascadeRecord {
    /// The root event's id.
    pub root: CascadeId,
    /// What it used.
    pub ledger: Ledger,
    /// Its events in the order of the log, the root first; at most as many as
    /// were asked for.
    pub events: Vec<EventRecord>,
    /// Whether there are more.
    pub truncated: bool,
}

/// A piece of work that was given up, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The place in the list; greater is later.
    pub seq: u64,
    /// Which event.
    pub event: EventId,
    /// For which rule; none if for the event as a whole (a follow-up that the
    /// cascade's budget did not allow).
    pub rule: Option<RuleName>,
    /// Which version.
    pub version: Option<VersionId>,
    /// The run, if there was one.
    pub execution: Option<ExecutionId>,
    /// In which cascade.
    pub cascade: CascadeId,
    /// Why.
    pub stop: Stop,
    /// Since when, in microseconds since 1970.
    pub since_us: u64,
}

/// Which dead letters. Empty fields do not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// With this reason.
    pub reason: Option<StopCode>,
    /// For this rule.
    pub rule: Option<RuleName>,
    /// Since this time, in microseconds since 1970.
    pub since_us: Option<u64>,
}

/// An action that waits for the host application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// The place in the outbox; greater is later.
    pub seq: u64,
    /// Derived, so that a receiver can recognize a repetition.
    pub id: EffectId,
    /// The run that asked for it.
    pub execution: ExecutionId,
    /// By which rule.
    pub rule: RuleName,
    /// On which event.
    pub event: EventId,
    /// In which cascade.
    pub cascade: CascadeId,
    /// The event's depth.
    pub depth: u32,
    /// What to do.
    pub action: Action,
    /// When it was made durable, in microseconds since 1970.
    pub since_us: u64,
}

/// What is known of an execution to whom it is an ancestor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// Which rule was run.
    pub rule: RuleName,
    /// The place of the event that it was run on.
    pub lineage: Lineage,
    /// The runs that led to that event, and this one.
    pub ancestry: Ancestry,
    /// When the run began, in microseconds since 1970.
    pub started_us: u64,
}

/// An anomaly, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnomalyRecord {
    /// The place in the list; greater is later.
    pub seq: u64,
    /// What it is.
    #[serde(flatten)]
    pub anomaly: Anomaly,
}

/// Anomalies kept for one tenant; of more, the oldest go.
pub const ANOMALIES_MAX: u32 = 1_000;

/// How many of a tenant's events are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Waiting.
    pub waiting: u64,
    /// Done without a dead letter.
    pub done: u64,
    /// Finished with a dead letter.
    pub dead_lettered: u64,
}

/// Questions. They see what is committed, and never wait for writers.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// One execution.
    async fn execution(&self, tenant: &TenantId, id: ExecutionId) -> Result<Option<Execution>>;

    /// What events need to know of the execution that led to them; none if it
    /// is not in the journal (any more).
    async fn parent(&self, tenant: &TenantId, id: ExecutionId) -> Result<Option<Parent>>;

    /// The places of these events in their cascades, in this order; none for
    /// those that are not there (any more).
    async fn lineages(&self, tenant: &TenantId, ids: Vec<EventId>) -> Result<Vec<Option<Lineage>>>;

    /// Executions, newest first, beginning before `before`.
    async fn executions(
        &self,
        tenant: &TenantId,
        filter: &ExecutionFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<Execution>>;

    /// What happened to an event.
    async fn event(&self, tenant: &TenantId, id: EventId) -> Result<Option<EventRecord>>;

    /// What a root event set off; none if there is no such root event.
    async fn cascade(
        &self,
        tenant: &TenantId,
        root: CascadeId,
        limit: u32,
    ) -> Result<Option<CascadeRecord>>;

    /// An execution and those that led to it, each with its event, the nearest
    /// first; at most `limit`. Ends where one is not there (any more).
    async fn ancestors(
        &self,
        tenant: &TenantId,
        execution: ExecutionId,
        limit: u32,
    ) -> Result<Vec<(Execution, Event)>>;

    /// A cascade's executions in the order of their events, at most `limit`,
    /// and whether there are more.
    async fn cascade_runs(
        &self,
        tenant: &TenantId,
        root: CascadeId,
        limit: u32,
    ) -> Result<(Vec<RunSummary>, bool)>;

    /// Dead letters, newest first, beginning before `before`.
    async fn dead_letters(
        &self,
        tenant: &TenantId,
        filter: &DeadLetterFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<DeadLetter>>;

    /// Actions that wait, oldest first, beginning after `after`.
    async fn outgoing(&self, tenant: &TenantId, after: u64, limit: u32) -> Result<Page<Outgoing>>;

    /// Removes actions that the host application has taken, up to and with
    /// `up_to`; answers how many.
    async fn acknowledge(&self, tenant: &TenantId, up_to: u64) -> Result<u64>;

    /// How many events are in which state.
    async fn counts(&self, tenant: &TenantId) -> Result<Counts>;

    /// Keeps an anomaly that began; answers its place. The oldest of the
    /// tenant's go beyond [`ANOMALIES_MAX`].
    async fn begin_anomaly(&self, tenant: &TenantId, anomaly: Anomaly) -> Result<u64>;

    /// Keeps what an anomaly was in the end; false if it is not there any
    /// more.
    async fn end_anomaly(&self, tenant: &TenantId, record: AnomalyRecord) -> Result<bool>;

    /// Anomalies, newest first, beginning before `before`.
    async fn anomalies(
        &self,
        tenant: &TenantId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<AnomalyRecord>>;

    /// Anomalies of all tenants that have no end, oldest first; at most
    /// `limit`.
    async fn ongoing_anomalies(&self, limit: u32) -> Result<Vec<(TenantId, AnomalyRecord)>>;

    /// Removes anomalies that ended before this time, in microseconds since
    /// 1970. Looks at the `limit` oldest; answers how many were removed.
    async fn prune_anomalies(&self, before_us: u64, limit: u32) -> Result<u64>;
}
