//! What is said in the address: the path's parameters and the query.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use ringfence_model::{RuleName, TenantId};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::problem::{Kind, Problem};

/// A path below a tenant.
pub(crate) trait Tenanted {
    fn tenant(&self) -> &TenantId;
}

/// `/tenants/{tenant}`.
#[derive(Debug, Deserialize)]
pub(crate) struct TenantPath {
    pub(crate) tenant: TenantId,
}

/// `/tenants/{tenant}/rules/{rule}`.
#[derive(Debug, Deserialize)]
pub(crate) struct RulePath {
    pub(crate) tenant: TenantId,
    pub(crate) rule: RuleName,
}

/// `/tenants/{tenant}/.../{id}`.
#[derive(Debug, Deserialize)]
pub(crate) struct IdPath<I> {
    pub(crate) tenant: TenantId,
    pub(crate) id: I,
}

impl Tenanted for TenantPath {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

impl Tenanted for RulePath {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

impl<I> Tenanted for IdPath<I> {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

/// The path's parameters.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<App>> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, app).await;
        path.map(|Path(value)| Self(value)).map_err(|rejection| {
            let detail = match rejection {
                PathRejection::FailedToDeserializePathParams(error) => match error.into_kind() {
                    ErrorKind::DeserializeError { message, .. } | ErrorKind::Message(message) => {
                        message
                    }
                    kind => kind.to_string(),
                },
                rejection => rejection.to_string(),
            };
            Problem::new(Kind::INVALID_PATH, format!("{detail}."))
        })
    }
}

/// The query's parameters; unknown ones are refused by the type.
#[derive(Debug)]
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Problem> {
        Query::<T>::try_from_uri(&parts.uri)
            .map(|Query(value)| Self(value))
            .map_err(|rejection| {
                use std::error::Error;
                let detail = rejection
                    .source()
                    .map_or_else(|| rejection.to_string(), ToString::to_string);
                Problem::new(Kind::INVALID_QUERY, format!("{detail}."))
            })
    }
}

/// Parses a query parameter.
pub(crate) fn parsed<T>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem>
where
    T: FromStr,
    T::Err: Display,
{
    text.map(|text| {
        text.parse().map_err(|error: T::Err| {
            Problem::new(Kind::INVALID_QUERY, format!("`{name}`: {error}.")).at(name)
        })
    })
    .transpose()
}

/// Parses a moment: RFC 3339, or milliseconds since 1970. Answers
/// microseconds since 1970.
pub(crate) fn moment_us(name: &str, text: Option<&str>) -> Result<Option<u64>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let micros = match text.parse::<u64>() {
        Ok(millis) => millis.checked_mul(1000),
        Err(_) => crate::time::parse(text).and_then(|time| time.as_microsecond().try_into().ok()),
    };
    micros.map(Some).ok_or_else(|| {
        let detail = format!("`{name}` is neither an RFC 3339 time nor milliseconds since 1970.");
        Problem::new(Kind::INVALID_QUERY, detail)
            .at(name)
            .hint("For example 2026-01-31T12:00:00Z; a `+` in an offset is written %2B.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let at = |text| moment_us("since", Some(text)).map_err(|problem| problem.code());
        assert_eq!(at("1767225600000"), Ok(Some(1_767_225_600_000_000)));
        assert_eq!(at("2026-01-01T00:00:00Z"), Ok(Some(1_767_225_600_000_000)));
        assert_eq!(
            at("2026-01-01T01:00:00.5+01:00"),
            Ok(Some(1_767_225_600_500_000))
        );
        for bad in [
            "",
            "yesterday",
            "2026-01-01",
            "1900-01-01T00:00:00Z",
            "99999999999999999999",
        ] {
            assert_eq!(at(bad), Err("invalid-query"), "{bad}");
        }
    }
}
