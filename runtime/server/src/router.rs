//! All routes, and what surrounds each of them.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::{Extension, Router};
use tracing::Instrument;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth;
use crate::leftover::discard_leftover;
use crate::openapi::{self, Document};
use crate::problem::{self, Kind, Problem, Refused};
use crate::{
    activations, anomalies, bundle, cascades, dead_letters, effects, evaluate, events, executions,
    graph, health, lineage_keys, pausing, quarantine, rules, tenants, tokens, usage,
};

/// All routes, with the document that describes them.
pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(tenants::list))
        .routes(routes!(tenants::put, tenants::get, tenants::delete))
        .routes(routes!(tokens::create))
        .routes(routes!(usage::get))
        .routes(routes!(rules::list))
        .routes(routes!(rules::get))
        .routes(routes!(rules::versions, rules::upload))
        .routes(routes!(activations::put, activations::delete))
        .routes(routes!(pausing::pause_host))
        .routes(routes!(pausing::resume_host))
        .routes(routes!(pausing::pause_tenant))
        .routes(routes!(pausing::resume_tenant))
        .routes(routes!(pausing::pause_rule))
        .routes(routes!(pausing::resume_rule))
        .routes(routes!(quarantine::lift))
        .routes(routes!(quarantine::discard))
        .routes(routes!(graph::get))
        .routes(routes!(events::accept))
        .routes(routes!(events::get))
        .routes(routes!(evaluate::evaluate))
        .routes(routes!(executions::list))
        .routes(routes!(executions::get))
        .routes(routes!(bundle::get))
        .routes(routes!(cascades::get))
        .routes(routes!(dead_letters::list))
        .routes(routes!(anomalies::list))
        .routes(routes!(effects::take))
        .routes(routes!(effects::acknowledge))
        .routes(routes!(lineage_keys::list, lineage_keys::rotate))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(problem::describe))
        .routes(routes!(openapi::get))
}

/// The whole service.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (router, mut document) = routes().split_for_parts();
    openapi::complete(&mut document);
    // The document is made of plain structures; should it not be JSON, tests
    // fail long before anybody asks for it.
    let text = document.to_json().unwrap_or_default();
    router
        .fallback(no_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(Extension(Document(text.into())))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            auth::authenticate,
        ))
        .layer(middleware::from_fn(discard_leftover))
        .layer(middleware::from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

async fn no_path(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(Kind::NO_PATH, format!("There is nothing at `{path}`."))
        .hint("`/openapi.json` lists all paths.")
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    let method: String = method.as_str().chars().take(20).collect();
    Problem::new(
        Kind::METHOD_NOT_ALLOWED,
        format!("`{path}` does not take {method}."),
    )
    .hint("The header `Allow` lists the methods that it takes.")
}

/// Counts and traces each request. Neither headers nor bodies nor queries are
/// written anywhere.
async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun_us = app.now_us();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("none", MatchedPath::as_str);
    let is_poll = is_long_poll(request.uri());
    let span = tracing::debug_span!("request", %method, route);
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let refused = response.extensions().get::<Refused>().map(|code| code.0);
    let micros = app.now_us().saturating_sub(begun_us);
    let timed = (!is_poll).then_some(micros);
    app.metrics.answered(&method, route, status, refused, timed);
    let _entered = span.enter();
    if status >= 500 && !refused.is_some_and(Kind::sheds_load) {
        tracing::warn!(status, code = refused, micros, "request failed");
    } else {
        tracing::debug!(status, code = refused, micros, "request answered");
    }
    response
}

/// Whether a request may wait for effects.
pub(crate) fn is_long_poll(uri: &Uri) -> bool {
    let waits = |parameter: &str| {
        let wait_ms = parameter.strip_prefix("wait_ms=");
        wait_ms.is_some_and(|wait_ms| wait_ms != "0")
    };
    let query = uri.query().unwrap_or_default();
    uri.path().ends_with("/effects") && query.split('&').any(waits)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn document() -> Value {
        let (_, mut document) = routes().split_for_parts();
        openapi::complete(&mut document);
        serde_json::from_str(&document.to_json().unwrap()).unwrap()
    }

    #[test]
    fn the_document_is_complete() {
        let document = document();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut ids = std::collections::BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let name = format!("{method} {path}");
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{name}: `{id}` is there twice");
                assert!(operation["summary"].is_string(), "{name} has no summary");
                let open = ["/healthz", "/readyz"].contains(&path.as_str());
                let needs_token = !operation["security"].as_array().unwrap().is_empty();
                assert_eq!(needs_token, !open, "{name}");
                for parameter in path.split('/').filter_map(|part| part.strip_prefix('{')) {
                    let parameter = parameter.trim_end_matches('}');
                    let known = operation["parameters"].as_array().unwrap();
                    assert!(
                        known.iter().any(|known| known["name"] == parameter),
                        "{name}"
                    );
                }
            }
        }
    }

    #[test]
    fn references_in_the_document_lead_somewhere() {
        fn check(value: &Value, document: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(Value::String(reference)) = members.get("$ref") {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{reference}");
                    }
                    members.values().for_each(|value| check(value, document));
                }
                Value::Array(items) => items.iter().for_each(|value| check(value, document)),
                _ => {}
            }
        }
        let document = document();
        check(&document, &document);
    }
}
