//! Health and metrics.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ringfence_engine::{Level, Pressure};
use ringfence_model::Paused;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Operator;
use crate::problem::{Problem, ProblemBody};
use crate::wire;

/// That all is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
}

/// Whether the process answers
#[utoipa::path(
    get, path = "/healthz", operation_id = "getHealth", tag = "server",
    responses((status = 200, description = "It does.", body = Health)),
)]
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the server takes work, and how near it is to taking none.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ready`; `behind`: tenants above their share are turned away;
    /// `overloaded`: everybody is; `draining`: the server is shutting down.
    status: &'static str,
    /// The least that a tenant had to wait for its turn a moment ago, in
    /// microseconds; 0 if nobody waits.
    queueing_us: u64,
    /// From when on that is too long: if it stays so, the host is behind.
    queueing_target_us: u64,
    /// Memory of the server and its processes, in bytes.
    memory_bytes: u64,
    /// From when on that is too much; null if nothing is.
    memory_watermark_bytes: Option<u64>,
    /// The host is paused: it accepts events and runs none. Missing if it is
    /// not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<wire::Paused>)]
    paused: Option<Paused>,
}

impl Readiness {
    fn new(status: &'static str, pressure: &Pressure, paused: Option<Paused>) -> Self {
        let watermark = pressure.memory_watermark_bytes;
        Self {
            status,
            queueing_us: pressure.queueing_us,
            queueing_target_us: pressure.queueing_target_us,
            memory_bytes: pressure.memory_bytes,
            memory_watermark_bytes: (watermark < u64::MAX).then_some(watermark),
            paused,
        }
    }
}

/// Whether the server takes work
///
/// Not while it shuts down, nor while its storage does not answer, nor while
/// the host is overloaded. While the host is only behind, most tenants are
/// served, so this is 200 and says so. While it is paused, too: it accepts
/// events.
#[utoipa::path(
    get, path = "/readyz", operation_id = "getReadiness", tag = "server",
    responses(
        (status = 200, description = "It does.", body = Readiness),
        (status = 503, description = "It does not.", content(
            (Readiness = "application/json"),
            (ProblemBody = "application/problem+json"),
        )),
    ),
)]
pub(crate) async fn readyz(
    State(app): State<Arc<App>>,
) -> Result<(StatusCode, Json<Readiness>), Problem> {
    let pressure = app.engine.pressure();
    let (code, status) = if *app.stopping.borrow() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else {
        app.store().tenants(None, 1).await?;
        match pressure.level {
            Level::Fine => (StatusCode::OK, "ready"),
            Level::Behind => (StatusCode::OK, "behind"),
            Level::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        }
    };
    Ok((
        code,
        Json(Readiness::new(status, &pressure, app.engine.host_paused())),
    ))
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
    let text = app.metrics.scrape(&app.engine).await?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
