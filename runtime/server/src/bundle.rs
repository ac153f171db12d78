//! Bundles: an execution in the shape of a fixture, so that a production run
//! becomes a test by saving it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use ringfence_model::{Effect, Event, Execution, ExecutionId, Json, StopCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Access, Read};
use crate::executions;
use crate::path::IdPath;
use crate::problem::{Kind, Problem};
use crate::wire;

/// All that a run was given, and what it did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Bundle {
    /// Says where it comes from.
    name: String,
    /// The event.
    event: BundleEvent,
    /// The configuration that it was given.
    #[schema(value_type = Value)]
    config: Json,
    /// The remembered values that it asked for and that there were.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    recall: BTreeMap<String, Json>,
    /// The clock that it saw, in milliseconds since 1970.
    now_ms: u64,
    /// What it did.
    expect: Expect,
}

/// The event as a CloudEvent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BundleEvent {
    /// `1.0`.
    specversion: &'static str,
    /// Its id, as its sender gave it.
    id: String,
    /// Where it comes from.
    source: String,
    /// What happened.
    #[serde(rename = "type")]
    ty: String,
    /// The record that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// When it happened, RFC 3339.
    time: String,
    /// The payload.
    #[schema(value_type = Value)]
    data: Json,
}

/// What a run did: its effects, or why it was stopped.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Expect {
    /// It asked for these.
    #[schema(value_type = Vec<wire::Effect>)]
    Effects(Vec<Effect>),
    /// It was stopped so.
    #[schema(value_type = wire::StopCodeText)]
    Stop(StopCode),
}

fn bundle(execution: Execution, event: Event) -> Bundle {
    Bundle {
        name: format!(
            "{} on {}, execution {}",
            execution.rule, event.ty, execution.id
        ),
        config: execution.config,
        recall: execution
            .recalled
            .into_iter()
            .filter_map(|recalled| Some((recalled.key, recalled.value?)))
            .collect(),
        now_ms: event.accepted_us / 1000,
        expect: match execution.stop {
            Some(stop) => Expect::Stop(stop.code),
            None => Expect::Effects(execution.effects),
        },
        event: BundleEvent {
            specversion: "1.0",
            id: event.ce_id,
            source: event.source,
            ty: event.ty,
            subject: event.subject,
            time: event.time,
            data: event.data,
        },
    }
}

/// An execution as a fixture
///
/// In the shape of a fixture for `ringfence test`.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/executions/{id}/bundle", operation_id = "getBundle", tag = "journal",
    params(
        ("tenant" = String, Path, description = "The tenant's name."),
        ("id" = String, Path, description = "The execution's id."),
    ),
    responses((status = 200, description = "The bundle.", body = Bundle)),
)]
pub(crate) async fn get(
    access: Access<Read, IdPath<ExecutionId>>,
    State(app): State<Arc<App>>,
) -> Result<axum::Json<Bundle>, Problem> {
    let execution = executions::find(&app, &access.path).await?;
    let event = app.store().event(access.tenant(), execution.event).await?;
    let event = event.ok_or_else(|| {
        Problem::new(
            Kind::NO_EVENT,
            format!(
                "The event {} of this execution is not kept any more.",
                execution.event
            ),
        )
    })?;
    Ok(axum::Json(bundle(execution, event.event)))
}
