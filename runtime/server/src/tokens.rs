//! Tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringfence_model::{Digest, Scope, TenantId, Token};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Operator, TOKEN_PREFIX, scope_name};
use crate::body::JsonBody;
use crate::path::{Params, TenantPath};
use crate::problem::{Kind, Problem};

/// What a token shall be able to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// `events:write`, `rules:write`, `read`; at least one.
    #[schema(value_type = Vec<ScopeText>)]
    scopes: Vec<Scope>,
}

/// One thing that a token may do.
#[derive(Debug, ToSchema)]
#[schema(as = Scope)]
#[expect(dead_code, reason = "describes `ringfence_model::Scope`")]
pub(crate) enum ScopeText {
    /// Send events and evaluate.
    #[schema(rename = "events:write")]
    EventsWrite,
    /// Upload and activate rules.
    #[schema(rename = "rules:write")]
    RulesWrite,
    /// Ask questions; take and acknowledge effects.
    #[schema(rename = "read")]
    Read,
}

/// A new token. It is shown this once; only its digest is kept.
#[derive(Serialize, ToSchema)]
pub(crate) struct IssuedToken {
    /// The secret: `rf_` and 32 random bytes in base64url.
    token: String,
    /// For whom it acts.
    #[schema(value_type = String)]
    tenant: TenantId,
    /// What it may do.
    #[schema(value_type = Vec<ScopeText>)]
    scopes: Vec<Scope>,
    /// Since when, in microseconds since 1970.
    created_us: u64,
}

/// Make a token that acts for a tenant
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/tokens", operation_id = "createToken", tag = "tenants",
    params(("tenant" = String, Path, description = "The tenant's name.")),
    request_body = NewToken,
    responses((status = 201, description = "The token, shown once.", body = IssuedToken)),
)]
pub(crate) async fn create(
    _: Operator,
    Params(path): Params<TenantPath>,
    State(app): State<Arc<App>>,
    JsonBody(body): JsonBody<NewToken>,
) -> Result<(StatusCode, Json<IssuedToken>), Problem> {
    let mut scopes = body.scopes;
    scopes.sort_by_key(|scope| scope_name(*scope));
    scopes.dedup();
    if scopes.is_empty() {
        return Err(Problem::new(
            Kind::INVALID_BODY,
            "`scopes` is empty, so the token could do nothing.",
        )
        .at("scopes")
        .hint("Name one or more of `events:write`, `rules:write` and `read`."));
    }
    let secret = secret()?;
    let created_us = app.now_us();
    let token = Token {
        digest: Digest::of(secret.as_bytes()),
        tenant: path.tenant.clone(),
        scopes: scopes.clone(),
        created_us,
    };
    app.store().put_token(token).await?;
    let issued = IssuedToken {
        token: secret,
        tenant: path.tenant,
        scopes,
        created_us,
    };
    Ok((StatusCode::CREATED, Json(issued)))
}

fn secret() -> Result<String, Problem> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the system's randomness failed");
        Problem::new(Kind::INTERNAL, "The system gave no randomness for a token.")
    })?;
    Ok(format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}
