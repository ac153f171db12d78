//! Who calls, and what they may do.
//!
//! [`authenticate`] runs before every route but the health checks, so no
//! handler can forget it. What the caller may do is checked by the extractors
//! [`Operator`] and [`Access`], which are the only ways for a handler to
//! learn of a tenant.
//!
//! A tenant's token used on another tenant is answered by 403
//! `other-tenant`, whether that tenant exists or not, so that tokens do not
//! tell which tenants there are.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use moka::sync::Cache;
use ringfence_model::{Digest, Limits, PausedBy, Scope, TenantId, Token};
use ringfence_store::Store;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::body::Memory;
use crate::connections::Asking;
use crate::path::{Params, TenantPath, Tenanted};
use crate::portions::{self, Portion};
use crate::problem::{Kind, Problem, Refused};
use crate::router::is_long_poll;

/// What a tenant's token begins with.
pub(crate) const TOKEN_PREFIX: &str = "rf_";
/// 32 bytes in base64url without padding.
const TOKEN_TEXT_BYTES: usize = 43;

/// Records of tokens used lately, so that not each request asks the store.
const TOKENS_CACHED_MAX: u64 = 10_000;
/// How long a record is used before the store is asked again.
const TOKEN_CACHED: Duration = Duration::from_secs(30);

/// Paths that need no token.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// May do everything.
    Operator,
    /// Acts for one tenant.
    Tenant(Arc<Token>),
}

/// Knows who calls by their token.
pub(crate) struct Authenticator {
    /// Comparing two of these takes the same time whatever they hold.
    operator: blake3::Hash,
    tokens: Cache<Digest, Arc<Token>>,
    /// Counts `forget`s, so that a record read before one is not kept after.
    forgotten: AtomicU64,
}

impl Authenticator {
    pub(crate) fn new(operator_token: &str) -> Self {
        Self {
            operator: blake3::hash(operator_token.as_bytes()),
            tokens: Cache::builder()
                .max_capacity(TOKENS_CACHED_MAX)
                .time_to_live(TOKEN_CACHED)
                .build(),
            forgotten: AtomicU64::new(0),
        }
    }

    /// Whose token this is.
    pub(crate) async fn caller(
        &self,
        store: &dyn Store,
        token: &str,
    ) -> Result<Option<Caller>, Problem> {
        let hash = blake3::hash(token.as_bytes());
        if hash == self.operator {
            return Ok(Some(Caller::Operator));
        }
        if !looks_like_a_token(token) {
            return Ok(None);
        }
        let digest = Digest::from_bytes(*hash.as_bytes());
        if let Some(token) = self.tokens.get(&digest) {
            return Ok(Some(Caller::Tenant(token)));
        }
        let before = self.forgotten.load(Ordering::Acquire);
        let Some(token) = store.token(&digest).await?.map(Arc::new) else {
            return Ok(None);
        };
        self.tokens.insert(digest, token.clone());
        if self.forgotten.load(Ordering::Acquire) != before {
            self.tokens.invalidate(&digest);
        }
        Ok(Some(Caller::Tenant(token)))
    }

    /// Forgets all records, because tokens are gone with their tenant.
    pub(crate) fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.tokens.invalidate_all();
    }
}

fn looks_like_a_token(text: &str) -> bool {
    let base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.strip_prefix(TOKEN_PREFIX)
        .is_some_and(|secret| secret.len() == TOKEN_TEXT_BYTES && secret.bytes().all(base64url))
}

/// The token of `Authorization: Bearer TOKEN`.
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let hint = "Send the header `Authorization: Bearer TOKEN`.";
    let value = headers.get(header::AUTHORIZATION).ok_or_else(|| {
        Problem::new(Kind::UNAUTHENTICATED, "The request has no token.").hint(hint)
    })?;
    value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| {
            let detail = "The header `Authorization` does not hold a bearer token.";
            Problem::new(Kind::UNAUTHENTICATED, detail).hint(hint)
        })
}

/// Lets only callers with a valid token through, and of each tenant only as
/// many at once as its portion allows.
pub(crate) async fn authenticate(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    if OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let caller = match bearer(request.headers()) {
        Ok(token) => app.authenticator.caller(app.store(), token).await,
        Err(problem) => return problem.into_response(),
    };
    match caller {
        Ok(Some(caller)) => {
            if let Some(asking) = request.extensions().get::<Asking>() {
                asking.is_known();
            }
            let uri = request.uri().clone();
            let place = match &caller {
                Caller::Operator => None,
                Caller::Tenant(token) => match app.portions.enter(&token.tenant) {
                    Ok(entered) => Some(entered),
                    Err(problem) => {
                        let response = problem.into_response();
                        count_refusal(&app, &caller, &uri, &response);
                        return response;
                    }
                },
            };
            request.extensions_mut().insert(caller.clone());
            let (portion, place) = place.unzip();
            if let Some(portion) = &portion {
                request.extensions_mut().insert(Arc::clone(portion));
            }
            let turn = match takes_long(&request) {
                true => Some(app.turns.turn(portion.as_deref()).await),
                false => None,
            };
            let response = next.run(request).await;
            drop(turn);
            count_refusal(&app, &caller, &uri, &response);
            match place {
                Some(place) => portions::keep(response, place),
                None => response,
            }
        }
        Ok(None) => Problem::new(Kind::UNAUTHENTICATED, "The token is not known.")
            .hint("It may have been mistyped, or its tenant deleted. The operator makes a new one with `POST /v1/tenants/{tenant}/tokens`.")
            .into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// What may be a long list, and is read as one.
const LISTS: [&str; 7] = [
    "anomalies",
    "dead-letters",
    "effects",
    "executions",
    "graph",
    "rules",
    "versions",
];

/// Whether a request is one for what may be a long list. One that waits for
/// effects holds no thread meanwhile.
fn takes_long(request: &Request) -> bool {
    let uri = request.uri();
    let path = uri.path().strip_prefix("/v1/tenants/");
    let is_list = |path: &str| {
        let mut parts = path.trim_end_matches('/').rsplit('/');
        let (last, before) = (parts.next(), parts.next());
        last.is_some_and(|last| LISTS.contains(&last)) || before == Some("cascades")
    };
    [Method::GET, Method::HEAD].contains(request.method())
        && path.is_some_and(is_list)
        && !is_long_poll(uri)
}

/// Counts a refusal for the tenant that it is: the one that the token acts
/// for, whatever the path says; of the operator's, the one in the path. One
/// that does not exist has no counts.
fn count_refusal(app: &App, caller: &Caller, uri: &Uri, response: &Response) {
    let Some(&Refused(code)) = response.extensions().get() else {
        return;
    };
    match caller {
        Caller::Tenant(token) => app.engine.refused(&token.tenant, code),
        Caller::Operator => {
            let named = uri.path().strip_prefix("/v1/tenants/");
            let named = named.and_then(|rest| rest.split('/').next());
            if let Some(tenant) = named.and_then(|name| name.parse().ok()) {
                app.engine.refused(&tenant, code);
            }
        }
    }
}

/// The caller, as `authenticate` found them.
fn caller(parts: &Parts) -> Result<&Caller, Problem> {
    parts
        .extensions
        .get::<Caller>()
        .ok_or_else(|| Problem::new(Kind::UNAUTHENTICATED, "The request has no token."))
}

impl Caller {
    /// Whether the caller may do this for this tenant.
    fn may(&self, tenant: &TenantId, scope: Scope) -> Result<(), Problem> {
        let Self::Tenant(token) = self else {
            return Ok(());
        };
        if token.tenant != *tenant {
            return Err(Problem::new(
                Kind::OTHER_TENANT,
                format!("The token acts for `{}` only.", token.tenant),
            ));
        }
        if !token.scopes.contains(&scope) {
            let scope = scope_name(scope);
            return Err(Problem::new(
                Kind::MISSING_SCOPE,
                format!("The token does not have the scope `{scope}`, which this call needs."),
            )
            .hint(format!(
                "The operator makes a token that has it with `POST /v1/tenants/{tenant}/tokens` and `{{\"scopes\": [\"{scope}\"]}}`."
            )));
        }
        Ok(())
    }
}

/// A scope as in JSON.
pub(crate) fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::EventsWrite => "events:write",
        Scope::RulesWrite => "rules:write",
        Scope::Read => "read",
    }
}

/// The caller is the operator.
#[derive(Debug)]
pub(crate) struct Operator;

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Problem> {
        match caller(parts)? {
            Caller::Operator => Ok(Self),
            Caller::Tenant(_) => Err(Problem::new(
                Kind::OPERATOR_ONLY,
                "This call needs the operator's token.",
            )),
        }
    }
}

/// For whom the caller acts.
#[derive(Debug)]
pub(crate) struct By(pub(crate) PausedBy);

impl FromRequestParts<Arc<App>> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Problem> {
        Ok(Self(match caller(parts)? {
            Caller::Operator => PausedBy::Operator,
            Caller::Tenant(_) => PausedBy::Tenant,
        }))
    }
}

/// What a call needs of the caller.
pub(crate) trait Right: Send + Sync {
    const SCOPE: Scope;
}

/// To ask questions.
#[derive(Debug)]
pub(crate) struct Read;
/// To send events and evaluate.
#[derive(Debug)]
pub(crate) struct EventsWrite;
/// To upload and activate rules.
#[derive(Debug)]
pub(crate) struct RulesWrite;

impl Right for Read {
    const SCOPE: Scope = Scope::Read;
}
impl Right for EventsWrite {
    const SCOPE: Scope = Scope::EventsWrite;
}
impl Right for RulesWrite {
    const SCOPE: Scope = Scope::RulesWrite;
}

/// That the caller may do `R` for the tenant in the path, and that the tenant
/// exists.
#[derive(Debug)]
pub(crate) struct Access<R, P = TenantPath> {
    /// The path's parameters.
    pub(crate) path: P,
    /// The tenant's limits.
    pub(crate) limits: Limits,
    /// What the caller's requests may hold; none for the operator's.
    portion: Option<Arc<Portion>>,
    right: PhantomData<R>,
}

impl<R, P: Tenanted> Access<R, P> {
    pub(crate) fn tenant(&self) -> &TenantId {
        self.path.tenant()
    }

    pub(crate) fn portion(&self) -> Option<&Portion> {
        self.portion.as_deref()
    }

    /// Memory for the request's body.
    pub(crate) fn memory<'a>(&'a self, app: &'a App) -> Memory<'a> {
        Memory {
            all: &app.body_memory,
            own: self.portion(),
        }
    }
}

impl<R, P> FromRequestParts<Arc<App>> for Access<R, P>
where
    R: Right,
    P: Tenanted + DeserializeOwned + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Params(path) = Params::<P>::from_request_parts(parts, app).await?;
        caller(parts)?.may(path.tenant(), R::SCOPE)?;
        let limits = app.engine.limits(path.tenant())?;
        Ok(Self {
            path,
            limits,
            portion: parts.extensions.get().cloned(),
            right: PhantomData,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn bearer_tokens() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc", Some("abc")),
            ("Basic abc", None),
            ("abc", None),
        ] {
            assert_eq!(bearer(&headers(value)).ok(), token, "{value}");
        }
        assert!(bearer(&HeaderMap::new()).is_err());
    }

    #[test]
    fn what_a_tenants_token_may_do() {
        let (own, other): (TenantId, TenantId) = ("acme".parse().unwrap(), "b".parse().unwrap());
        let caller = Caller::Tenant(Arc::new(Token {
            digest: Digest::of(b"x"),
            tenant: own.clone(),
            scopes: vec![Scope::Read],
            created_us: 0,
        }));
        assert!(caller.may(&own, Scope::Read).is_ok());
        let problem = caller.may(&own, Scope::RulesWrite).unwrap_err();
        assert_eq!(problem.code(), "missing-scope");
        assert_eq!(
            caller.may(&other, Scope::Read).unwrap_err().code(),
            "other-tenant"
        );
        assert!(Caller::Operator.may(&other, Scope::EventsWrite).is_ok());
    }

    #[test]
    fn only_texts_of_a_tokens_shape_reach_the_store() {
        let good = format!("rf_{}", "a".repeat(43));
        assert!(looks_like_a_token(&good));
        for text in ["", "rf_", &good[1..], &format!("{good}a"), "rf_é"] {
            assert!(!looks_like_a_token(text), "{text}");
        }
    }
}
