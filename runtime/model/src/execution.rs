//! Executions: the record of one rule on one event.

use serde::{Deserialize, Serialize};

use crate::{
    CycleStep, Effect, EventId, ExecutionId, Json, Lineage, Meter, Mode, RuleName, RunLimits, Stop,
    StopCode, TenantId, VersionId,
};

/// The journal's entry for one rule on one event. With the event, the
/// activation's configuration and the component it is all that a repetition
/// needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// Derived from event, rule and version.
    pub id: ExecutionId,
    /// Whose rule.
    pub tenant: TenantId,
    /// Which rule.
    pub rule: RuleName,
    /// Which component.
    pub version: VersionId,
    /// On which event.
    pub event: EventId,
    /// The event's place in its cascade.
    pub lineage: Lineage,
    /// Whether its effects take place.
    pub mode: Mode,
    /// How it ended.
    pub status: Status,
    /// Why it was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// What it used.
    pub usage: Usage,
    /// What it might have used: the limits in force for it. Later changes do
    /// not change the record. None in records from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<RunLimits>,
    /// Of which limits it used so much, without being stopped, that it is
    /// marked; see [`RunLimits::near`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near_limits: Vec<Meter>,
    /// When it began, in microseconds since 1970.
    pub started_us: u64,
    /// The configuration that it was given.
    pub config: Json,
    /// What it asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
    /// What it asked the host for: the remembered values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recalled: Vec<Recalled>,
    /// Whether it asked for the clock.
    #[serde(default)]
    pub asked_now: bool,
    /// Whether it asked for randomness.
    #[serde(default)]
    pub asked_random: bool,
    /// What it logged.
    #[serde(default)]
    pub log: Log,
    /// A short fingerprint of what it was given; see [`crate::Ancestry`].
    #[serde(default)]
    pub fingerprint: u32,
    /// If it repeated one of its ancestors and was allowed to: one full turn
    /// of the loop, this run last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycle: Vec<CycleStep>,
}

/// What a tree of executions shows of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Which execution.
    pub id: ExecutionId,
    /// On which event.
    pub event: EventId,
    /// The execution that set that event off; none for the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<ExecutionId>,
    /// The event's depth.
    pub depth: u32,
    /// The event's type.
    pub event_type: String,
    /// The record that the event is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Which rule.
    pub rule: RuleName,
    /// Which version of it.
    pub version: VersionId,
    /// Fuel that it used.
    pub fuel: u64,
    /// Follow-up events that it set off, those that were refused included.
    pub events: u64,
    /// Why it was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopCode>,
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The rule returned its effects.
    Ok,
    /// It was stopped; nothing that it asked for takes place.
    Stopped,
}

impl Status {
    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Stopped => "stopped",
        }
    }
}

/// What an execution used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Fuel charged.
    pub fuel: u64,
    /// The most memory held at once, in bytes.
    pub memory_bytes: u64,
    /// Wall-clock time, in microseconds.
    pub wall_us: u64,
    /// CPU time of the thread that ran it, in microseconds, with making and
    /// undoing its instance. At least what it was; more by a quarter of a
    /// millisecond at most, where the thread had to wait meanwhile.
    #[serde(default)]
    pub cpu_us: u64,
    /// Effects returned.
    pub effects: u64,
    /// Their size, in bytes.
    pub output_bytes: u64,
    /// Log written, in bytes, before it was cut.
    pub log_bytes: u64,
}

/// How much fuel a microsecond of CPU time is: 1 fuel stands for a quarter of a
/// nanosecond, about one clock cycle of the machine that the prices were
/// measured on. `docs/metering.md` has them.
pub const FUEL_PER_MICROSECOND: u64 = 4_000;

impl Usage {
    /// What it took of its tenant's share, in fuel: the fuel charged, or its
    /// CPU time where that was more, so that no run gets more of the host than
    /// it pays for, whatever its instructions are priced at.
    pub fn share(&self) -> u64 {
        self.fuel
            .max(self.cpu_us.saturating_mul(FUEL_PER_MICROSECOND))
    }
}

/// A remembered value that a run asked for, as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recalled {
    /// Under which key.
    pub key: String,
    /// None if nothing was remembered.
    pub value: Option<Json>,
}

/// What a run logged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// In the order written.
    pub lines: Vec<LogLine>,
    /// Whether more was written than the limit keeps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How important.
    pub level: LogLevel,
    /// The text.
    pub message: String,
}

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// For the author while developing.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is off.
    Warn,
    /// Something failed.
    Error,
}
