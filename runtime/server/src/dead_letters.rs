//! Dead letters: work that was given up, with its reason.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ringfence_store::{DeadLetter, DeadLetterFilter};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Access, Read};
use crate::executions::stop_code;
use crate::page::{self, Page};
use crate::path::{Asked, moment_us, parsed};
use crate::problem::Problem;
use crate::wire;

/// Which dead letters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListDeadLetters {
    /// With this stop's code.
    reason: Option<String>,
    /// For this rule.
    rule: Option<String>,
    /// Since this time: RFC 3339, or milliseconds since 1970.
    since: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Items per page, 1 to 500; 50 where it is not said.
    limit: Option<u32>,
}

/// Dead letters, newest first
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/dead-letters", operation_id = "listDeadLetters", tag = "journal",
    params(("tenant" = String, Path, description = "The tenant's name."), ListDeadLetters),
    responses((status = 200, description = "A page of dead letters.", body = Page<wire::DeadLetter>)),
)]
pub(crate) async fn list(
    access: Access<Read>,
    Asked(query): Asked<ListDeadLetters>,
    State(app): State<Arc<App>>,
) -> Result<Json<Page<DeadLetter>>, Problem> {
    let limit = page::size(query.limit)?;
    let before = page::cursor(query.cursor.as_deref())?;
    let reason = query.reason.as_deref();
    let filter = DeadLetterFilter {
        reason: reason.map(|code| stop_code("reason", code)).transpose()?,
        rule: parsed("rule", query.rule.as_deref())?,
        since_us: moment_us("since", query.since.as_deref())?,
    };
    let page = app
        .store()
        .dead_letters(access.tenant(), &filter, before, limit)
        .await?;
    Ok(Json(page.into()))
}
