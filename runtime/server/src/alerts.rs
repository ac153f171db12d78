//! Alerts: what is out of the ordinary, told to the operator and the tenant.
//!
//! A delivery is a POST as Standard Webhooks describe it
//! (github.com/standard-webhooks/standard-webhooks). Everything is bounded:
//! alerts that wait, deliveries under way, alerts of one tenant and of all in a
//! minute, attempts, and the time of each. What is not delivered is counted and
//! logged, and can still be read: the anomaly is durable before it is told.

mod limiter;
mod post;
mod sign;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use ringfence_engine::{Alert, Clock};
use ringfence_model::{PolicyError, TenantId, Webhook};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::metrics::{AlertEnd, Metrics};
use crate::time;
use limiter::Limiter;
use post::{Delivery, Poster};

/// Deliveries at one moment, those that wait for their next attempt with them.
const UNDER_WAY_MAX: usize = 256;

/// How alerts are delivered.
#[derive(Debug, Clone)]
pub struct AlertsConfig {
    /// Where the operator is told; nowhere if none.
    pub webhook: Option<Webhook>,
    /// How long one attempt may take.
    pub attempt: Duration,
    /// How long to wait before the second attempt, the third and so on.
    pub pauses: Vec<Duration>,
}

impl Default for AlertsConfig {
    /// Five attempts of up to 10 seconds, over a little less than three
    /// minutes.
    fn default() -> Self {
        Self {
            webhook: None,
            attempt: Duration::from_secs(10),
            pauses: [1, 5, 30, 120].map(Duration::from_secs).into(),
        }
    }
}

/// Checks a webhook, its secret too.
pub fn check(webhook: &Webhook) -> Result<(), PolicyError> {
    webhook.check()?;
    let uri = webhook.url.parse::<hyper::Uri>();
    if uri.is_ok_and(|uri| uri.authority().is_some()) {
        check_secret(webhook)
    } else {
        Err(PolicyError::Webhook {
            place: "webhook.url",
            problem: "is not an address that can be called",
        })
    }
}

fn check_secret(webhook: &Webhook) -> Result<(), PolicyError> {
    sign::key(&webhook.secret).map_err(|problem| PolicyError::Webhook {
        place: "webhook.secret",
        problem,
    })?;
    Ok(())
}

/// Delivers alerts.
pub(crate) struct Alerts {
    config: AlertsConfig,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    poster: Arc<Poster>,
}

impl Alerts {
    pub(crate) fn new(config: AlertsConfig, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        Self {
            config,
            metrics,
            clock,
            poster: Arc::default(),
        }
    }

    /// Delivers until there are none any more, or it is aborted; what is under
    /// way is then given up.
    pub(crate) async fn run(self, mut alerts: mpsc::Receiver<Alert>) {
        let mut under_way = JoinSet::new();
        let mut limiter = Limiter::default();
        loop {
            tokio::select! {
                Some(finished) = under_way.join_next() => {
                    if let Err(error) = finished {
                        tracing::error!(%error, "delivering an alert failed");
                    }
                }
                alert = alerts.recv() => match alert {
                    Some(alert) => self.begin(&alert, &mut under_way, &mut limiter),
                    None => return,
                },
            }
        }
    }

    fn begin(&self, alert: &Alert, under_way: &mut JoinSet<()>, limiter: &mut Limiter) {
        let targets = [self.config.webhook.as_ref(), alert.webhook.as_ref()];
        let targets: Vec<&Webhook> = targets.into_iter().flatten().collect();
        if targets.is_empty() {
            return;
        }
        let tenant = &alert.tenant;
        if !limiter.admits(tenant, self.clock.now_us()) {
            tracing::warn!(%tenant, "an alert is not delivered, because there were too many");
            return self.metrics.alert(AlertEnd::Limited);
        }
        for webhook in targets {
            if under_way.len() >= UNDER_WAY_MAX {
                tracing::warn!(%tenant, "an alert is lost, because too many are under way");
                self.metrics.alert(AlertEnd::Lost);
                continue;
            }
            let delivery = Delivery {
                webhook: webhook.clone(),
                id: id(alert),
                body: body(alert),
            };
            under_way.spawn(deliver(
                self.config.clone(),
                Arc::clone(&self.poster),
                Arc::clone(&self.clock),
                Arc::clone(&self.metrics),
                tenant.clone(),
                delivery,
            ));
        }
    }
}

/// Tries until it is taken, or often enough.
async fn deliver(
    config: AlertsConfig,
    poster: Arc<Poster>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    tenant: TenantId,
    delivery: Delivery,
) {
    let mut pauses = config.pauses.iter();
    loop {
        let posted = poster.post(&delivery, clock.now_us());
        let mut is_gone = false;
        let problem = match tokio::time::timeout(config.attempt, posted).await {
            Ok(Ok(status)) if status.is_success() => return metrics.alert(AlertEnd::Delivered),
            Ok(Ok(status)) => {
                // The receiver wants no more.
                is_gone = status == StatusCode::GONE;
                format!("it was answered by {status}")
            }
            Ok(Err(problem)) => problem,
            Err(_) => format!("it took longer than {:?}", config.attempt),
        };
        let host = delivery.host();
        match pauses.next() {
            Some(pause) if !is_gone => {
                tracing::debug!(%tenant, host, problem, "an alert is tried again");
                tokio::time::sleep(*pause).await;
            }
            _ => {
                tracing::warn!(%tenant, host, problem, "an alert could not be delivered");
                return metrics.alert(AlertEnd::Failed);
            }
        }
    }
}

/// The same for every attempt, so that a receiver can tell repetitions.
fn id(alert: &Alert) -> String {
    let record = &alert.record;
    let text = format!(
        "{}\n{}\n{}\n{}",
        alert.tenant,
        record.seq,
        record.anomaly.since_us,
        record.anomaly.until_us.is_some()
    );
    let hash = blake3::hash(text.as_bytes()).to_hex();
    format!("msg_{}", &hash[..32])
}

fn body(alert: &Alert) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        tenant: &'a TenantId,
        anomaly: &'a ringfence_store::AnomalyRecord,
    }
    let anomaly = &alert.record.anomaly;
    let (ty, at_us) = match anomaly.until_us {
        None => ("ringfence.anomaly.began", anomaly.since_us),
        Some(until_us) => ("ringfence.anomaly.ended", until_us),
    };
    let body = json!({
        "type": ty,
        "timestamp": time::format_us(at_us),
        "data": Data { tenant: &alert.tenant, anomaly: &alert.record },
    });
    body.to_string().into()
}
