//! The vocabulary of Ringfence: tenants, rules, versions, events, effects,
//! limits, cascades, executions and stops. Data and its validation, nothing
//! else: no clock, no I/O, no decision.

mod activation;
mod ancestry;
mod anomaly;
mod effect;
mod event;
mod execution;
mod id;
mod json;
mod ledger;
mod limits;
mod lineage;
mod manifest;
mod meter;
mod name;
mod pause;
mod policy;
mod stop;
mod tenant;
mod text;

pub use activation::{Activation, Mode, Quarantine};
pub use ancestry::{ANCESTORS_MAX, Ancestry};
pub use anomaly::{Anomaly, AnomalyEdge, AnomalyEnd, AnomalyKind, EventRate, Reproduction};
pub use effect::{Action, Effect, Entry, NewEvent};
pub use event::{Event, EventError, Lineage, Origin};
pub use execution::{
    Execution, FUEL_PER_MICROSECOND, Log, LogLevel, LogLine, Recalled, RunSummary, Status, Usage,
};
pub use id::{CascadeId, Digest, EffectId, EventId, ExecutionId, IdError, VersionId};
pub use json::{Json, JsonError};
pub use ledger::{Dimension, Draw, Ledger};
pub use limits::{LimitError, LimitInfo, LimitOverrides, LimitScope, Limits};
pub use lineage::{LineageError, LineageKey, LineageToken};
pub use manifest::{Manifest, ManifestError, Trigger, pattern_matches};
pub use meter::{Meter, RunLimits};
pub use name::{NameError, RuleName, TenantId};
pub use pause::{Paused, PausedBy};
pub use policy::{CyclePolicy, Inference, LoopPolicy, Policy, PolicyError, Webhook};
pub use stop::{CycleStep, Evidence, Frame, RuleShare, Stop, StopCode};
pub use tenant::{Plan, Scope, Tenant, Token};
pub use text::{excerpt, grouped};
