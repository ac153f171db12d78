//! How stops look in JSON.

use std::borrow::Cow;

use ringfence_model::StopCode;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// A stop's code, stable for programs.
#[derive(Serialize)]
pub(crate) struct StopCodeText;

impl PartialSchema for StopCodeText {
    fn schema() -> RefOr<Schema> {
        let lines: Vec<String> = StopCode::ALL
            .iter()
            .map(|code| format!("- `{code}`: {}", code.meaning().trim()))
            .collect();
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(format!(
                "Why something was stopped.\n{}",
                lines.join("\n")
            )))
            .enum_values(Some(StopCode::ALL.iter().map(|code| code.as_str())))
            .into()
    }
}

impl ToSchema for StopCodeText {
    fn name() -> Cow<'static, str> {
        "StopCode".into()
    }
}

/// That something was stopped, why, and what its author can do.
#[derive(ToSchema)]
pub(crate) struct Stop {
    /// Why.
    code: StopCodeText,
    /// What happened, in one sentence.
    message: String,
    /// The limit that was reached, in its unit.
    #[schema(required = false, nullable = false)]
    limit: Option<u64>,
    /// What was used or asked for, in the same unit.
    #[schema(required = false, nullable = false)]
    usage: Option<u64>,
    /// What to do next.
    #[schema(required = false, nullable = false)]
    hint: Option<String>,
    /// For a trap: the wasm functions that were active, innermost first.
    #[schema(required = false)]
    backtrace: Vec<Frame>,
    /// For what ended a cascade: who took part, and how.
    #[schema(required = false, nullable = false)]
    evidence: Option<Evidence>,
}

/// Who took part in what was stopped.
#[derive(ToSchema)]
pub(crate) struct Evidence {
    /// For a loop: one full turn of it, the run that was stopped last.
    #[schema(required = false)]
    cycle: Vec<CycleStep>,
    /// For a budget: the runs from the root on along which most of it was
    /// used.
    #[schema(required = false)]
    path: Vec<CycleStep>,
    /// What each rule used of the cascade's budget, the most first.
    #[schema(required = false)]
    shares: Vec<RuleShare>,
}

/// One run of a loop.
#[derive(ToSchema)]
pub(crate) struct CycleStep {
    /// Which rule.
    rule: String,
    /// Which version of it.
    version: String,
    /// The type of the event that it was run on.
    event_type: String,
    /// The record that the event is about.
    #[schema(required = false, nullable = false)]
    subject: Option<String>,
}

/// One execution of a cascade.
#[derive(ToSchema)]
pub(crate) struct RunSummary {
    /// Which execution.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    id: String,
    /// On which event.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    event: String,
    /// The execution that set that event off.
    #[schema(required = false, nullable = false, pattern = "^[0-9a-f]{32}$")]
    parent: Option<String>,
    /// The event's depth.
    depth: u32,
    /// The event's type.
    event_type: String,
    /// The record that the event is about.
    #[schema(required = false, nullable = false)]
    subject: Option<String>,
    /// Which rule.
    rule: String,
    /// Which version of it.
    version: String,
    /// Fuel that it used.
    fuel: u64,
    /// Follow-up events that it set off, those that were refused included.
    events: u64,
    /// Why it was stopped.
    #[schema(required = false, nullable = false)]
    stop: Option<StopCodeText>,
}

/// What one rule used of a cascade's budget.
#[derive(ToSchema)]
pub(crate) struct RuleShare {
    /// Which rule.
    rule: String,
    /// Its executions.
    executions: u64,
    /// Their fuel.
    fuel: u64,
    /// Follow-up events that they set off.
    events: u64,
    /// Stops of its own.
    stops: u64,
}

/// One active wasm function.
#[derive(ToSchema)]
pub(crate) struct Frame {
    /// Its name, or its index where the component has no names.
    function: String,
    /// The offset within the module, in bytes.
    offset: Option<u64>,
}
