//! How much of a tenant there is.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ringfence_engine::{EngineError, Tally, TimesView};
use ringfence_model::Limits;
use ringfence_store::Counts;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Access, Read};
use crate::problem::Problem;
use crate::pulse::TenantPulse;
use crate::wire;

/// How much of a tenant there is, and how much there may be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TenantUsage)]
pub(crate) struct TenantUsage {
    /// Its events.
    #[schema(value_type = EventCounts)]
    events: Counts,
    /// Its limits.
    #[schema(value_type = wire::LimitsInForce)]
    limits: Limits,
    /// What its runs set off.
    pulse: TenantPulse,
    /// What waits.
    waiting: Waiting,
    /// What it took of the host, since the server was started.
    activity: Activity,
}

/// What of a tenant waits: for its turn, for its subject's, or asleep for a
/// rule in quarantine.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Waiting {
    /// Events.
    events: u64,
    /// Their size, in bytes.
    bytes: u64,
    /// How long the oldest has waited since it was accepted, in microseconds,
    /// those that sleep left out; missing if none waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    oldest_age_us: Option<u64>,
}

/// What a tenant took of the host, since the server was started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Activity {
    /// Events from outside that were accepted.
    events_accepted: u64,
    /// Executions made durable.
    executions: u64,
    /// Fuel charged to them.
    fuel: u64,
    /// The tenant's part of what all took lately, 0 to 1: what was taken 10
    /// seconds ago counts half. Evaluations count, and so does what was run
    /// and had to be repeated.
    share: f64,
    /// Requests that were refused, by the problem's code.
    #[schema(value_type = BTreeMap<String, u64>)]
    refused: BTreeMap<&'static str, u64>,
    /// How long executions waited for a worker, from when their event was in
    /// memory and no other of its subject went before it.
    queueing: Times,
    /// How long they took, by the clock on the wall.
    running: Times,
}

/// How long some things took, in microseconds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Times {
    /// How many there were.
    count: u64,
    /// How long they took together.
    sum_us: u64,
    /// Half of those of the last one to two minutes took no longer; missing if
    /// there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    p50_us: Option<u64>,
    /// 99 of 100 took no longer. As near as the bounds 10, 20 and 50 us, and so
    /// on, allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    p99_us: Option<u64>,
    /// The longest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    max_us: Option<u64>,
}

impl From<TimesView> for Times {
    fn from(times: TimesView) -> Self {
        let lately = times.lately;
        Self {
            count: times.count,
            sum_us: times.sum_us,
            p50_us: lately.map(|lately| lately.p50_us),
            p99_us: lately.map(|lately| lately.p99_us),
            max_us: lately.map(|lately| lately.max_us),
        }
    }
}

impl From<Tally> for Activity {
    fn from(tally: Tally) -> Self {
        Self {
            events_accepted: tally.accepted,
            executions: tally.executions,
            fuel: tally.fuel,
            share: tally.share,
            refused: tally.refused.into_iter().collect(),
            queueing: tally.queued.into(),
            running: tally.ran.into(),
        }
    }
}

/// How many of a tenant's events are in which state; finished ones are
/// counted as long as they are kept.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes `ringfence_store::Counts`")]
pub(crate) struct EventCounts {
    /// Waiting.
    waiting: u64,
    /// Done without a dead letter.
    done: u64,
    /// Finished with a dead letter.
    dead_lettered: u64,
}

/// How much of a tenant there is
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/usage", operation_id = "getUsage", tag = "tenants",
    params(("tenant" = String, Path, description = "The tenant's name.")),
    responses((status = 200, description = "Its usage.", body = TenantUsage)),
)]
pub(crate) async fn get(
    access: Access<Read>,
    State(app): State<Arc<App>>,
) -> Result<Json<TenantUsage>, Problem> {
    let tenant = access.tenant();
    let pulse = app.engine.pulse(tenant);
    let tally = app.engine.tally(tenant);
    let tally = tally.ok_or_else(|| EngineError::NoTenant(tenant.clone()))?;
    let (events, bytes) = app.engine.waiting(tenant);
    let oldest_us = app.engine.oldest_waiting(tenant).await?;
    Ok(Json(TenantUsage {
        events: app.store().counts(tenant).await?,
        pulse: TenantPulse::new(pulse, app.engine.is_dampened(tenant)),
        limits: access.limits,
        waiting: Waiting {
            events,
            bytes,
            oldest_age_us: oldest_us.map(|oldest_us| app.now_us().saturating_sub(oldest_us)),
        },
        activity: tally.into(),
    }))
}
