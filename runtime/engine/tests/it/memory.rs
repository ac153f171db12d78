//! Remembered values are serializable, and events of a subject are in order,
//! whatever runs at once and however little fits into memory.

use std::collections::HashSet;

use ringfence_model::LimitOverrides;

use crate::host::{Host, config, spam};

/// Every third message of a sender blocks it: a lost or doubled count shows.
async fn blocks(window_events: usize, messages: usize, subjects: usize) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), config(window_events)).await;
    host.put_tenant(LimitOverrides::default()).await;
    host.activate("three-strikes").await;
    let events = (0..messages).map(|id| {
        spam(
            &host,
            id,
            &format!("m-{}", id % subjects),
            "eve@example.org",
        )
    });
    host.accept(events.collect()).await;
    let counts = host.finished().await;
    assert_eq!((counts.done, counts.dead_lettered), (messages as u64, 0));
    let actions = host.actions().await;
    let ids: HashSet<_> = actions.iter().map(|action| action.id).collect();
    assert_eq!(ids.len(), actions.len());
    host.stop().await;
    actions.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hot_value_counts_exactly() {
    for (window_events, messages, subjects) in [(1_000, 600, 600), (1_000, 300, 1), (4, 300, 7)] {
        let case = format!("{messages} messages, {subjects} subjects, window {window_events}");
        assert_eq!(
            blocks(window_events, messages, subjects).await,
            messages / 3,
            "{case}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_is_in_order_beyond_the_window() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), config(3)).await;
    host.put_tenant(LimitOverrides::default()).await;
    host.activate("three-strikes").await;
    let mut sent = Vec::new();
    for batch in 0..20 {
        let events: Vec<_> = (0..10)
            .map(|index| spam(&host, batch * 10 + index, "m-1", "eve@example.org"))
            .collect();
        sent.extend(events.iter().map(|event| event.id));
        host.accept(events).await;
    }
    host.finished().await;
    let store = host.engine.store();
    let filter = ringfence_store::ExecutionFilter::default();
    let (mut run, mut before) = (Vec::new(), None);
    loop {
        let page = store
            .executions(&host.tenant, &filter, before, 100)
            .await
            .unwrap();
        run.extend(page.items.into_iter().map(|execution| execution.event));
        match page.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    run.reverse();
    assert_eq!(run, sent);
    host.stop().await;
}
