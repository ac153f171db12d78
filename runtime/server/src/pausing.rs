//! Off and on: a rule, a tenant, or the whole host.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ringfence_engine::Halted;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Access, By, Operator, RulesWrite};
use crate::path::RulePath;
use crate::problem::{Kind, Problem};

/// What was done to the work of what was paused, resumed or removed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PauseReceipt)]
pub(crate) struct Receipt {
    /// Runs that were ended. They have left no record, and are made again from
    /// their beginning when it is resumed.
    interrupted: u64,
    /// Paused: events that wait until it is resumed. Resumed: events that go
    /// on. Removed: events that were given up.
    parked: u64,
}

impl From<Halted> for Receipt {
    fn from(halted: Halted) -> Self {
        Self {
            interrupted: halted.interrupted,
            parked: halted.parked,
        }
    }
}

/// Pause the whole host
///
/// All runs are ended within some milliseconds, and nothing is begun until the
/// host is resumed, also after a restart. Events are accepted as before; who
/// asks for an evaluation is refused.
#[utoipa::path(
    post, path = "/v1/pause", operation_id = "pauseHost", tag = "server",
    responses((status = 200, description = "It is paused.", body = Receipt)),
)]
pub(crate) async fn pause_host(
    _: Operator,
    State(app): State<Arc<App>>,
) -> Result<Json<Receipt>, Problem> {
    Ok(Json(app.engine.pause_host().await?.into()))
}

/// Resume the whole host
///
/// What waits goes on in its order. Tenants and rules that are paused on their
/// own stay so.
#[utoipa::path(
    post, path = "/v1/resume", operation_id = "resumeHost", tag = "server",
    responses((status = 200, description = "It goes on.", body = Receipt)),
)]
pub(crate) async fn resume_host(
    _: Operator,
    State(app): State<Arc<App>>,
) -> Result<Json<Receipt>, Problem> {
    Ok(Json(app.engine.resume_host().await?.into()))
}

/// Pause a tenant
///
/// Its runs are ended within some milliseconds, and nothing of it is begun
/// until it is resumed, also after a restart. Its events are accepted as
/// before, up to its limits; who asks for an evaluation is refused. What the
/// operator has paused only the operator can resume.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/pause", operation_id = "pauseTenant", tag = "tenants",
    params(("tenant" = String, Path, description = "The tenant's name.")),
    responses((status = 200, description = "It is paused.", body = Receipt)),
)]
pub(crate) async fn pause_tenant(
    By(by): By,
    access: Access<RulesWrite>,
    State(app): State<Arc<App>>,
) -> Result<Json<Receipt>, Problem> {
    let halted = app.engine.pause_tenant(access.tenant(), by).await?;
    Ok(Json(halted.into()))
}

/// Resume a tenant
///
/// What waits goes on in its order. Rules that are paused on their own stay
/// so.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/resume", operation_id = "resumeTenant", tag = "tenants",
    params(("tenant" = String, Path, description = "The tenant's name.")),
    responses((status = 200, description = "It goes on.", body = Receipt)),
)]
pub(crate) async fn resume_tenant(
    By(by): By,
    access: Access<RulesWrite>,
    State(app): State<Arc<App>>,
) -> Result<Json<Receipt>, Problem> {
    let halted = app.engine.resume_tenant(access.tenant(), by).await?;
    Ok(Json(halted.into()))
}

/// Pause a rule
///
/// Its runs are ended within some milliseconds, and none is begun until it is
/// resumed, also after a restart and when another version is put in force. Its
/// events sleep for it, and go on with other rules meanwhile.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/rules/{rule}/pause", operation_id = "pauseRule", tag = "rules",
    params(
        ("tenant" = String, Path, description = "The tenant's name."),
        ("rule" = String, Path, description = "The rule's name."),
    ),
    responses((status = 200, description = "It is paused.", body = Receipt)),
)]
pub(crate) async fn pause_rule(
    By(by): By,
    access: Access<RulesWrite, RulePath>,
    State(app): State<Arc<App>>,
) -> Result<Json<Receipt>, Problem> {
    let RulePath { tenant, rule } = &access.path;
    let halted = app.engine.pause_rule(tenant, rule, by).await?;
    in_force(&access.path, halted)
}

/// Resume a rule
///
/// What sleeps for it goes on, and what comes meanwhile after that: the order
/// within a subject stays.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/rules/{rule}/resume", operation_id = "resumeRule", tag = "rules",
    params(
        ("tenant" = String, Path, description = "The tenant's name."),
        ("rule" = String, Path, description = "The rule's name."),
    ),
    responses((status = 200, description = "It goes on.", body = Receipt)),
)]
pub(crate) async fn resume_rule(
    By(by): By,
    access: Access<RulesWrite, RulePath>,
    State(app): State<Arc<App>>,
) -> Result<Json<Receipt>, Problem> {
    let RulePath { tenant, rule } = &access.path;
    let halted = app.engine.resume_rule(tenant, rule, by).await?;
    in_force(&access.path, halted)
}

/// A receipt, if the rule had a version in force.
pub(crate) fn in_force(path: &RulePath, halted: Option<Halted>) -> Result<Json<Receipt>, Problem> {
    let RulePath { tenant, rule } = path;
    let halted = halted.ok_or_else(|| {
        Problem::new(
            Kind::NO_ACTIVATION,
            format!("Rule `{rule}` of tenant `{tenant}` has no version in force."),
        )
    })?;
    Ok(Json(halted.into()))
}
