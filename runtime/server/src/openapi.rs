//! The OpenAPI 3.1 document. It is made from the same list of routes that
//! the server answers, so each route is in it and nothing else is.

use axum::Extension;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, HeaderBuilder, InfoBuilder, LicenseBuilder, OpenApi,
    OpenApiBuilder, Ref, RefOr, ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::{Flaw, ProblemBody};

/// The name of the security scheme.
const BEARER: &str = "bearer";
/// Paths that need no token.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

const DESCRIPTION: &str = "Runs the automation rules of a service's customers, each run in a \
sandbox of its own.\n\nEvery refusal is a problem (RFC 9457) with a stable `code`; \
`/problems/CODE` describes it. The operator's token may do everything. A tenant's token may do \
what its scopes say for its own tenant; for every other, whether it exists or not, it is answered \
by 403.";

/// The document, as text.
#[derive(Debug, Clone)]
pub(crate) struct Document(pub(crate) Bytes);

/// The document without routes.
pub(crate) fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Ringfence")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(
            LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ))
        .build();
    let mut components = Components::new();
    let mut scheme = Http::new(HttpAuthScheme::Bearer);
    scheme.description = Some(
        "The operator's token, or a tenant's, which `POST /v1/tenants/{tenant}/tokens` makes."
            .into(),
    );
    components.add_security_scheme(BEARER, SecurityScheme::Http(scheme));
    components
        .schemas
        .insert(ProblemBody::name().into(), ProblemBody::schema());
    components
        .schemas
        .insert(Flaw::name().into(), Flaw::schema());
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .build()
}

/// Adds to each operation what all of them have: the token that they need,
/// and problems as answers.
pub(crate) fn complete(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let open = OPEN.contains(&path.as_str());
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            complete_operation(operation, open, path.contains('{'));
        }
    }
}

fn complete_operation(operation: &mut Operation, open: bool, has_parameters: bool) {
    let mut answer = |status: &str, description: &str| {
        let responses = &mut operation.responses.responses;
        if !responses.contains_key(status) {
            responses.insert(status.to_owned(), problem(status, description));
        }
    };
    answer("default", "A problem; `code` says which.");
    if open {
        operation.security = Some(Vec::new());
        return;
    }
    answer("401", "The token is missing or not known.");
    answer("403", "The token may not do this.");
    if has_parameters {
        answer("400", "The request is not well-formed.");
        answer("404", "There is nothing of this name.");
    }
    if operation.request_body.is_some() {
        answer("400", "The request is not well-formed.");
        answer("413", "The body, or something in it, is too large.");
        answer(
            "415",
            "The body's media type is not one that this call takes.",
        );
        answer("422", "What the body asks for cannot be done.");
        answer("429", "Too much of the tenant waits already.");
    }
    answer("503", "The storage failed, or the server is shutting down.");
    operation.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], _>(
        BEARER,
        [],
    )]);
}

fn problem(status: &str, description: &str) -> RefOr<utoipa::openapi::Response> {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(ProblemBody::name())))
        .build();
    let text = || {
        utoipa::openapi::schema::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
    };
    let response = ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content);
    let response = match status {
        "401" => response.header(
            "WWW-Authenticate",
            HeaderBuilder::new()
                .schema(Some(text()))
                .description(Some("How to authenticate."))
                .build(),
        ),
        "429" | "503" => response.header(
            "Retry-After",
            HeaderBuilder::new()
                .schema(Some(text()))
                .description(Some("When to try again, in seconds."))
                .build(),
        ),
        _ => response,
    };
    response.build().into()
}

/// This document
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "getOpenapi", tag = "server",
    responses((status = 200, description = "The document.", body = Object)),
)]
pub(crate) async fn get(Extension(Document(text)): Extension<Document>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
