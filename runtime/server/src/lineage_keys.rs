//! The keys that lineage tokens are signed with.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ringfence_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Operator;
use crate::lineage::KeyError;
use crate::problem::{Kind, Problem};

const MICROS_PER_SECOND: u64 = 1_000_000;

/// A key that lineage tokens are signed with. The key itself is never shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LineageKey)]
pub(crate) struct LineageKeyView {
    /// Greater is newer; the greatest signs.
    number: u32,
    /// Since when, in microseconds since 1970.
    since_us: u64,
    /// When the last token signed with it has expired, and it is removed, in
    /// microseconds since 1970; null for the newest.
    until_us: Option<u64>,
}

/// The keys that there are.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LineageKeys)]
pub(crate) struct LineageKeysView {
    /// The oldest first.
    keys: Vec<LineageKeyView>,
}

/// The keys that lineage tokens are signed with
#[utoipa::path(
    get, path = "/v1/lineage-keys", operation_id = "listLineageKeys", tag = "server",
    responses((status = 200, description = "Their numbers and times.", body = LineageKeysView)),
)]
pub(crate) async fn list(_: Operator, State(app): State<Arc<App>>) -> Json<LineageKeysView> {
    let keys = app.lineage.keys();
    let next = keys.all.iter().skip(1).map(Some).chain([None]);
    let view = keys.all.iter().zip(next).map(|(key, next)| LineageKeyView {
        number: key.number,
        since_us: key.since_us,
        until_us: next.map(|next| app.lineage.outlived_us(next)),
    });
    Json(LineageKeysView {
        keys: view.collect(),
    })
}

/// Replace the key that lineage tokens are signed with
///
/// The new key signs from now on. Tokens signed with an older one are taken
/// until they expire; then it is removed.
#[utoipa::path(
    post, path = "/v1/lineage-keys", operation_id = "rotateLineageKeys", tag = "server",
    responses((status = 201, description = "The new key's number.", body = LineageKeyView)),
)]
pub(crate) async fn rotate(
    _: Operator,
    State(app): State<Arc<App>>,
) -> Result<(StatusCode, Json<LineageKeyView>), Problem> {
    let rotated = app.lineage.rotate(|| app.now_us()).await;
    let key = rotated.map_err(|error| match error {
        KeyError::Store(StoreError::Full { max, .. }) => full(&app, max),
        KeyError::Store(error) => error.into(),
        KeyError::Randomness(_) => {
            tracing::error!(%error, "no lineage key was made");
            Problem::new(Kind::INTERNAL, "The system gave no randomness for a key.")
        }
    })?;
    let view = LineageKeyView {
        number: key.number,
        since_us: key.since_us,
        until_us: None,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

fn full(app: &App, max: u64) -> Problem {
    let detail = format!("{max} lineage keys are kept, as many as the server keeps.");
    let problem = Problem::new(Kind::TOO_MANY_LINEAGE_KEYS, detail)
        .over(max, max)
        .hint("Each is removed when the tokens signed with it have expired; rotate again then.");
    match app.lineage.keys().all.get(1) {
        Some(second) => {
            let wait_us = app.lineage.outlived_us(second).saturating_sub(app.now_us());
            problem.retry_after(wait_us.div_ceil(MICROS_PER_SECOND))
        }
        None => problem,
    }
}
