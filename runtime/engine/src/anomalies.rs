//! Looks at the tenants' pulse, keeps what is out of the ordinary, and tells
//! who is to know. In the background: nothing that runs waits for it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ringfence_model::{Anomaly, AnomalyEnd, AnomalyKind, TenantId, Webhook};
use ringfence_store::{AnomalyRecord, Store, StoreError};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::observer::Observer;
use crate::quarantine::Quarantines;
use crate::queue::Queue;
use crate::registry::Registry;
use crate::vitals::{Change, Vitals};

/// How often to look: a quarter of the time that growth has to last by
/// default.
const EVERY: Duration = Duration::from_millis(250);

/// How long to wait after the store failed.
const RETRY: Duration = Duration::from_secs(5);

/// Changes that wait for the store; of more, the oldest are given up.
const UNKEPT_MAX: usize = 1_024;

/// Alerts that wait for who delivers them; more are lost, and that is counted.
pub(crate) const ALERTS_MAX: usize = 1_024;

/// Anomalies without an end that are looked for at once.
const PAGE: u32 = 500;

/// That an anomaly began or, if it has an end, ended. It is durable.
#[derive(Debug, Clone)]
pub struct Alert {
    /// Whose.
    pub tenant: TenantId,
    /// What, as it is kept.
    pub record: AnomalyRecord,
    /// Where the tenant wants to be told.
    pub webhook: Option<Webhook>,
}

/// What an anomaly is kept and told with.
pub(crate) struct Monitor {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) quarantines: Arc<Quarantines>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) alerts: mpsc::Sender<Alert>,
}

impl Monitor {
    /// Looks until it is aborted.
    pub(crate) async fn run(self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut unkept, mut held) = (VecDeque::new(), HashMap::new());
        let mut retry_us = 0;
        loop {
            ticks.tick().await;
            let now_us = self.clock.now_us();
            for change in self.vitals.look(now_us) {
                self.dampen(&change);
                unkept.push_back(change);
            }
            unkept.extend(self.quarantined(&mut held, now_us));
            if unkept.len() > UNKEPT_MAX {
                let lost = unkept.len() - UNKEPT_MAX;
                unkept.drain(..lost);
                tracing::error!(
                    lost,
                    "anomalies are not kept, because the store does not answer"
                );
            }
            if now_us < retry_us {
                continue;
            }
            while let Some(change) = unkept.front() {
                if let Err(error) = self.keep(change).await {
                    tracing::error!(%error, "an anomaly cannot be kept; trying again");
                    retry_us = now_us.saturating_add(RETRY.as_micros() as u64);
                    break;
                }
                unkept.pop_front();
            }
        }
    }

    /// Tenants whose first rule came into quarantine, or whose last left it,
    /// since the latest look.
    fn quarantined(&self, held: &mut HashMap<TenantId, Anomaly>, now_us: u64) -> Vec<Change> {
        let now = self.quarantines.first_held();
        let mut changes = Vec::new();
        held.retain(|tenant, anomaly| {
            let goes_on = now.contains_key(tenant);
            if !goes_on {
                let anomaly = Anomaly {
                    until_us: Some(now_us),
                    ended: Some(AnomalyEnd::Calm),
                    ..anomaly.clone()
                };
                let tenant = tenant.clone();
                changes.push(Change { tenant, anomaly });
            }
            goes_on
        });
        for (tenant, (rule, quarantine)) in now {
            if held.contains_key(&tenant) {
                continue;
            }
            let anomaly = Anomaly::of_quarantine(&rule, &quarantine);
            held.insert(tenant.clone(), anomaly.clone());
            changes.push(Change { tenant, anomaly });
        }
        changes
    }

    /// A tenant whose runs grow is dampened for as long: in force at once.
    fn dampen(&self, change: &Change) {
        if change.anomaly.kind == AnomalyKind::Reproduction {
            let grows = change.anomaly.until_us.is_none();
            self.queue.set_dampened(&change.tenant, grows);
        }
    }

    /// Makes a change durable, and tells of it.
    async fn keep(&self, change: &Change) -> Result<(), StoreError> {
        let Change { tenant, anomaly } = change;
        let seq = if anomaly.until_us.is_none() {
            match self.store.begin_anomaly(tenant, anomaly.clone()).await {
                Ok(seq) => Some(seq),
                // It was removed meanwhile.
                Err(StoreError::NoTenant) => None,
                Err(error) => return Err(error),
            }
        } else {
            self.vitals.ended(tenant, anomaly.kind)
        };
        let Some(seq) = seq else { return Ok(()) };
        let record = AnomalyRecord {
            seq,
            anomaly: anomaly.clone(),
        };
        if anomaly.until_us.is_none() {
            self.vitals.began(tenant, record.clone());
        } else if let Err(error) = self.store.end_anomaly(tenant, record.clone()).await {
            // It goes on, as far as anybody can see, until this succeeds.
            self.vitals.began(tenant, record);
            return Err(error);
        }
        self.tell(tenant, record);
        Ok(())
    }

    fn tell(&self, tenant: &TenantId, record: AnomalyRecord) {
        let anomaly = &record.anomaly;
        let (kind, ended) = (anomaly.kind, anomaly.until_us.is_some());
        if ended {
            tracing::info!(%tenant, %kind, "an anomaly is over");
        } else {
            tracing::warn!(%tenant, %kind, message = anomaly.message, "an anomaly began");
        }
        self.observer.anomaly(tenant, kind, ended);
        let state = self.registry.get(tenant);
        let alert = Alert {
            tenant: tenant.clone(),
            record,
            webhook: state.and_then(|state| state.policy.webhook.clone()),
        };
        match self.alerts.try_send(alert) {
            // Nobody wants to know.
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => {
                tracing::error!(%tenant, %kind, "an alert is lost, because too many wait");
                self.observer.alert_lost();
            }
        }
    }

    /// Ends what an earlier process left without an end.
    pub(crate) async fn end_left_over(&self) -> Result<(), StoreError> {
        loop {
            let left = self.store.ongoing_anomalies(PAGE).await?;
            for (tenant, mut record) in left.iter().cloned() {
                record.anomaly.until_us = Some(self.clock.now_us());
                record.anomaly.ended = Some(AnomalyEnd::Restart);
                self.store.end_anomaly(&tenant, record.clone()).await?;
                self.tell(&tenant, record);
            }
            if left.len() < PAGE as usize {
                return Ok(());
            }
        }
    }
}
