//! Rules and their versions.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use ringfence_model::{Activation, RuleName, TenantId};
use ringfence_store::VersionRecord;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Access, Read, RulesWrite};
use crate::body::{self, Bound};
use crate::config_schema;
use crate::graph::Said;
use crate::page::{self, Page};
use crate::path::{Asked, RulePath, parsed};
use crate::peer::Peer;
use crate::problem::{Kind, Problem};
use crate::wire;

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rule)]
pub(crate) struct RuleView {
    /// Its name.
    #[schema(value_type = String)]
    rule: RuleName,
    /// The version in force; null if none is.
    #[schema(value_type = Option<wire::Activation>)]
    activation: Option<Activation>,
}

/// A rule with its newest version.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleDetails)]
pub(crate) struct RuleDetails {
    /// Its name.
    #[schema(value_type = String)]
    rule: RuleName,
    /// The version in force; null if none is.
    #[schema(value_type = Option<wire::Activation>)]
    activation: Option<Activation>,
    /// The version uploaded last.
    #[schema(value_type = wire::Version)]
    newest: VersionRecord,
    /// How many versions are kept.
    versions: usize,
    /// Events that wait for it: for the end of its quarantine or of a pause, or
    /// for their turn after that.
    parked: u64,
}

/// A version, and the cycles of rules that it would close if it were activated
/// now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Uploaded)]
pub(crate) struct UploadedView {
    #[serde(flatten)]
    #[schema(value_type = wire::Version)]
    version: VersionRecord,
    #[serde(flatten)]
    closes: Said,
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListPage {
    /// `next` of the page before.
    cursor: Option<String>,
    /// Items per page, 1 to 500; 50 where it is not said.
    limit: Option<u32>,
}

async fn activations(app: &App, tenant: &TenantId) -> Result<Vec<Activation>, Problem> {
    Ok(app.store().activations(tenant).await?)
}

/// A tenant's rules, by name
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/rules", operation_id = "listRules", tag = "rules",
    params(("tenant" = String, Path, description = "The tenant's name."), ListPage),
    responses((status = 200, description = "A page of rules.", body = Page<RuleView>)),
)]
pub(crate) async fn list(
    access: Access<Read>,
    Asked(query): Asked<ListPage>,
    State(app): State<Arc<App>>,
) -> Result<Json<Page<RuleView>>, Problem> {
    let limit = page::size(query.limit)?;
    let after: Option<RuleName> = parsed("cursor", query.cursor.as_deref())?;
    let names = app.store().rules(access.tenant()).await?.into_iter();
    let names = names.filter(|name| after.as_ref().is_none_or(|after| name > after));
    let page = Page::cut(
        names.take(limit as usize + 1).collect(),
        limit,
        RuleName::to_string,
    );
    let active = activations(&app, access.tenant()).await?;
    let items = page.items.into_iter().map(|rule| RuleView {
        activation: active.iter().find(|active| active.rule == rule).cloned(),
        rule,
    });
    Ok(Json(Page {
        items: items.collect(),
        next: page.next,
    }))
}

pub(crate) fn no_rule(path: &RulePath) -> Problem {
    Problem::new(
        Kind::NO_RULE,
        format!("Tenant `{}` has no rule `{}`.", path.tenant, path.rule),
    )
    .hint("A rule comes into being with its first version: `POST .../rules/{rule}/versions`.")
}

/// One rule
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/rules/{rule}", operation_id = "getRule", tag = "rules",
    params(
        ("tenant" = String, Path, description = "The tenant's name."),
        ("rule" = String, Path, description = "The rule's name."),
    ),
    responses((status = 200, description = "The rule.", body = RuleDetails)),
)]
pub(crate) async fn get(
    access: Access<Read, RulePath>,
    State(app): State<Arc<App>>,
) -> Result<Json<RuleDetails>, Problem> {
    let RulePath { tenant, rule } = &access.path;
    let versions = app.store().versions(tenant, rule).await?;
    let count = versions.len();
    let newest = versions.into_iter().next();
    let newest = newest.ok_or_else(|| no_rule(&access.path))?;
    let active = activations(&app, tenant).await?;
    Ok(Json(RuleDetails {
        activation: active.into_iter().find(|active| active.rule == *rule),
        rule: rule.clone(),
        newest,
        versions: count,
        parked: app.engine.parked(tenant, rule),
    }))
}

/// A rule's versions, newest first
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/rules/{rule}/versions", operation_id = "listVersions", tag = "rules",
    params(
        ("tenant" = String, Path, description = "The tenant's name."),
        ("rule" = String, Path, description = "The rule's name."),
        ListPage,
    ),
    responses((status = 200, description = "A page of versions.", body = Page<wire::Version>)),
)]
pub(crate) async fn versions(
    access: Access<Read, RulePath>,
    Asked(query): Asked<ListPage>,
    State(app): State<Arc<App>>,
) -> Result<Json<Page<VersionRecord>>, Problem> {
    let limit = page::size(query.limit)?;
    // The list is in the order of upload, so its position is a cursor that
    // at worst repeats a version when one is uploaded meanwhile.
    let from = page::cursor(query.cursor.as_deref())?.unwrap_or(0);
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let versions = app
        .store()
        .versions(&access.path.tenant, &access.path.rule)
        .await?;
    if versions.is_empty() {
        return Err(no_rule(&access.path));
    }
    let more = versions.len() > from.saturating_add(limit as usize);
    let items = versions.into_iter().skip(from).take(limit as usize);
    Ok(Json(Page {
        items: items.collect(),
        next: more.then(|| (from + limit as usize).to_string()),
    }))
}

/// Nobody reads it; it is in the log.
fn gone() -> Problem {
    Problem::new(
        Kind::BODY_INCOMPLETE,
        "The client closed the connection before its upload was compiled.",
    )
}

/// Upload a version of a rule
///
/// A WebAssembly component, or a core module with the embedded WIT type. It
/// is compiled and asked for its manifest; it is not put in force. The same
/// bytes again give the same version. Uploads wait for their turn to be
/// compiled; a client that closes the connection gives its place up.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/rules/{rule}/versions", operation_id = "uploadVersion", tag = "rules",
    params(
        ("tenant" = String, Path, description = "The tenant's name."),
        ("rule" = String, Path, description = "The rule's name."),
    ),
    request_body(content_type = "application/wasm", description = "The component's bytes."),
    responses(
        (status = 200, description = "The rule had this version already.", body = UploadedView),
        (status = 201, description = "The version is kept.", body = UploadedView),
    ),
)]
pub(crate) async fn upload(
    access: Access<RulesWrite, RulePath>,
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<UploadedView>), Problem> {
    let given = body::content_type(&headers);
    if given != "application/wasm" {
        return Err(body::wrong_type(&given, "application/wasm"));
    }
    let RulePath { tenant, rule } = &access.path;
    let limits = app.engine.upload_limits(tenant, rule)?;
    let bound = Bound {
        bytes: usize::try_from(limits.component_bytes).unwrap_or(usize::MAX),
        kind: Kind::COMPONENT_TOO_LARGE,
        hint: "Build for size (`opt-level = \"s\"`, `strip = true`), or ask the operator to raise `component_bytes`.",
    };
    let bytes = body::declared(&headers).unwrap_or(limits.component_bytes);
    let place = app
        .engine
        .upload_place(tenant, bytes.min(limits.component_bytes))?;
    let held = body::read(access.memory(&app), &headers, body, bound).await?;
    let upload = app.engine.upload(tenant, rule, held.bytes, place);
    let (mut record, created) = tokio::select! {
        uploaded = upload => uploaded?,
        () = peer.gone() => return Err(gone()),
    };
    let schema = record.manifest.config_schema.as_ref();
    if let Some(Err(why)) = schema.map(config_schema::usable) {
        record.warnings.push(format!(
            "`config-schema` cannot be used, so this version cannot be activated: {why}."
        ));
    }
    let closes = app.engine.cycles_closed_by(tenant, &record).await?;
    let (closes, warning) = Said::new(&closes, "would close");
    record.warnings.extend(warning);
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let version = record;
    Ok((status, Json(UploadedView { version, closes })))
}
