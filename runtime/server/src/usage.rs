//! How much of a tenant there is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ringfence_model::Limits;
use ringfence_store::Counts;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Access, Read};
use crate::problem::Problem;
use crate::pulse::TenantPulse;
use crate::wire;

/// How much of a tenant there is, and how much there may be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TenantUsage)]
pub(crate) struct TenantUsage {
    /// Its events.
    #[schema(value_type = EventCounts)]
    events: Counts,
    /// Its limits.
    #[schema(value_type = wire::LimitsInForce)]
    limits: Limits,
    /// What its runs set off.
    pulse: TenantPulse,
}

/// How many of a tenant's events are in which state; finished ones are
/// counted as long as they are kept.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes `ringfence_store::Counts`")]
pub(crate) struct EventCounts {
    /// Waiting.
    waiting: u64,
    /// Done without a dead letter.
    done: u64,
    /// Finished with a dead letter.
    dead_lettered: u64,
}

/// How much of a tenant there is
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/usage", operation_id = "getUsage", tag = "tenants",
    params(("tenant" = String, Path, description = "The tenant's name.")),
    responses((status = 200, description = "Its usage.", body = TenantUsage)),
)]
pub(crate) async fn get(
    access: Access<Read>,
    State(app): State<Arc<App>>,
) -> Result<Json<TenantUsage>, Problem> {
    let tenant = access.tenant();
    let pulse = app.engine.pulse(tenant);
    Ok(Json(TenantUsage {
        events: app.store().counts(tenant).await?,
        pulse: TenantPulse::new(pulse, app.engine.is_dampened(tenant)),
        limits: access.limits,
    }))
}
