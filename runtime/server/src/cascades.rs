//! Cascades: all that one root event set off.

mod draw;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use ringfence_engine::shares;
use ringfence_model::{CascadeId, Dimension, Ledger, Limits, RuleShare, RunSummary, Stop};
use ringfence_store::{EventRecord, Outcome};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Access, Read};
use crate::drawing::{DOT, Format, MERMAID};
use crate::page;
use crate::path::{Asked, IdPath};
use crate::problem::{Kind, Problem};
use crate::wire;

/// All that one root event set off.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cascade)]
pub(crate) struct CascadeView {
    /// The root event's id.
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    root: CascadeId,
    /// What it used.
    #[schema(value_type = wire::Ledger)]
    ledger: Ledger,
    /// What it may use, by the tenant's present limits.
    #[schema(value_type = wire::Ledger)]
    budget: Ledger,
    /// Its events in the order of the log, the root first. An event's
    /// `lineage.parent` is the execution that led to it.
    #[schema(value_type = Vec<CascadeEvent>)]
    events: Vec<EventRecord>,
    /// Whether there are more than were asked for.
    truncated: bool,
    /// Its executions in the order of their events. `parent` is the execution
    /// that set the run's event off.
    #[schema(value_type = Vec<wire::RunSummary>)]
    runs: Vec<RunSummary>,
    /// Whether there are more than were asked for.
    runs_truncated: bool,
    /// What each rule used, the most fuel first; of the executions shown.
    #[schema(value_type = Vec<wire::RuleShare>)]
    shares: Vec<RuleShare>,
    /// Why something of it was stopped, each reason once; of the events shown.
    stops: Vec<StopOfCascade>,
}

/// Why some of a cascade's work was stopped.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StopOfCascade {
    /// How often.
    count: u64,
    /// The first of them, or the one with evidence.
    #[schema(value_type = wire::Stop)]
    stop: Stop,
}

/// Each reason once.
fn stops(events: &[EventRecord]) -> Vec<StopOfCascade> {
    let mut stops: Vec<StopOfCascade> = Vec::new();
    let all = events.iter().flat_map(|record| {
        let decided = record.decisions.iter();
        let of_rules = decided.filter_map(|decision| match &decision.outcome {
            Outcome::DeadLettered { stop, .. } => Some(stop),
            _ => None,
        });
        record.stop.iter().chain(of_rules)
    });
    for stop in all {
        match stops.iter_mut().find(|known| known.stop.code == stop.code) {
            Some(known) => {
                known.count += 1;
                if known.stop.evidence.is_none() && stop.evidence.is_some() {
                    known.stop = stop.clone();
                }
            }
            None => stops.push(StopOfCascade {
                count: 1,
                stop: stop.clone(),
            }),
        }
    }
    stops
}

/// An event of a cascade.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes `ringfence_store::EventRecord`")]
pub(crate) struct CascadeEvent {
    /// Its place in the log.
    seq: u64,
    /// The event.
    event: wire::Event,
    /// Where it stands.
    state: wire::EventState,
    /// When it was finished, in microseconds since 1970.
    done_us: Option<u64>,
    /// What was decided, per rule that wants it.
    decisions: Vec<CascadeDecision>,
    /// Why the event as a whole was given up.
    #[schema(required = false)]
    stop: Option<wire::Stop>,
}

/// What was decided about one rule for one event.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes `ringfence_store::Decision`")]
pub(crate) struct CascadeDecision {
    /// Which rule.
    rule: String,
    /// Which version was in force.
    version: String,
    /// `ran`, `dead-lettered` or `skipped`.
    outcome: String,
    /// The run, if there was one.
    #[schema(required = false)]
    execution: Option<String>,
    /// Why it is in the dead letters.
    #[schema(required = false)]
    stop: Option<wire::Stop>,
    /// Why it was skipped.
    #[schema(required = false)]
    reason: Option<String>,
}

fn budget(limits: &Limits) -> Ledger {
    Ledger {
        depth: Dimension::Depth.budget(limits),
        executions: Dimension::Executions.budget(limits),
        fuel: Dimension::Fuel.budget(limits),
        events: Dimension::Events.budget(limits),
        bytes: Dimension::Bytes.budget(limits),
    }
}

/// How much of a cascade.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CascadePart {
    /// Events, and as many executions, 1 to 500; 50 where it is not said.
    limit: Option<u32>,
    /// `json` where it is not said; or the tree of executions as text for
    /// `mermaid` or Graphviz (`dot`).
    #[serde(default)]
    #[param(inline, required = false)]
    format: Format,
}

/// What a root event set off
///
/// Its events with what became of each, and what all used together.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/cascades/{id}", operation_id = "getCascade", tag = "journal",
    params(
        ("tenant" = String, Path, description = "The tenant's name."),
        ("id" = String, Path, description = "The root event's id."),
        CascadePart,
    ),
    responses((
        status = 200, description = "The cascade.",
        content(
            (CascadeView = "application/json"),
            (String = "text/plain; charset=utf-8"),
            (String = "text/vnd.graphviz; charset=utf-8"),
        ),
    )),
)]
pub(crate) async fn get(
    access: Access<Read, IdPath<CascadeId>>,
    Asked(query): Asked<CascadePart>,
    State(app): State<Arc<App>>,
) -> Result<Response, Problem> {
    let limit = page::size(query.limit)?;
    let IdPath { tenant, id } = &access.path;
    let record = app.store().cascade(tenant, *id, limit).await?;
    let record = record.ok_or_else(|| {
        Problem::new(
            Kind::NO_CASCADE,
            format!("Tenant `{tenant}` has no cascade with the root event {id}."),
        )
        .hint("A follow-up event's `lineage.cascade` names its root event.")
    })?;
    let (runs, runs_truncated) = app.store().cascade_runs(tenant, *id, limit).await?;
    match query.format {
        Format::Json => {}
        Format::Mermaid => return Ok(MERMAID.answer(draw::mermaid(&record, &runs))),
        Format::Dot => return Ok(DOT.answer(draw::dot(&record, &runs))),
    }
    Ok(Json(CascadeView {
        root: record.root,
        ledger: record.ledger,
        budget: budget(&access.limits),
        stops: stops(&record.events),
        events: record.events,
        truncated: record.truncated,
        shares: shares(&runs),
        runs,
        runs_truncated,
    })
    .into_response())
}
