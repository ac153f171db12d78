//! Pull delivery of effects: take what waits, then acknowledge it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use ringfence_model::TenantId;
use ringfence_store::Outgoing;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Access, Read};
use crate::body::JsonBody;
use crate::page::{self, Page};
use crate::path::Asked;
use crate::portions::Portion;
use crate::problem::{Kind, Problem};
use crate::refusals::overloaded;
use crate::wire;

/// A long poll, in milliseconds.
const WAIT_MS_MAX: u64 = 30_000;
/// Between two looks at the store within one poll: a busy tenant rings often.
const PAUSE: Duration = Duration::from_millis(20);

/// Which effects, and how long to wait for one.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TakeEffects {
    /// Those after this `seq`; from the oldest where it is not said.
    after: Option<String>,
    /// Items per page, 1 to 500; 50 where it is not said.
    limit: Option<u32>,
    /// If there are none, how long to wait for one, in milliseconds: up to
    /// 30,000. Answers at once where it is not said.
    wait_ms: Option<u64>,
}

/// An effect, with what events that it causes are sent with.
#[derive(Debug, Serialize)]
pub(crate) struct Delivery {
    #[serde(flatten)]
    effect: Outgoing,
    lineage: String,
}

/// Effects that wait, oldest first
///
/// They stay until they are acknowledged, so whoever takes them may take
/// them again; an effect's `id` tells repetitions. Send each effect's `lineage`
/// along with the events that it causes.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/effects", operation_id = "takeEffects", tag = "effects",
    params(("tenant" = String, Path, description = "The tenant's name."), TakeEffects),
    responses((status = 200, description = "Effects; `next` is the `after` of the next page.", body = Page<wire::Outgoing>)),
)]
pub(crate) async fn take(
    access: Access<Read>,
    Asked(query): Asked<TakeEffects>,
    State(app): State<Arc<App>>,
) -> Result<Json<Page<Delivery>>, Problem> {
    let limit = page::size(query.limit)?;
    let after = page::cursor(query.after.as_deref())?.unwrap_or(0);
    let wait_ms = query.wait_ms.unwrap_or(0);
    if wait_ms > WAIT_MS_MAX {
        return Err(Problem::new(
            Kind::INVALID_QUERY,
            format!("`wait_ms` may be 0 to {WAIT_MS_MAX}; {wait_ms} was given."),
        )
        .at("wait_ms")
        .over(WAIT_MS_MAX, wait_ms));
    }
    let page = if wait_ms == 0 {
        app.store().outgoing(access.tenant(), after, limit).await?
    } else {
        let _own = access.portion().map(Portion::poll).transpose()?;
        let wait = Duration::from_millis(wait_ms);
        poll(&app, access.tenant(), after, limit, wait).await?
    };
    let now_us = app.now_us();
    let sign = |effect| Delivery {
        lineage: app.lineage.sign(access.tenant(), &effect, now_us),
        effect,
    };
    let page = ringfence_store::Page {
        items: page.items.into_iter().map(sign).collect(),
        next: page.next,
    };
    Ok(Json(page.into()))
}

async fn poll(
    app: &App,
    tenant: &TenantId,
    after: u64,
    limit: u32,
    wait: Duration,
) -> Result<ringfence_store::Page<Outgoing>, Problem> {
    let _poll = app
        .polls
        .try_acquire()
        .map_err(|_| overloaded("As many requests wait for effects as the server allows."))?;
    let _listening = app.metrics.listen();
    let mut stopping = app.stopping.clone();
    let deadline = Instant::now() + wait;
    loop {
        // Listens before it looks, so that nothing falls between the two.
        let mut bell = pin!(app.metrics.bell(tenant).notified());
        bell.as_mut().enable();
        let page = app.store().outgoing(tenant, after, limit).await?;
        if !page.items.is_empty() || *stopping.borrow() {
            return Ok(page);
        }
        let rung = async {
            tokio::select! {
                () = bell => {}
                // An error means that the server is gone, which is the same.
                _ = stopping.changed() => {}
            }
            tokio::time::sleep(PAUSE).await;
        };
        if timeout_at(deadline, rung).await.is_err() {
            return Ok(app.store().outgoing(tenant, after, limit).await?);
        }
    }
}

/// What was taken.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acknowledgement {
    /// The greatest `seq` that was taken care of; all up to it are removed.
    up_to: u64,
}

/// What was removed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Acknowledged {
    /// How many effects.
    acknowledged: u64,
}

/// Remove effects that were taken care of
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/effects/ack", operation_id = "acknowledgeEffects", tag = "effects",
    params(("tenant" = String, Path, description = "The tenant's name.")),
    request_body = Acknowledgement,
    responses((status = 200, description = "They are removed.", body = Acknowledged)),
)]
pub(crate) async fn acknowledge(
    access: Access<Read>,
    State(app): State<Arc<App>>,
    JsonBody(body): JsonBody<Acknowledgement>,
) -> Result<Json<Acknowledged>, Problem> {
    let acknowledged = app.store().acknowledge(access.tenant(), body.up_to).await?;
    Ok(Json(Acknowledged { acknowledged }))
}
