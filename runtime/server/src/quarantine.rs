//! Rules in quarantine, and the events that wait for them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Access, RulesWrite};
use crate::path::RulePath;
use crate::problem::{Kind, Problem};
use crate::rules::no_rule;

/// What was done with the events that waited for a rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ParkedReceipt)]
pub(crate) struct Receipt {
    /// How many events it concerns.
    events: u64,
}

/// End a rule's quarantine
///
/// Before its time. The events that wait for the rule go on, in order.
#[utoipa::path(
    delete, path = "/v1/tenants/{tenant}/rules/{rule}/quarantine", operation_id = "liftQuarantine", tag = "rules",
    params(
        ("tenant" = String, Path, description = "The tenant's name."),
        ("rule" = String, Path, description = "The rule's name."),
    ),
    responses((status = 200, description = "How many events go on.", body = Receipt)),
)]
pub(crate) async fn lift(
    access: Access<RulesWrite, RulePath>,
    State(app): State<Arc<App>>,
) -> Result<Json<Receipt>, Problem> {
    let RulePath { tenant, rule } = &access.path;
    must_exist(&app, &access.path).await?;
    let lifted = app.engine.lift_quarantine(tenant, rule).await?;
    let events = lifted.ok_or_else(|| {
        Problem::new(
            Kind::NO_QUARANTINE,
            format!("Rule `{rule}` of tenant `{tenant}` is not in quarantine."),
        )
    })?;
    Ok(Json(Receipt { events }))
}

async fn must_exist(app: &App, path: &RulePath) -> Result<(), Problem> {
    let versions = app.store().versions(&path.tenant, &path.rule).await?;
    if versions.is_empty() {
        return Err(no_rule(path));
    }
    Ok(())
}

/// Give up what waits for a rule in quarantine
///
/// The events are in the dead letters for this rule then, with the reason
/// `quarantined`. What else is to be done for them is done.
#[utoipa::path(
    delete, path = "/v1/tenants/{tenant}/rules/{rule}/parked", operation_id = "discardParked", tag = "rules",
    params(
        ("tenant" = String, Path, description = "The tenant's name."),
        ("rule" = String, Path, description = "The rule's name."),
    ),
    responses((status = 200, description = "How many events were given up.", body = Receipt)),
)]
pub(crate) async fn discard(
    access: Access<RulesWrite, RulePath>,
    State(app): State<Arc<App>>,
) -> Result<Json<Receipt>, Problem> {
    let RulePath { tenant, rule } = &access.path;
    must_exist(&app, &access.path).await?;
    let events = app.engine.discard_parked(tenant, rule).await?;
    Ok(Json(Receipt { events }))
}
