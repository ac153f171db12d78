//! Cascades: all that one root event set off.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ringfence_model::{CascadeId, Dimension, Ledger, Limits};
use ringfence_store::EventRecord;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Access, Read};
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
    /// Events, 1 to 500; 50 where it is not said.
    limit: Option<u32>,
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
    responses((status = 200, description = "The cascade.", body = CascadeView)),
)]
pub(crate) async fn get(
    access: Access<Read, IdPath<CascadeId>>,
    Asked(query): Asked<CascadePart>,
    State(app): State<Arc<App>>,
) -> Result<Json<CascadeView>, Problem> {
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
    Ok(Json(CascadeView {
        root: record.root,
        ledger: record.ledger,
        budget: budget(&access.limits),
        events: record.events,
        truncated: record.truncated,
    }))
}
