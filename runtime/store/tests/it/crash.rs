//! Ends that were not planned.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;
use ringfence_model::{EventId, ExecutionId};
use ringfence_store::{Accepted, Append, Catalog, Journal, Log, Sqlite};

use crate::records::{commit, event, execution, rule, tenant, tenant_id};

/// Set in the process that is to be killed: where its database is.
const VICTIM: &str = "RINGFENCE_STORE_TEST_VICTIM";
const NAME: &str = "crash::a_killed_process_loses_nothing_that_was_answered";

#[test]
fn a_killed_process_loses_nothing_that_was_answered() {
    if let Some(path) = std::env::var_os(VICTIM) {
        return be_a_victim(Path::new(&path));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    // Killed at different moments, on the same database.
    for lines in [1, 40, 300, 1_000] {
        let answered = kill_after(&path, lines);
        check(&path, &answered);
    }
}

fn kill_after(path: &Path, lines: usize) -> Vec<String> {
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(VICTIM, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    // The test harness prints, too; the last line may be cut off.
    let mut answered = |limit| {
        let whole = answers.by_ref().map_while(Result::ok);
        let ours = whole.filter(|line| line.starts_with("answered ") && line.ends_with(';'));
        ours.take(limit).collect::<Vec<_>>()
    };
    let mut all = answered(lines);
    child.kill().unwrap();
    all.extend(answered(usize::MAX));
    child.wait().unwrap();
    assert!(all.len() >= lines, "it was killed while it worked");
    all
}

fn check(path: &Path, answered: &[String]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Sqlite::open(path).unwrap();
        let t = tenant_id("t");
        for line in answered {
            let mut words = line.trim_end_matches(';').split(' ').skip(1);
            let (what, id) = (words.next().unwrap(), words.next().unwrap());
            let kept = match what {
                "append" => store
                    .event(&t, id.parse::<EventId>().unwrap())
                    .await
                    .unwrap()
                    .is_some(),
                "commit" => {
                    let id: ExecutionId = id.parse().unwrap();
                    store.execution(&t, id).await.unwrap().is_some()
                }
                other => panic!("{other}"),
            };
            assert!(kept, "{line}");
        }
        let counts = store.counts(&t).await.unwrap();
        let waiting = store.pending(&t, 0, u32::MAX, u64::MAX).await.unwrap();
        assert_eq!(counts.waiting, waiting.len() as u64);
        assert_eq!(store.backlog().await.unwrap()[0].events, counts.waiting);
    });
}

/// Appends and commits until it is killed, and says what was answered.
fn be_a_victim(path: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Arc::new(Sqlite::open(path).unwrap());
        let fed: Arc<Mutex<Vec<Accepted>>> = Arc::default();
        let notes = fed.clone();
        store.attach(Box::new(move |accepted| notes.lock().extend(accepted)));
        store.put_tenant(tenant("t")).await.unwrap();
        let first = store.counts(&tenant_id("t")).await.unwrap();
        let run = first.waiting + first.done;
        let tasks: Vec<_> = (0..4)
            .map(|task| tokio::spawn(work(store.clone(), fed.clone(), format!("{run}-{task}"))))
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

async fn work(store: Arc<Sqlite>, fed: Arc<Mutex<Vec<Accepted>>>, name: String) {
    for number in 0.. {
        let events: Vec<_> = (0..5)
            .map(|part| event("t", &format!("{name}-{number}-{part}")))
            .collect();
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        let answers = store.append(events).await.unwrap();
        assert!(answers.iter().all(|answer| *answer == Append::Accepted));
        say("append", &ids);
        let some: Vec<_> = {
            let mut fed = fed.lock();
            let keep = fed.len().saturating_sub(3);
            fed.drain(keep..).collect()
        };
        let run = |one: &Accepted| execution(&one.event, &rule("r"), one.seq.is_multiple_of(3));
        let commits: Vec<_> = some.iter().map(|one| commit(one, run(one))).collect();
        let ids: Vec<_> = some.iter().map(|one| run(one).id).collect();
        store.commit(commits).await.unwrap();
        say("commit", &ids);
    }
}

fn say<T: std::fmt::Display>(what: &str, ids: &[T]) {
    let mut out = std::io::stdout().lock();
    for id in ids {
        // An error says that the parent has gone; so does the end.
        if writeln!(out, "answered {what} {id};").is_err() {
            std::process::exit(1);
        }
    }
}

#[tokio::test]
async fn a_store_that_is_dropped_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let store = Sqlite::open(&path).unwrap();
    store.put_tenant(tenant("t")).await.unwrap();
    for number in 0..20 {
        store
            .append(vec![event("t", &number.to_string())])
            .await
            .unwrap();
    }
    drop(store);
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(
        store
            .pending(&tenant_id("t"), 0, 100, u64::MAX)
            .await
            .unwrap()
            .len(),
        20
    );
}

#[tokio::test]
async fn a_second_store_at_the_same_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let store = Sqlite::open(&path).unwrap();
    let error = Sqlite::open(&path).unwrap_err().to_string();
    assert!(error.contains("in use by another process"), "{error}");
    drop(store);
    let store = Sqlite::open(&path).unwrap();
    // Somebody may hold a closed store for a while.
    store.close().await;
    Sqlite::open(&path).unwrap();
    drop(store);
}
