//! Activations: putting a version in force.

use std::sync::Arc;

use axum::extract::State;
use ringfence_engine::NewActivation;
use ringfence_model::{Activation, Json, LimitOverrides, LoopPolicy, Mode, VersionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Access, RulesWrite};
use crate::body::{JSON_BYTES_MAX, JsonBody};
use crate::config_schema::{self, CONFIG_BYTES_MAX};
use crate::graph::Said;
use crate::path::RulePath;
use crate::pausing::{Receipt, in_force};
use crate::problem::{Kind, Problem};
use crate::wire;

/// A body with a configuration and all else that it may hold.
const BODY_BYTES_MAX: usize = CONFIG_BYTES_MAX as usize + JSON_BYTES_MAX;

/// A version to put in force.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutActivation {
    /// Which version of the rule.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    version: VersionId,
    /// Given to each run; must satisfy the manifest's `config_schema`, and
    /// may have 64 KiB. `{}` where it is not said.
    #[schema(value_type = Value, required = false)]
    #[serde(default)]
    config: Option<Json>,
    /// Whether effects take place. `enforce` where it is not said.
    #[schema(value_type = wire::Mode, required = false)]
    #[serde(default)]
    mode: Mode,
    /// The share of events to run it on; which ones is decided by the
    /// event's id. 100 where it is not said.
    #[schema(minimum = 1, maximum = 100, required = false)]
    #[serde(default = "all")]
    percent: u8,
    /// Limits to lower.
    #[schema(value_type = wire::RuleLimits, required = false)]
    #[serde(default)]
    limits: LimitOverrides,
    /// What is done when a run would do again what one of its ancestors did,
    /// if otherwise than for the tenant.
    #[schema(value_type = Option<wire::LoopPolicy>, required = false)]
    #[serde(default)]
    loops: Option<LoopPolicy>,
}

/// A version in force, and the cycles of rules that it closes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Activated)]
pub(crate) struct ActivatedView {
    #[serde(flatten)]
    #[schema(value_type = wire::Activation)]
    activation: Activation,
    #[serde(flatten)]
    closed: Said,
    /// What its author should know.
    warnings: Vec<String>,
}

fn all() -> u8 {
    100
}

/// Put a version in force
///
/// From the next event on, in place of the rule's present version. If it
/// closes a cycle of rules, the tenant's policy decides: the answer lists the
/// cycles, or the activation is refused. In shadow it closes none.
#[utoipa::path(
    put, path = "/v1/tenants/{tenant}/rules/{rule}/activation", operation_id = "activate", tag = "rules",
    params(
        ("tenant" = String, Path, description = "The tenant's name."),
        ("rule" = String, Path, description = "The rule's name."),
    ),
    request_body = PutActivation,
    responses((status = 200, description = "It is in force.", body = ActivatedView)),
)]
pub(crate) async fn put(
    access: Access<RulesWrite, RulePath>,
    State(app): State<Arc<App>>,
    JsonBody(body): JsonBody<PutActivation, BODY_BYTES_MAX>,
) -> Result<axum::Json<ActivatedView>, Problem> {
    let RulePath { tenant, rule } = &access.path;
    let record = app.store().version(tenant, rule, body.version).await?;
    let record = record.ok_or_else(|| {
        let version = body.version;
        Problem::new(
            Kind::NO_VERSION,
            format!("Rule `{rule}` of tenant `{tenant}` has no version {version}."),
        )
        .at("version")
        .hint("`GET .../versions` lists the rule's versions.")
    })?;
    let config = body.config.unwrap_or_else(Json::empty_object);
    if config.size() > CONFIG_BYTES_MAX {
        return Err(Problem::new(
            Kind::CONFIG_TOO_LARGE,
            format!(
                "`config` has {} bytes; at most {CONFIG_BYTES_MAX} are allowed.",
                config.size()
            ),
        )
        .at("config")
        .over(CONFIG_BYTES_MAX, config.size()));
    }
    if let Some(schema) = record.manifest.config_schema {
        check(schema, config.clone()).await?;
    }
    let new = NewActivation {
        version: body.version,
        config,
        mode: body.mode,
        percent: body.percent,
        limits: body.limits,
        loops: body.loops,
    };
    let activated = app.engine.activate(tenant, rule, new).await?;
    let (closed, warning) = Said::new(&activated.cycles, "closes");
    Ok(axum::Json(ActivatedView {
        activation: activated.activation,
        closed,
        warnings: warning.into_iter().collect(),
    }))
}

/// On a thread of its own: a large schema takes its time.
async fn check(schema: Json, config: Json) -> Result<(), Problem> {
    tokio::task::spawn_blocking(move || config_schema::check(&schema, &config))
        .await
        .unwrap_or_else(|error| {
            tracing::error!(%error, "checking a configuration failed");
            let detail = "The configuration could not be checked.";
            Err(Problem::new(Kind::INTERNAL, detail))
        })
}

/// End a rule's activation
///
/// Its runs are ended within some milliseconds; their events go on with their
/// other rules. What slept for it is in the dead letters then.
#[utoipa::path(
    delete, path = "/v1/tenants/{tenant}/rules/{rule}/activation", operation_id = "deactivate", tag = "rules",
    params(
        ("tenant" = String, Path, description = "The tenant's name."),
        ("rule" = String, Path, description = "The rule's name."),
    ),
    responses((status = 200, description = "The rule has no version in force.", body = Receipt)),
)]
pub(crate) async fn delete(
    access: Access<RulesWrite, RulePath>,
    State(app): State<Arc<App>>,
) -> Result<axum::Json<Receipt>, Problem> {
    let RulePath { tenant, rule } = &access.path;
    let halted = app.engine.deactivate(tenant, rule).await?;
    in_force(&access.path, halted)
}
