//! The journal of executions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ringfence_model::{Execution, ExecutionId, Status, StopCode};
use ringfence_store::ExecutionFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Access, Read};
use crate::page::{self, Page};
use crate::path::{Asked, IdPath, moment_us, parsed};
use crate::problem::{Kind, Problem};
use crate::wire;

/// Which executions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListExecutions {
    /// Of this rule.
    rule: Option<String>,
    /// `ok`, `stopped`, a stop's code, or `near-limit`: not stopped, and 80 %
    /// or more of a limit used.
    status: Option<String>,
    /// On this event.
    event: Option<String>,
    /// Begun at or after this time: RFC 3339, or milliseconds since 1970.
    since: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Items per page, 1 to 500; 50 where it is not said.
    limit: Option<u32>,
}

impl ListExecutions {
    fn filter(&self) -> Result<ExecutionFilter, Problem> {
        let mut filter = ExecutionFilter::default();
        match self.status.as_deref() {
            None => {}
            Some("ok") => filter.status = Some(Status::Ok),
            Some("stopped") => filter.status = Some(Status::Stopped),
            Some("near-limit") => filter.near_limit = true,
            Some(code) => {
                let stop = stop_code("status", code).map_err(|problem| {
                    problem.hint(format!(
                        "It may be `ok`, `stopped`, `near-limit`, or the code of a stop: {}.",
                        stop_codes()
                    ))
                })?;
                filter.stop = Some(stop);
            }
        }
        Ok(ExecutionFilter {
            rule: parsed("rule", self.rule.as_deref())?,
            event: parsed("event", self.event.as_deref())?,
            since_us: moment_us("since", self.since.as_deref())?,
            ..filter
        })
    }
}

/// A stop's code in a query.
pub(crate) fn stop_code(name: &str, text: &str) -> Result<StopCode, Problem> {
    text.parse().map_err(|error| {
        Problem::new(Kind::INVALID_QUERY, format!("`{name}`: {error}."))
            .at(name)
            .hint(format!("Stop codes are {}.", stop_codes()))
    })
}

fn stop_codes() -> String {
    let codes: Vec<&str> = StopCode::ALL.iter().map(|code| code.as_str()).collect();
    codes.join(", ")
}

/// Executions, newest first
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/executions", operation_id = "listExecutions", tag = "journal",
    params(("tenant" = String, Path, description = "The tenant's name."), ListExecutions),
    responses((status = 200, description = "A page of executions.", body = Page<wire::Execution>)),
)]
pub(crate) async fn list(
    access: Access<Read>,
    Asked(query): Asked<ListExecutions>,
    State(app): State<Arc<App>>,
) -> Result<Json<Page<Execution>>, Problem> {
    let limit = page::size(query.limit)?;
    let before = page::cursor(query.cursor.as_deref())?;
    let filter = query.filter()?;
    let page = app
        .store()
        .executions(access.tenant(), &filter, before, limit)
        .await?;
    Ok(Json(page.into()))
}

/// One execution
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/executions/{id}", operation_id = "getExecution", tag = "journal",
    params(
        ("tenant" = String, Path, description = "The tenant's name."),
        ("id" = String, Path, description = "The execution's id."),
    ),
    responses((status = 200, description = "The execution.", body = wire::Execution)),
)]
pub(crate) async fn get(
    access: Access<Read, IdPath<ExecutionId>>,
    State(app): State<Arc<App>>,
) -> Result<Json<Execution>, Problem> {
    find(&app, &access.path).await.map(Json)
}

pub(crate) async fn find(app: &App, path: &IdPath<ExecutionId>) -> Result<Execution, Problem> {
    let IdPath { tenant, id } = path;
    app.store().execution(tenant, *id).await?.ok_or_else(|| {
        Problem::new(
            Kind::NO_EXECUTION,
            format!("Tenant `{tenant}` has no execution {id}."),
        )
        .hint("The journal keeps executions for a while only.")
    })
}
