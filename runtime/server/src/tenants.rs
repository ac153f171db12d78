//! Tenants.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ringfence_engine::{EngineError, TenantChange};
use ringfence_model::{
    CyclePolicy, Inference, LimitOverrides, Limits, LoopPolicy, Paused, Tenant, TenantId, Webhook,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::alerts;
use crate::app::App;
use crate::auth::{Access, Operator, Read};
use crate::body::JsonBody;
use crate::page::{self, Page};
use crate::path::{Asked, Params, TenantPath, parsed};
use crate::pausing::Receipt;
use crate::problem::{Kind, Problem};
use crate::wire;

/// What a tenant shall be. What is not said stays, or is the default.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PutTenant {
    /// The name of a plan; `standard` always exists.
    plan: Option<String>,
    /// Its own changes to the plan's limits; replaces those it has.
    #[schema(value_type = Option<wire::LimitOverrides>)]
    limits: Option<LimitOverrides>,
    /// What is done when a run would do again what one of its ancestors did:
    /// `stop` (the default), `warn` or `allow`.
    #[schema(value_type = Option<wire::LoopPolicy>)]
    loops: Option<LoopPolicy>,
    /// What is done when an activation closes a cycle of rules: `warn` (the
    /// default), `allow` or `refuse`. It undoes no activation.
    #[schema(value_type = Option<wire::CyclePolicy>)]
    cycles: Option<CyclePolicy>,
    /// What is done about events that come back without lineage: `off` (the
    /// default) or `adopt`.
    #[schema(value_type = Option<wire::Inference>)]
    infer: Option<Inference>,
    /// The event types that each action comes back as; replaces those known.
    /// Names, not patterns, and of actions that some version of the tenant's
    /// rules declares. It undoes no activation.
    causes: Option<BTreeMap<String, Vec<String>>>,
    /// Where its alerts go; null ends that.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<wire::Webhook>)]
    webhook: Option<Option<Webhook>>,
}

/// Tells null from what is not said.
fn said<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<Webhook>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tenant)]
pub(crate) struct TenantView {
    /// Its name.
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,62}$")]
    id: TenantId,
    /// Its plan.
    plan: String,
    /// Its own changes to the plan's limits.
    #[schema(value_type = wire::LimitOverrides)]
    limits: LimitOverrides,
    /// The limits that result.
    #[schema(value_type = wire::LimitsInForce)]
    limits_in_force: Limits,
    /// What is done about loops.
    #[schema(value_type = wire::LoopPolicy)]
    loops: LoopPolicy,
    /// What is done about cycles of rules.
    #[schema(value_type = wire::CyclePolicy)]
    cycles: CyclePolicy,
    /// What is done about events that come back without lineage.
    #[schema(value_type = wire::Inference)]
    infer: Inference,
    /// The event types that each action comes back as.
    causes: BTreeMap<String, Vec<String>>,
    /// Where its alerts go; the secret is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<WebhookView>,
    /// Nothing of it is run; missing where it is not paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<wire::Paused>)]
    paused: Option<Paused>,
    /// Since when, in microseconds since 1970.
    created_us: u64,
}

/// Where alerts go.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookView {
    /// The address.
    url: String,
}

impl TenantView {
    fn new(tenant: Tenant, limits_in_force: Limits) -> Self {
        Self {
            id: tenant.id,
            plan: tenant.plan,
            limits: tenant.limits,
            limits_in_force,
            loops: tenant.policy.loops,
            cycles: tenant.policy.cycles,
            infer: tenant.policy.infer,
            causes: tenant.policy.causes,
            webhook: tenant
                .policy
                .webhook
                .map(|webhook| WebhookView { url: webhook.url }),
            paused: tenant.paused,
            created_us: tenant.created_us,
        }
    }
}

impl From<PutTenant> for TenantChange {
    fn from(body: PutTenant) -> Self {
        Self {
            plan: body.plan,
            limits: body.limits,
            loops: body.loops,
            cycles: body.cycles,
            infer: body.infer,
            causes: body.causes,
            webhook: body.webhook,
        }
    }
}

/// Create or change a tenant
#[utoipa::path(
    put, path = "/v1/tenants/{tenant}", operation_id = "putTenant", tag = "tenants",
    params(("tenant" = String, Path, description = "The tenant's name.")),
    request_body = PutTenant,
    responses(
        (status = 200, description = "It was changed.", body = TenantView),
        (status = 201, description = "It was created.", body = TenantView),
    ),
)]
pub(crate) async fn put(
    _: Operator,
    Params(path): Params<TenantPath>,
    State(app): State<Arc<App>>,
    JsonBody(body): JsonBody<PutTenant>,
) -> Result<(StatusCode, Json<TenantView>), Problem> {
    if let Some(Some(webhook)) = &body.webhook {
        alerts::check(webhook).map_err(EngineError::from)?;
    }
    let (tenant, created) = app.engine.put_tenant(&path.tenant, body.into()).await?;
    let limits = app.engine.limits(&path.tenant)?;
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(TenantView::new(tenant, limits))))
}

/// One tenant
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}", operation_id = "getTenant", tag = "tenants",
    params(("tenant" = String, Path, description = "The tenant's name.")),
    responses((status = 200, description = "The tenant.", body = TenantView)),
)]
pub(crate) async fn get(
    access: Access<Read>,
    State(app): State<Arc<App>>,
) -> Result<Json<TenantView>, Problem> {
    let tenant = app.store().tenant(access.tenant()).await?;
    let tenant = tenant.ok_or_else(|| gone(access.tenant()))?;
    Ok(Json(TenantView::new(tenant, access.limits)))
}

fn gone(tenant: &TenantId) -> Problem {
    Problem::new(Kind::NO_TENANT, format!("There is no tenant `{tenant}`."))
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListTenants {
    /// `next` of the page before.
    cursor: Option<String>,
    /// Items per page, 1 to 500; 50 where it is not said.
    limit: Option<u32>,
}

/// All tenants, by name
#[utoipa::path(
    get, path = "/v1/tenants", operation_id = "listTenants", tag = "tenants",
    params(ListTenants),
    responses((status = 200, description = "A page of tenants.", body = Page<TenantView>)),
)]
pub(crate) async fn list(
    _: Operator,
    Asked(query): Asked<ListTenants>,
    State(app): State<Arc<App>>,
) -> Result<Json<Page<TenantView>>, Problem> {
    let limit = page::size(query.limit)?;
    let after: Option<TenantId> = parsed("cursor", query.cursor.as_deref())?;
    let tenants = app.store().tenants(after.as_ref(), limit + 1).await?;
    let page = Page::cut(tenants, limit, |tenant| tenant.id.to_string());
    // A tenant deleted meanwhile has no limits, and is left out.
    let items = page.items.into_iter().filter_map(|tenant| {
        let limits = app.engine.limits(&tenant.id).ok()?;
        Some(TenantView::new(tenant, limits))
    });
    Ok(Json(Page {
        items: items.collect(),
        next: page.next,
    }))
}

/// Remove a tenant and everything of it
///
/// Its tokens, rules, events, executions and dead letters are gone with it. Its
/// runs are ended within some milliseconds.
#[utoipa::path(
    delete, path = "/v1/tenants/{tenant}", operation_id = "deleteTenant", tag = "tenants",
    params(("tenant" = String, Path, description = "The tenant's name.")),
    responses((status = 200, description = "It is gone.", body = Receipt)),
)]
pub(crate) async fn delete(
    _: Operator,
    Params(path): Params<TenantPath>,
    State(app): State<Arc<App>>,
) -> Result<Json<Receipt>, Problem> {
    let deleted = app.engine.delete_tenant(&path.tenant).await?;
    app.authenticator.forget();
    app.portions.forget(&path.tenant);
    let halted = deleted.ok_or_else(|| gone(&path.tenant))?;
    Ok(Json(halted.into()))
}
