//! Anomalies: what was out of the ordinary about a tenant's traffic.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ringfence_store::AnomalyRecord;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Access, Read};
use crate::page::{self, Page};
use crate::path::Asked;
use crate::problem::Problem;
use crate::wire;

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListAnomalies {
    /// `next` of the page before.
    cursor: Option<String>,
    /// Items per page, 1 to 500; 50 where it is not said.
    limit: Option<u32>,
}

/// Anomalies, newest first
///
/// Those that go on have no `until_us`. At most 1,000 are kept.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/anomalies", operation_id = "listAnomalies", tag = "journal",
    params(("tenant" = String, Path, description = "The tenant's name."), ListAnomalies),
    responses((status = 200, description = "A page of anomalies.", body = Page<wire::Anomaly>)),
)]
pub(crate) async fn list(
    access: Access<Read>,
    Asked(query): Asked<ListAnomalies>,
    State(app): State<Arc<App>>,
) -> Result<Json<Page<AnomalyRecord>>, Problem> {
    let limit = page::size(query.limit)?;
    let before = page::cursor(query.cursor.as_deref())?;
    let page = app
        .store()
        .anomalies(access.tenant(), before, limit)
        .await?;
    Ok(Json(page.into()))
}
