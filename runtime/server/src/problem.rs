//! Problem responses (RFC 9457): the one shape of every refusal.
//!
//! `type` is the relative reference `/problems/CODE`, which this server
//! answers with the problem's description; `code` is stable and meant for
//! programs, `detail` and `hint` are for people.

use std::borrow::Cow;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What can be refused. One entry per code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Kind {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Stable, for programs.
    pub(crate) code: &'static str,
    /// What it means, for people; the same for every occurrence.
    pub(crate) title: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $status:literal $code:literal $title:literal;)*) => {
        impl Kind {
            $(pub(crate) const $name: Self = Self {
                status: $status,
                code: $code,
                title: $title,
            };)*

            /// All that this server itself refuses. Uploads are refused with
            /// further codes, those of the sandbox, under status 422.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

impl Kind {
    /// Whether such refusals are what a server does when there is too much, or
    /// when a client's own work takes too long: many at once, and no failure.
    pub(crate) fn sheds_load(code: &str) -> bool {
        [
            Self::HOST_BEHIND,
            Self::HOST_OVERLOADED,
            Self::OVERLOADED,
            Self::EVALUATE_DEADLINE,
        ]
        .iter()
        .any(|kind| kind.code == code)
    }
}

kinds! {
    BODY_INCOMPLETE = 400 "body-incomplete" "The request's body ended early.";
    INVALID_BODY = 400 "invalid-body" "The request's body does not have the expected members.";
    INVALID_CURSOR = 400 "invalid-cursor" "The cursor is not one that this list gave.";
    INVALID_EVENT = 400 "invalid-event" "The body is not a CloudEvent that can be accepted.";
    INVALID_JSON = 400 "invalid-json" "The request's body is not JSON.";
    INVALID_PATH = 400 "invalid-path" "A part of the path is not a name or an id.";
    INVALID_QUERY = 400 "invalid-query" "A query parameter is unknown or has a value that it may not have.";
    LINEAGE_CONFLICT = 400 "lineage-conflict" "An event and its request say different things about where it comes from.";
    LINEAGE_EXPIRED = 400 "lineage-expired" "A lineage token is too old.";
    LINEAGE_FORGED = 400 "lineage-forged" "A lineage token was not signed by this server, or was changed.";
    LINEAGE_MALFORMED = 400 "lineage-malformed" "A text is not a lineage token.";
    LINEAGE_OF_OTHER_TENANT = 400 "lineage-of-other-tenant" "A lineage token is of another tenant.";
    UNAUTHENTICATED = 401 "unauthenticated" "A valid bearer token is required.";
    MISSING_SCOPE = 403 "missing-scope" "The token does not have the scope that this call needs.";
    OPERATOR_ONLY = 403 "operator-only" "This call is the operator's.";
    PAUSED_BY_OPERATOR = 403 "paused-by-operator" "The operator has paused it.";
    OTHER_TENANT = 403 "other-tenant" "The token acts for another tenant.";
    NO_ACTIVATION = 404 "no-activation" "The rule has no version in force.";
    NO_CASCADE = 404 "no-cascade" "There is no such cascade.";
    NO_EVENT = 404 "no-event" "There is no such event.";
    NO_EXECUTION = 404 "no-execution" "There is no such execution.";
    NO_PATH = 404 "no-path" "There is nothing at this path.";
    NO_PROBLEM = 404 "no-problem" "There is no problem of this code.";
    NO_QUARANTINE = 404 "no-quarantine" "The rule is not in quarantine.";
    NO_RULE = 404 "no-rule" "There is no such rule.";
    NO_TENANT = 404 "no-tenant" "There is no such tenant.";
    NO_VERSION = 404 "no-version" "The rule has no such version.";
    METHOD_NOT_ALLOWED = 405 "method-not-allowed" "The path does not take this method.";
    BODY_TIMEOUT = 408 "body-timeout" "The request's body did not arrive in time.";
    LIMIT_REACHED = 409 "limit-reached" "As many are kept as the tenant's limits allow.";
    PAUSED = 409 "paused" "What was asked for is paused.";
    TOO_MANY_LINEAGE_KEYS = 409 "too-many-lineage-keys" "As many lineage keys are kept as the server keeps.";
    BATCH_TOO_LARGE = 413 "batch-too-large" "The batch has too many events.";
    BODY_TOO_LARGE = 413 "body-too-large" "The request's body is too large.";
    COMPONENT_TOO_LARGE = 413 "component-too-large" "The component is larger than the tenant's limit.";
    CONFIG_TOO_LARGE = 413 "config-too-large" "The configuration is too large.";
    EVENT_TOO_LARGE = 413 "event-too-large" "An event's data are larger than the tenant's limit.";
    UNSUPPORTED_DATA = 415 "unsupported-data" "An event's data are neither JSON nor text.";
    UNSUPPORTED_ENCODING = 415 "unsupported-encoding" "The body's content encoding is not supported.";
    UNSUPPORTED_MEDIA_TYPE = 415 "unsupported-media-type" "The body's media type is not one that this call takes.";
    CLOSES_CYCLE = 422 "closes-cycle" "The activation closes a cycle of rules, which the tenant's policy refuses.";
    CYCLES_UNKNOWN = 422 "cycles-unknown" "The tenant's rules are too many to know whether the activation closes a cycle.";
    INVALID_CONFIG = 422 "invalid-config" "The configuration does not match the rule's schema.";
    INVALID_LIMIT = 422 "invalid-limit" "A limit has a value that the host does not allow.";
    INVALID_POLICY = 422 "invalid-policy" "What is said about loops, the host application or a webhook cannot be so.";
    INVALID_PERCENT = 422 "invalid-percent" "The percentage is out of bounds.";
    NO_PLAN = 422 "no-plan" "There is no such plan.";
    UNSUPPORTED_SCHEMA = 422 "unsupported-schema" "The rule's configuration schema cannot be used.";
    TOO_MANY_REQUESTS = 429 "too-many-requests" "As many requests of the tenant are answered at once as the server allows.";
    TOO_FAST = 429 "too-fast" "The tenant sends events faster than its limits allow.";
    UPLOADS_WAITING = 429 "uploads-waiting" "As many uploads wait as the server takes.";
    TOO_MANY_EVALUATIONS = 429 "too-many-evaluations" "As many evaluations of the tenant are waited for as its limits allow.";
    TOO_MUCH_WAITING = 429 "too-much-waiting" "As much of the tenant waits as its limits allow.";
    INTERNAL = 500 "internal" "The server failed.";
    COMPILER_UNAVAILABLE = 503 "compiler-unavailable" "The compiler could not be run.";
    EVALUATE_DEADLINE = 503 "evaluate-deadline" "The evaluation was not done in its time.";
    HOST_BEHIND = 503 "host-behind" "The host is behind, and the tenant uses more than its share of it.";
    HOST_OVERLOADED = 503 "host-overloaded" "The host is overloaded; it takes nothing from anybody.";
    OVERLOADED = 503 "overloaded" "The server has too much to do at the moment.";
    SHUTTING_DOWN = 503 "shutting-down" "The server is shutting down.";
    STORAGE_FAILED = 503 "storage-failed" "The storage failed; nothing was changed.";
}

/// One of several things that are wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Flaw {
    /// Where, as a JSON pointer.
    pub(crate) pointer: String,
    /// What is wrong there.
    pub(crate) detail: String,
}

/// A refusal. Boxed, because it is the rare arm of every result.
#[derive(Debug)]
pub(crate) struct Problem(Box<ProblemBody>);

/// What a problem response says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// `/problems/CODE`, relative to this server.
    #[serde(rename = "type")]
    ty: String,
    /// What the code means; the same for every occurrence.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// Stable, for programs.
    code: &'static str,
    /// What happened, for people.
    detail: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<Cow<'static, str>>,
    /// Where in the request, for example `events[7].type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// The limit that was reached, in its unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    /// What was used or asked for, in the same unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<u64>,
    /// All that is wrong, where there may be several things.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Flaw>,
    /// When to try again, for the header `Retry-After`.
    #[serde(skip)]
    retry_after_s: Option<u64>,
    /// Whether to say how to authenticate, as every 401 must.
    #[serde(skip)]
    challenge: bool,
}

impl Problem {
    /// Whether the same request may be accepted later.
    pub(crate) fn is_for_now(&self) -> bool {
        matches!(self.0.status, 429 | 503)
    }

    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self(Box::new(ProblemBody {
            ty: format!("/problems/{}", kind.code),
            title: kind.title,
            status: kind.status,
            code: kind.code,
            detail: detail.into(),
            hint: None,
            at: None,
            limit: None,
            usage: None,
            errors: Vec::new(),
            retry_after_s: None,
            challenge: kind.status == 401,
        }))
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.0.at = Some(place.into());
        self
    }

    #[must_use]
    pub(crate) fn over(mut self, limit: u64, usage: u64) -> Self {
        (self.0.limit, self.0.usage) = (Some(limit), Some(usage));
        self
    }

    #[must_use]
    pub(crate) fn limit(mut self, limit: u64) -> Self {
        self.0.limit = Some(limit);
        self
    }

    #[must_use]
    pub(crate) fn errors(mut self, errors: Vec<Flaw>) -> Self {
        self.0.errors = errors;
        self
    }

    #[must_use]
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// Turns a place in a batch of one, `events[0].x`, into `x`.
    #[must_use]
    pub(crate) fn outside_batch(mut self) -> Self {
        if let Some(place) = self.0.at.take() {
            let rest = place.strip_prefix("events[0]").unwrap_or(&place);
            let rest = rest.trim_start_matches('.');
            self.0.at = (!rest.is_empty()).then(|| rest.to_owned());
        }
        self
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> &'static str {
        self.0.code
    }

    #[cfg(test)]
    pub(crate) fn body(&self) -> &ProblemBody {
        &self.0
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Serializing this structure to memory cannot fail: it has string
        // keys only.
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.0.challenge {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"ringfence\""),
            );
        }
        if let Some(seconds) = self.0.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Refused(self.0.code));
        response
    }
}

/// The code of a problem, for the request's trace and metrics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused(pub(crate) &'static str);

/// What a problem's code means
///
/// The address that a problem's `type` refers to.
#[utoipa::path(
    get, path = "/problems/{code}", operation_id = "describeProblem", tag = "server",
    params(("code" = String, Path, description = "A problem's code.")),
    responses((status = 200, description = "The problem.", body = Kind)),
)]
pub(crate) async fn describe(Path(code): Path<String>) -> Result<axum::Json<Kind>, Problem> {
    Kind::ALL
        .iter()
        .find(|kind| kind.code == code)
        .map(|kind| axum::Json(*kind))
        .ok_or_else(|| {
            Problem::new(
                Kind::NO_PROBLEM,
                "No problem that this server itself reports has this code.",
            )
            .hint("Codes of refused uploads are described by the refusal itself.")
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_kebab_case() {
        let mut seen = BTreeSet::new();
        for kind in Kind::ALL {
            let kebab = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
            assert!(kind.code.bytes().all(kebab), "{}", kind.code);
            assert!(seen.insert(kind.code), "{} is there twice", kind.code);
            assert!((400..600).contains(&kind.status), "{}", kind.code);
        }
    }

    #[test]
    fn every_code_is_documented_with_its_status() {
        let document = include_str!("../../../docs/problems.md");
        for Kind { code, status, .. } in Kind::ALL {
            let row = document
                .lines()
                .find(|line| line.starts_with('|') && line.contains(&format!("`{code}`")));
            let row = row.unwrap_or_else(|| panic!("docs/problems.md lacks `{code}`"));
            assert!(row.contains(&format!("| {status} |")), "{row}");
        }
    }

    #[test]
    fn what_a_client_sees() {
        let problem = Problem::new(Kind::EVENT_TOO_LARGE, "Event 7 has 9 bytes of data.")
            .at("events[7].data")
            .over(8, 9)
            .hint("Send less.");
        insta::assert_json_snapshot!(problem.body());
    }

    #[test]
    fn headers() {
        let response = Problem::new(Kind::UNAUTHENTICATED, "No token.").into_response();
        assert_eq!(response.status(), 401);
        assert!(response.headers().contains_key("www-authenticate"));
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let response = Problem::new(Kind::OVERLOADED, "Busy.")
            .retry_after(1)
            .into_response();
        assert_eq!(response.headers()["retry-after"], "1");
    }
}
