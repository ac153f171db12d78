//! A server that has much to do keeps cores for it, whatever rules take.

use std::time::Duration;

use ringfence_tests::{Server, event};
use serde_json::json;
use tokio::time::{sleep, timeout};

/// For what takes a second or two on a machine without other work.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks for the metrics until as many large runs may be made at one moment as there
/// are workers, or fewer. To ask is work for the server: with no pause, it needs a
/// core for that.
async fn until(server: &Server, are_fewer: bool, workers: u64, pause: Duration) {
    let reached = async {
        while (server.metric("large_runs_max").await < workers) != are_fewer {
            sleep(pause).await;
        }
    };
    let reached = timeout(PATIENCE, reached).await;
    assert!(reached.is_ok(), "fewer: never {are_fewer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_runs_leave_cores_to_a_server_that_needs_them() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = cores as u64;
    if workers == 1 {
        // There is one at least, so there are never fewer.
        return;
    }
    let server = Server::start_with(&format!("workers = {workers}\n")).await;
    until(&server, false, workers, Duration::from_millis(250)).await;
    let tenant = server.tenant("acme").await;
    tenant.activate("use-up").await;
    let ask = || until(&server, true, workers, Duration::ZERO);
    tokio::join!(ask(), ask(), ask(), ask());
    // They are made all the same.
    let large = |n: usize| {
        let data = json!({"turns": 1_000_000});
        event("limits.use", &format!("s-{n}"), data)
    };
    tenant.send(&(0..20).map(large).collect::<Vec<_>>()).await;
    let counts = tenant.settle().await;
    assert_eq!((counts.done, counts.dead_lettered), (20, 0));
    until(&server, false, workers, Duration::from_millis(250)).await;
}
