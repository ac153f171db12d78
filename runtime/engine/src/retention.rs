//! Removes what is older than the journal is kept.

use std::sync::Arc;
use std::time::Duration;

use ringfence_store::Store;

use crate::clock::Clock;

/// How often to look.
const EVERY: Duration = Duration::from_secs(30);

/// Events removed in one transaction, so that writers hardly wait.
const BATCH: u32 = 500;

/// Prunes until it is aborted.
pub(crate) async fn run(store: Arc<dyn Store>, clock: Arc<dyn Clock>, retention_s: u64) {
    loop {
        tokio::time::sleep(EVERY).await;
        let before_us = clock
            .now_us()
            .saturating_sub(retention_s.saturating_mul(1_000_000));
        if let Err(error) = store.prune_anomalies(before_us, BATCH).await {
            tracing::error!(%error, "old anomalies cannot be removed; trying again later");
        }
        loop {
            match store.prune(before_us, BATCH).await {
                Ok(removed) if removed < u64::from(BATCH) => break,
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => {
                    tracing::error!(%error, "the journal cannot be pruned; trying again later");
                    break;
                }
            }
        }
    }
}
