//! The interface; split into files as it is built.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ringfence_model::{
    Activation, Effect, Event, EventError, EventId, Json, LimitError, LimitOverrides, Limits, Mode,
    RuleName, Stop, StopCode, Tenant, TenantId, Usage, VersionId,
};
use ringfence_sandbox::{Sandbox, UploadError};
use ringfence_store::{Append, PutVersion, Store, StoreError};

/// Tells the time. The process has one.
pub trait Clock: Send + Sync + 'static {
    /// Microseconds since 1970.
    fn now_us(&self) -> u64;
}

/// The machine's clock, kept from going backwards.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> u64 {
        unimplemented!()
    }
}

/// How the engine is set up.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Worker threads; one per core by default.
    pub workers: usize,
    /// Plans by name; `standard` is always there.
    pub plans: BTreeMap<String, Limits>,
    /// Events of one tenant held in memory; the rest waits on disk.
    pub window_events: usize,
    /// How long finished events and their journal are kept, in seconds.
    pub retention_s: u64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        unimplemented!()
    }
}

/// Is told what happens, for metrics. Called from worker and commit threads:
/// must be quick.
pub trait Observer: Send + Sync + 'static {
    /// An execution was committed.
    fn executed(
        &self,
        _tenant: &TenantId,
        _rule: &RuleName,
        _usage: &Usage,
        _stop: Option<StopCode>,
    ) {
    }
    /// An event is finished, and that is durable.
    fn done(&self, _event: &EventDone<'_>) {}
}

/// An event is finished.
#[derive(Debug)]
pub struct EventDone<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// Which.
    pub event: EventId,
    /// Its depth; 0 for a root event.
    pub depth: u32,
    /// When it was accepted, in microseconds since 1970.
    pub accepted_us: u64,
    /// When its end was durable.
    pub durable_us: u64,
}

/// A version to put in force.
#[derive(Debug, Clone)]
pub struct NewActivation {
    /// Which.
    pub version: VersionId,
    /// Its configuration; the caller has checked it against the schema.
    pub config: Json,
    /// Whether effects take place.
    pub mode: Mode,
    /// The share of events, 1 to 100.
    pub percent: u8,
    /// Limits to lower.
    pub limits: LimitOverrides,
}

/// One rule's part in an evaluation.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// Which rule.
    pub rule: RuleName,
    /// Which version.
    pub version: VersionId,
    /// In which mode it is in force.
    pub mode: Mode,
    /// Its effects, or why it was stopped.
    pub outcome: Result<Vec<Effect>, Stop>,
    /// What it used.
    pub usage: Usage,
    /// What it logged.
    pub log: ringfence_model::Log,
}

/// What is going on now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stats {
    /// Tenants known.
    pub tenants: u64,
    /// Events that wait, in memory and on disk.
    pub waiting: u64,
    /// Executions running.
    pub running: u64,
    /// Results on their way to the disk.
    pub committing: u64,
}

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
    /// The rule has no such version.
    #[error("rule `{rule}` has no version {version}")]
    NoVersion {
        /// Which rule.
        rule: RuleName,
        /// Which version.
        version: VersionId,
    },
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
    },
    /// The engine is shutting down.
    #[error("the server is shutting down")]
    Draining,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    _inner: Arc<()>,
}

impl Engine {
    /// Recovers what waits, and starts the workers.
    pub async fn start(
        _store: Arc<dyn Store>,
        _sandbox: Sandbox,
        _clock: Arc<dyn Clock>,
        _observer: Arc<dyn Observer>,
        _config: EngineConfig,
    ) -> Result<Self, EngineError> {
        unimplemented!()
    }

    /// The store, for questions.
    pub fn store(&self) -> &Arc<dyn Store> {
        unimplemented!()
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        unimplemented!()
    }

    /// Creates a tenant or changes its plan and overrides; true if it is new.
    /// A plan that is not named stays, or is `standard`.
    pub async fn put_tenant(
        &self,
        _tenant: &TenantId,
        _plan: Option<String>,
        _limits: Option<LimitOverrides>,
    ) -> Result<(Tenant, bool), EngineError> {
        unimplemented!()
    }

    /// Removes a tenant and everything of it; false if there is none.
    pub async fn delete_tenant(&self, _tenant: &TenantId) -> Result<bool, EngineError> {
        unimplemented!()
    }

    /// The limits in force for a tenant.
    pub fn limits(&self, _tenant: &TenantId) -> Result<Limits, EngineError> {
        unimplemented!()
    }

    /// Inspects a component and keeps it as a version of a rule. The second
    /// upload of the same bytes answers the first's record.
    pub async fn upload(
        &self,
        _tenant: &TenantId,
        _rule: &RuleName,
        _component: Bytes,
    ) -> Result<(ringfence_store::VersionRecord, PutVersion), EngineError> {
        unimplemented!()
    }

    /// Puts a version in force, from the next event on.
    pub async fn activate(
        &self,
        _tenant: &TenantId,
        _rule: &RuleName,
        _new: NewActivation,
    ) -> Result<Activation, EngineError> {
        unimplemented!()
    }

    /// Ends a rule's activation; false if it has none.
    pub async fn deactivate(
        &self,
        _tenant: &TenantId,
        _rule: &RuleName,
    ) -> Result<bool, EngineError> {
        unimplemented!()
    }

    /// A tenant's activations with what their versions declare, by rule.
    pub fn activations(
        &self,
        _tenant: &TenantId,
    ) -> Result<Vec<(Arc<Activation>, Arc<ringfence_model::Manifest>)>, EngineError> {
        unimplemented!()
    }

    /// Accepts root events: all or none. They are durable when this answers.
    pub async fn accept(
        &self,
        _tenant: &TenantId,
        _events: Vec<Event>,
    ) -> Result<Vec<Append>, EngineError> {
        unimplemented!()
    }

    /// Runs the matching rules on an event now and answers what they would
    /// do. Nothing is kept.
    pub async fn evaluate(
        &self,
        _tenant: &TenantId,
        _event: Event,
    ) -> Result<Vec<Evaluated>, EngineError> {
        unimplemented!()
    }

    /// What is going on now.
    pub fn stats(&self) -> Stats {
        unimplemented!()
    }

    /// Accepts nothing more, finishes what runs, makes it durable, and stops
    /// the workers. What waits stays in the store.
    pub async fn drain(&self) {
        unimplemented!()
    }
}
