//! Brings waiting events from the disk into memory when there is room.

use std::sync::Arc;
use std::time::Duration;

use ringfence_model::TenantId;
use ringfence_store::Store;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::queue::Queue;

/// Events read at once. Each is at most as large as `event_bytes`.
const PAGE_EVENTS: u32 = 128;

/// How long to wait after the store failed.
const RETRY: Duration = Duration::from_millis(500);

/// Answers requests for pages until the queue is gone.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    queue: Arc<Queue>,
    mut requests: UnboundedReceiver<TenantId>,
) {
    while let Some(tenant) = requests.recv().await {
        while let Some(request) = queue.begin_page(&tenant) {
            match store.pending(&tenant, request.after, PAGE_EVENTS).await {
                Ok(page) => {
                    queue.end_page(&tenant, &request, page, PAGE_EVENTS as usize);
                    break;
                }
                Err(error) => {
                    tracing::error!(%tenant, %error, "waiting events cannot be read; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}
