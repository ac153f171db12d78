//! Health and metrics.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Operator;
use crate::problem::{Kind, Problem};
use crate::refusals::shutting_down;

/// That all is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
}

const OK: Json<Health> = Json(Health { status: "ok" });

/// Whether the process answers
#[utoipa::path(
    get, path = "/healthz", operation_id = "getHealth", tag = "server",
    responses((status = 200, description = "It does.", body = Health)),
)]
pub(crate) async fn healthz() -> Json<Health> {
    OK
}

/// Whether the server takes work
///
/// Not while it shuts down, nor while its storage does not answer.
#[utoipa::path(
    get, path = "/readyz", operation_id = "getReadiness", tag = "server",
    responses((status = 200, description = "It does.", body = Health)),
)]
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<Json<Health>, Problem> {
    if *app.stopping.borrow() {
        return Err(shutting_down());
    }
    app.store().tenants(None, 1).await?;
    Ok(OK)
}

/// Metrics in the OpenMetrics text format
#[utoipa::path(
    get, path = "/metrics", operation_id = "getMetrics", tag = "server",
    responses((
        status = 200, description = "All metrics.", body = String,
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )),
)]
pub(crate) async fn metrics(_: Operator, State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let text = app
        .metrics
        .text(app.engine.stats(), &app.engine.vital_signs())
        .map_err(|error| {
            tracing::error!(%error, "writing metrics failed");
            Problem::new(Kind::INTERNAL, "The metrics could not be written.")
        })?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
