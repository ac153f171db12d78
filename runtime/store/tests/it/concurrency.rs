//! Many askers at once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use ringfence_store::{Accepted, Append, Catalog, CommitOutcome, Journal, Log, Sqlite, StoreError};

use crate::records::{commit, event, execution, rule, tenant, tenant_id};

const TASKS: usize = 32;
const BATCHES: usize = 40;

async fn open(folder: &tempfile::TempDir) -> (Arc<Sqlite>, Arc<Mutex<Vec<Accepted>>>) {
    let store = Sqlite::open(folder.path().join("db")).unwrap();
    let fed = Arc::new(Mutex::new(Vec::new()));
    let notes = fed.clone();
    store.attach(Box::new(move |accepted| notes.lock().extend(accepted)));
    for name in ["t", "u"] {
        store.put_tenant(tenant(name)).await.unwrap();
    }
    (Arc::new(store), fed)
}

/// Appends batches; each shares an event with another task's, and every fifth
/// is refused. Answers how many were accepted.
async fn append_many(store: Arc<Sqlite>, task: usize) -> usize {
    let mut accepted = 0;
    for batch in 0..BATCHES {
        let mut events = vec![
            event("t", &format!("own-{task}-{batch}")),
            event("t", &format!("shared-{}-{batch}", task / 2)),
            event("u", &format!("own-{task}-{batch}")),
        ];
        if batch % 5 == 0 {
            events.push(event("gone", "x"));
            events[0] = event("t", &format!("refused-{task}-{batch}"));
            let refused = store.append(events).await;
            assert!(matches!(refused, Err(StoreError::NoTenant)), "{refused:?}");
            continue;
        }
        let answers = store.append(events).await.unwrap();
        assert_eq!(
            (answers[0], answers[2]),
            (Append::Accepted, Append::Accepted)
        );
        accepted += answers
            .iter()
            .filter(|one| **one == Append::Accepted)
            .count();
    }
    accepted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_appenders_make_one_log_without_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let (store, fed) = open(&folder).await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| tokio::spawn(append_many(store.clone(), task)))
        .collect();
    let mut accepted = 0;
    for task in tasks {
        accepted += task.await.unwrap();
    }
    let batches = TASKS * BATCHES * 4 / 5;
    assert_eq!(accepted, batches * 2 + batches / 2);
    let fed = fed.lock().clone();
    let seqs: Vec<u64> = fed.iter().map(|one| one.seq).collect();
    let expected: Vec<u64> = (1..=accepted as u64).collect();
    assert!(seqs == expected, "in order, each once, no gaps");
    let ids: HashSet<_> = fed
        .iter()
        .map(|one| (&one.event.tenant, one.event.id))
        .collect();
    assert_eq!(ids.len(), accepted);
    assert!(
        fed.iter()
            .all(|one| !one.event.ce_id.starts_with("refused"))
    );
    for name in ["t", "u"] {
        let read = store
            .pending(&tenant_id(name), 0, u32::MAX, u64::MAX)
            .await
            .unwrap();
        let of_tenant = fed.iter().filter(|one| one.event.tenant.as_str() == name);
        assert!(
            read.iter()
                .map(|one| one.seq)
                .eq(of_tenant.map(|one| one.seq))
        );
    }
}

/// The feed holds the writer at the first event, until all others wait.
#[tokio::test]
async fn tenants_take_turns_with_their_events() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(folder.path().join("db")).unwrap());
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let (begun, gate) = (Mutex::new(Some(begun)), Mutex::new(gate));
    let groups = Arc::new(Mutex::new(Vec::new()));
    let notes = groups.clone();
    store.attach(Box::new(move |accepted| {
        begun.lock().take().map(|begun| begun.send(()));
        // Its other end is dropped when it is time.
        let _ = gate.lock().recv();
        let of = |one: &Accepted| one.event.tenant.to_string();
        notes
            .lock()
            .push(accepted.iter().map(of).collect::<Vec<_>>());
    }));
    for name in ["t", "u"] {
        store.put_tenant(tenant(name)).await.unwrap();
    }
    let send = |tenant: &str, names: std::ops::Range<u32>| {
        let events = names.map(|name| event(tenant, &name.to_string())).collect();
        let store = store.clone();
        tokio::spawn(async move { store.append(events).await.unwrap().len() })
    };
    let mut sent = vec![send("t", 0..1)];
    begins.await.unwrap();
    sent.extend((0..40).map(|batch| send("t", 10 + 10 * batch..20 + 10 * batch)));
    sent.push(send("u", 0..1));
    // All of them are sent before this goes on.
    tokio::task::yield_now().await;
    drop(open);
    let mut accepted = 0;
    for one in sent {
        accepted += one.await.unwrap();
    }
    assert_eq!(accepted, 402);
    let groups = groups.lock().clone();
    assert!(groups[1].contains(&"u".into()), "{:?}", groups[1]);
    assert!(groups.len() > 2, "not all of the others are in it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_many_send_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, fed) = open(&folder).await;
    let events = (0..50)
        .map(|number| event("t", &number.to_string()))
        .collect();
    store.append(events).await.unwrap();
    let fed = fed.lock().clone();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (store, fed) = (store.clone(), fed.clone());
            tokio::spawn(async move {
                let run = |one: &Accepted| commit(one, execution(&one.event, &rule("r"), false));
                let outcomes = store.commit(fed.iter().map(run).collect()).await.unwrap();
                outcomes
                    .iter()
                    .filter(|one| **one == CommitOutcome::Committed)
                    .count()
            })
        })
        .collect();
    let mut committed = 0;
    for task in tasks {
        committed += task.await.unwrap();
    }
    assert_eq!(committed, fed.len());
    let counts = store.counts(&tenant_id("t")).await.unwrap();
    assert_eq!((counts.waiting, counts.done), (0, fed.len() as u64));
    let outbox = store.outgoing(&tenant_id("t"), 0, 1000).await.unwrap();
    assert_eq!(outbox.items.len(), fed.len());
}

/// Rows in all tables that hold a tenant's things.
fn rows(path: &std::path::Path) -> i64 {
    let connection = rusqlite::Connection::open(path).unwrap();
    let tables = [
        "events",
        "waiting",
        "finished",
        "executions",
        "listed",
        "ledgers",
        "outbox",
        "dead_letters",
        "counts",
        "tenants",
    ];
    let count = |table| {
        let sql = format!("SELECT count(*) FROM {table}");
        connection
            .query_row(&sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    tables.into_iter().map(count).sum()
}

/// Deletes a tenant that has done much, and waits until its rows are gone.
async fn delete_large(is_restarted: bool) {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, fed) = open(&folder).await;
    let path = folder.path().join("db");
    let empty = rows(&path);
    let events = (0..2_000)
        .map(|number| event("t", &number.to_string()))
        .collect();
    store.append(events).await.unwrap();
    let fed = fed.lock().clone();
    let run = |one: &Accepted| {
        let is_stopped = one.seq.is_multiple_of(2);
        commit(one, execution(&one.event, &rule("r"), is_stopped))
    };
    let commits = fed[..1_500].iter().map(run).collect();
    store.commit(commits).await.unwrap();
    assert!(store.delete_tenant(&tenant_id("t")).await.unwrap());
    // Others' requests are served meanwhile.
    store.append(vec![event("u", "a")]).await.unwrap();
    if is_restarted {
        store.close().await;
        drop(store);
        store = Arc::new(Sqlite::open(&path).unwrap());
    }
    let gone = async {
        // Less `t` and its counts, and one event of `u`.
        while rows(&path) != empty - 2 + 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), gone)
        .await
        .expect("the old rows are removed");
    let counts = store.counts(&tenant_id("u")).await.unwrap();
    assert_eq!(counts.waiting, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_tenant_is_removed_bit_by_bit() {
    delete_large(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_goes_on_after_a_restart() {
    delete_large(true).await;
}
