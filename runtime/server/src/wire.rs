//! How the vocabulary looks in JSON, for the OpenAPI document.
//!
//! The types of `ringfence-model` and `ringfence-store` serialize themselves;
//! the structures here only describe them, and are never made. Tests hold
//! real answers against the document, so a description that is wrong in a
//! name, a type or what is required fails them.
#![allow(dead_code)]

mod anomalies;
mod limits;
mod policy;
mod stops;

use utoipa::ToSchema;

pub(crate) use anomalies::Anomaly;
pub(crate) use limits::{LimitOverrides, LimitsInForce, RuleLimits};
pub(crate) use policy::{CyclePolicy, Inference, LoopPolicy, Webhook};
pub(crate) use stops::{CycleStep, RuleShare, RunSummary, Stop, StopCodeText};

/// Whether a run's effects take place.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// They do.
    Enforce,
    /// They are recorded only.
    Shadow,
}

/// A rule's version in force.
#[derive(ToSchema)]
pub(crate) struct Activation {
    /// Which rule.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,62}$")]
    rule: String,
    /// Which component: the digest of its bytes.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    version: String,
    /// Given to each run.
    #[schema(value_type = Value)]
    config: (),
    /// Whether effects take place.
    mode: Mode,
    /// The share of events that it is run on.
    #[schema(minimum = 1, maximum = 100)]
    percent: u8,
    /// Limits that the rule lowers.
    limits: RuleLimits,
    /// What is done about its loops, if otherwise than for its tenant.
    #[schema(required = false, nullable = false)]
    loops: Option<LoopPolicy>,
    /// Since when, in microseconds since 1970.
    activated_us: u64,
    /// Why it is not run now. Activating it again lifts this.
    #[schema(required = false, nullable = false)]
    quarantine: Option<Quarantine>,
    /// Somebody has paused it. Activating it again does not lift this.
    #[schema(required = false, nullable = false)]
    paused: Option<Paused>,
}

/// That something is not run until somebody resumes it.
#[derive(ToSchema)]
pub(crate) struct Paused {
    /// Since when, in microseconds since 1970.
    since_us: u64,
    /// Who paused it. What the operator has paused, a tenant cannot resume.
    by: PausedBy,
}

/// Who paused something.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(crate) enum PausedBy {
    /// The tenant, by a token of its own.
    Tenant,
    /// The operator.
    Operator,
}

/// That a rule is not run any more, with the evidence.
#[derive(ToSchema)]
pub(crate) struct Quarantine {
    /// Since when, in microseconds since 1970.
    since_us: u64,
    /// How the run ended that led to it.
    stop: Stop,
    /// Until when, in microseconds since 1970; it is then tried with one run.
    /// Missing if it lasts until the rule is activated again.
    #[schema(required = false, nullable = false)]
    until_us: Option<u64>,
    /// How many times in a row it has come to this.
    times: u32,
}

/// What a rule declares about itself.
#[derive(ToSchema)]
pub(crate) struct Manifest {
    /// The events that it wants.
    triggers: Vec<Trigger>,
    /// The event types that it may emit; a final `*` stands for any ending.
    emits: Vec<String>,
    /// The actions that it may ask for; a final `*` stands for any ending.
    acts: Vec<String>,
    /// A JSON Schema for its configuration.
    #[schema(value_type = Value, required = false)]
    config_schema: (),
    /// One sentence for people.
    summary: String,
}

/// A wanted event type.
#[derive(ToSchema)]
pub(crate) struct Trigger {
    /// A type; a final `*` stands for any ending.
    #[schema(rename = "type")]
    ty: String,
    /// JSON pointers to data that do not count when two events are compared.
    #[schema(required = false)]
    ignore: Vec<String>,
}

/// One uploaded component of a rule.
#[derive(ToSchema)]
pub(crate) struct Version {
    /// Of which rule.
    rule: String,
    /// The digest of its bytes.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    version: String,
    /// What it declares.
    manifest: Manifest,
    /// What it imports, by name.
    imports: Vec<String>,
    /// Its size as uploaded, in bytes.
    size: u64,
    /// How long compiling took, in milliseconds.
    compile_ms: u64,
    /// What its author should know.
    warnings: Vec<String>,
    /// When it was uploaded first, in microseconds since 1970.
    uploaded_us: u64,
}

/// One thing that a run asks for.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(crate) enum Effect {
    /// A follow-up event.
    Emit(NewEvent),
    /// Something for the host application to do.
    Act(Action),
    /// A value to remember.
    Remember(Entry),
}

/// A follow-up event.
#[derive(ToSchema)]
pub(crate) struct NewEvent {
    /// Its type.
    #[schema(rename = "type")]
    ty: String,
    /// The record that it is about.
    subject: Option<String>,
    /// Its payload.
    #[schema(value_type = Value)]
    data: (),
}

/// A request to the host application.
#[derive(ToSchema)]
pub(crate) struct Action {
    /// What to do.
    name: String,
    /// With what.
    #[schema(value_type = Value)]
    payload: (),
}

/// A key and the value to remember under it.
#[derive(ToSchema)]
pub(crate) struct Entry {
    /// At most 256 bytes.
    key: String,
    /// Null forgets the key.
    #[schema(value_type = Value)]
    value: (),
}

/// An accepted event.
#[derive(ToSchema)]
pub(crate) struct Event {
    /// Ringfence's own id, derived from tenant, source and the event's id.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    id: String,
    /// Whose event it is.
    tenant: String,
    /// The CloudEvents `id`.
    ce_id: String,
    /// The CloudEvents `source`; for a follow-up, `/ringfence/rules/RULE`.
    source: String,
    /// The CloudEvents `type`.
    #[schema(rename = "type")]
    ty: String,
    /// The CloudEvents `subject`.
    subject: Option<String>,
    /// The CloudEvents `time`.
    time: String,
    /// The payload.
    #[schema(value_type = Value)]
    data: (),
    /// When it was accepted, in microseconds since 1970.
    accepted_us: u64,
    /// Where it comes from.
    lineage: Lineage,
}

/// An event's place in its cascade.
#[derive(ToSchema)]
pub(crate) struct Lineage {
    /// The root event's id.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    cascade: String,
    /// How many executions stand between the root event and this one.
    depth: u32,
    /// The execution that led to it.
    #[schema(required = false, pattern = "^[0-9a-f]{32}$")]
    parent: Option<String>,
    /// How it came about.
    origin: Origin,
}

/// How an event came about.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(crate) enum Origin {
    /// From outside; nothing here led to it.
    Root,
    /// A rule emitted it.
    Emitted,
    /// From outside, with the lineage of an action that a rule asked for.
    Returned,
    /// From outside, and taken for what an action that a rule asked for
    /// caused.
    Inferred,
}

/// How an execution ended.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// The rule returned its effects.
    Ok,
    /// It was stopped; nothing that it asked for takes place.
    Stopped,
}

/// One rule on one event.
#[derive(ToSchema)]
pub(crate) struct Execution {
    /// Derived from event, rule and version.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    id: String,
    /// Whose rule.
    tenant: String,
    /// Which rule.
    rule: String,
    /// Which component.
    version: String,
    /// On which event.
    event: String,
    /// The event's place in its cascade.
    lineage: Lineage,
    /// Whether its effects take place.
    mode: Mode,
    /// How it ended.
    status: Status,
    /// Why it was stopped.
    #[schema(required = false)]
    stop: Option<Stop>,
    /// What it used.
    usage: Usage,
    /// What it might have used: the limits in force for it. Missing in
    /// records of versions that did not keep it.
    #[schema(required = false, nullable = false)]
    limits: Option<RunLimits>,
    /// The limits of which it used 80 % or more without being stopped.
    #[schema(required = false)]
    near_limits: Vec<Meter>,
    /// When it began, in microseconds since 1970.
    started_us: u64,
    /// The configuration that it was given.
    #[schema(value_type = Value)]
    config: (),
    /// What it asked for.
    #[schema(required = false)]
    effects: Vec<Effect>,
    /// The remembered values that it asked for.
    #[schema(required = false)]
    recalled: Vec<Recalled>,
    /// Whether it asked for the clock.
    asked_now: bool,
    /// Whether it asked for randomness.
    asked_random: bool,
    /// What it logged.
    log: Log,
    /// A short fingerprint of what it was given, by which loops are looked
    /// for.
    fingerprint: u32,
    /// If it repeated one of its ancestors and was allowed to: one full turn
    /// of the loop.
    #[schema(required = false)]
    cycle: Vec<CycleStep>,
}

/// What an execution used.
#[derive(ToSchema)]
pub(crate) struct Usage {
    /// Fuel charged.
    fuel: u64,
    /// The most memory held at once, in bytes.
    memory_bytes: u64,
    /// Wall-clock time, in microseconds.
    wall_us: u64,
    /// CPU time, in microseconds.
    cpu_us: u64,
    /// Effects returned.
    effects: u64,
    /// Their size, in bytes.
    output_bytes: u64,
    /// Log written, in bytes, before it was cut.
    log_bytes: u64,
}

/// What one run may use, under the names of the limits.
#[derive(ToSchema)]
pub(crate) struct RunLimits {
    /// Fuel: the rule's limit, or what its cascade had left.
    fuel: u64,
    /// Wall-clock time, in milliseconds.
    deadline_ms: u64,
    /// Memory, in bytes.
    memory_bytes: u64,
    /// All effects together, in bytes.
    output_bytes: u64,
    /// Effects.
    effects: u64,
    /// Log, in bytes.
    log_bytes: u64,
}

/// The name of a limit that each run is measured by.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Meter {
    /// Fuel.
    Fuel,
    /// Wall-clock time.
    DeadlineMs,
    /// Memory.
    MemoryBytes,
    /// The size of its effects.
    OutputBytes,
    /// Their number.
    Effects,
    /// Log.
    LogBytes,
}

/// A remembered value that a run asked for.
#[derive(ToSchema)]
pub(crate) struct Recalled {
    /// Under which key.
    key: String,
    /// Null if nothing was remembered.
    #[schema(value_type = Value)]
    value: (),
}

/// What a run logged.
#[derive(ToSchema)]
pub(crate) struct Log {
    /// In the order written.
    lines: Vec<LogLine>,
    /// Whether more was written than the limit keeps.
    #[schema(required = false)]
    truncated: bool,
}

/// One line of a log.
#[derive(ToSchema)]
pub(crate) struct LogLine {
    /// How important.
    level: LogLevel,
    /// The text.
    message: String,
}

/// How important a line is.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(crate) enum LogLevel {
    /// For the author while developing.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is off.
    Warn,
    /// Something failed.
    Error,
}

/// Where an event stands.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(crate) enum EventState {
    /// Something is still to be done.
    Waiting,
    /// All that was to be done is done.
    Done,
    /// It is finished, and for at least one rule in the dead letters.
    DeadLettered,
}

/// What a cascade has used.
#[derive(ToSchema)]
pub(crate) struct Ledger {
    /// The greatest depth of an event.
    depth: u64,
    /// Executions.
    executions: u64,
    /// Fuel.
    fuel: u64,
    /// Follow-up events.
    events: u64,
    /// Their size, in bytes.
    bytes: u64,
}

/// A piece of work that was given up, with its reason.
#[derive(ToSchema)]
pub(crate) struct DeadLetter {
    /// The place in the list; greater is later.
    seq: u64,
    /// Which event.
    event: String,
    /// For which rule; null if for the event as a whole.
    rule: Option<String>,
    /// Which version.
    version: Option<String>,
    /// The run, if there was one.
    execution: Option<String>,
    /// In which cascade.
    cascade: String,
    /// Why.
    stop: Stop,
    /// Since when, in microseconds since 1970.
    since_us: u64,
}

/// An action that waits for the host application.
#[derive(ToSchema)]
pub(crate) struct Outgoing {
    /// The place in the outbox; greater is later.
    seq: u64,
    /// Derived, so that a repetition can be recognized.
    id: String,
    /// The run that asked for it.
    execution: String,
    /// By which rule.
    rule: String,
    /// On which event.
    event: String,
    /// In which cascade.
    cascade: String,
    /// The event's depth.
    depth: u32,
    /// What to do.
    action: Action,
    /// When it was made durable, in microseconds since 1970.
    since_us: u64,
    /// What events that it causes are sent with: a signed text that names its
    /// cascade, its run and the depth, and expires. It is another each time.
    #[schema(pattern = "^[A-Za-z0-9_-]{92}$")]
    lineage: String,
}

/// A CloudEvent 1.0 in JSON. Extension attributes are accepted.
#[derive(ToSchema)]
pub(crate) struct CloudEvent {
    /// `1.0`.
    specversion: String,
    /// With `source`, unique for its sender; at most 256 bytes.
    id: String,
    /// Where it comes from; at most 1 KiB.
    source: String,
    /// What happened; at most 256 bytes.
    #[schema(rename = "type")]
    ty: String,
    /// The record that it is about; at most 1 KiB. Events of one subject are
    /// run in the order accepted.
    subject: Option<String>,
    /// RFC 3339; when it is accepted where it is not said.
    time: Option<String>,
    /// JSON or text; JSON where it is not said.
    datacontenttype: Option<String>,
    /// The `lineage` of the effect that caused it.
    ringfencelineage: Option<String>,
    /// The payload.
    #[schema(value_type = Value, required = false)]
    data: (),
    /// The payload in base64, in place of `data`.
    data_base64: Option<String>,
}
