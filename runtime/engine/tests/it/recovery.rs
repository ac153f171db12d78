//! What waits survives, and tenants come and go, while work is under way.

use ringfence_model::LimitOverrides;
use ringfence_store::Append;

use crate::host::{Host, config, spam};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_done_after_a_restart_and_nothing_twice() {
    const MESSAGES: usize = 900;
    let folder = tempfile::tempdir().unwrap();
    let messages = |host: &Host| -> Vec<_> {
        (0..MESSAGES)
            .map(|id| spam(host, id, &format!("m-{id}"), &format!("s{}", id % 5)))
            .collect()
    };
    let host = Host::start(folder.path(), config(50)).await;
    host.put_tenant(LimitOverrides::default()).await;
    host.activate("three-strikes").await;
    let accepted = host.accept(messages(&host)).await;
    assert!(accepted.iter().all(|append| *append == Append::Accepted));
    host.stop().await;

    let host = Host::start(folder.path(), config(50)).await;
    let again = host.accept(messages(&host)).await;
    assert!(again.iter().all(|append| *append == Append::Duplicate));
    let counts = host.finished().await;
    assert_eq!((counts.done, counts.dead_lettered), (MESSAGES as u64, 0));
    assert_eq!(host.actions().await.len(), MESSAGES / 3);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_removed_under_load_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), config(20)).await;
    for _ in 0..5 {
        host.put_tenant(LimitOverrides::default()).await;
        host.activate("three-strikes").await;
        let events = (0..200).map(|id| spam(&host, id, &format!("m-{id}"), "eve@example.org"));
        host.accept(events.collect()).await;
        let deleted = host.engine.delete_tenant(&host.tenant).await;
        assert!(deleted.unwrap().is_some());
    }
    host.put_tenant(LimitOverrides::default()).await;
    host.activate("three-strikes").await;
    let events = (0..6).map(|id| spam(&host, id, "m-1", "eve@example.org"));
    host.accept(events.collect()).await;
    let counts = host.finished().await;
    assert_eq!((counts.done, counts.dead_lettered), (6, 0));
    assert_eq!(host.actions().await.len(), 2);
    assert_eq!(host.engine.stats().waiting, 0);
    host.stop().await;
}
