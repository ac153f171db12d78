//! Rules run in processes that have no rights, and may be killed at any
//! moment without anybody's event being lost or having effect twice.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ringfence_tests::{PATIENCE, Server, event};
use serde_json::json;
use tokio::time::{sleep, timeout};

const ROUNDS: usize = 4;
const BATCHES: usize = 6;
const BATCH: usize = 100;

/// The folders in /proc of a server's workers.
fn workers(server: &Server) -> Vec<PathBuf> {
    let parent = format!("\nPPid:\t{}\n", server.id());
    let processes = fs::read_dir("/proc").expect("processes can be listed");
    let processes = processes.flatten().map(|process| process.path());
    processes
        .filter(|path| {
            let read = |name| fs::read_to_string(path.join(name)).unwrap_or_default();
            read("status").contains(&parent) && read("cmdline").ends_with("\0child\0run\0")
        })
        .collect()
}

/// How nice a process is: see proc_pid_stat(5), of which the fields after the
/// name are counted here.
fn nice(process: &Path) -> i64 {
    let stat = fs::read_to_string(process.join("stat")).expect("the process lives");
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let nice = fields
        .split_whitespace()
        .nth(16)
        .expect("it has a nice value");
    nice.parse().expect("a number")
}

#[tokio::test]
async fn a_worker_has_its_channel_and_nothing_else() {
    let server = Server::start_with("workers = 2\n").await;
    let acme = server.tenant("acme").await;
    acme.activate("escalate-urgent").await;
    let urgent = event("conversation.created", "c", json!({"priority": "urgent"}));
    acme.run(&[urgent]).await;
    let workers = workers(&server);
    assert_eq!(
        workers.len(),
        4,
        "two that run events, one beside them for cheap runs, one for the rest"
    );
    let own = nice(&PathBuf::from(format!("/proc/{}", server.id())));
    let gives_way = |worker: &&PathBuf| nice(worker) > own;
    assert_eq!(
        workers.iter().filter(gives_way).count(),
        3,
        "all but that for cheap runs leave the cores to the server first"
    );
    for worker in workers {
        let read = |name| fs::read_to_string(worker.join(name)).expect("the worker lives");
        let status = read("status");
        assert!(status.contains("\nNoNewPrivs:\t1\n"), "{status}");
        assert!(status.contains("\nSeccomp:\t2\n"), "{status}");
        assert_eq!(read("environ"), "", "a worker has an environment");
        for (limit, value) in [("Max core file size", "0"), ("Max file size", "0")] {
            let limits = read("limits");
            let line = limits.lines().find(|line| line.starts_with(limit));
            let line = line.unwrap_or_else(|| panic!("no {limit}: {limits}"));
            assert_eq!(line[limit.len()..].split_whitespace().next(), Some(value));
        }
        let space = read("limits");
        let mut space = space.lines();
        let space = space.find(|line| line.starts_with("Max address space"));
        assert!(space.is_some_and(|line| !line.contains("unlimited")));
        for descriptor in fs::read_dir(worker.join("fd")).unwrap().flatten() {
            let Ok(target) = fs::read_link(descriptor.path()) else {
                continue;
            };
            let target = target.to_string_lossy().into_owned();
            let expected = target.starts_with("socket:")
                || target.starts_with("pipe:")
                || target == "/dev/null"
                || target.ends_with("/pagemap")
                || target.starts_with("/memfd:ringfence-artifact")
                || target.starts_with("/memfd:ringfence-word");
            assert!(expected, "a worker holds {target}");
        }
    }
}

/// Whatever ends the server: nobody is left who would have to be ended.
#[tokio::test]
async fn workers_do_not_outlive_their_server() {
    let mut server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("escalate-urgent").await;
    let urgent = event("conversation.created", "c", json!({"priority": "urgent"}));
    acme.run(&[urgent]).await;
    let workers = workers(&server);
    assert!(!workers.is_empty());
    server.kill();
    let gone = async {
        while workers.iter().any(|worker| worker.exists()) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("the workers end");
}

/// Each worker is killed once while a round of events is on its way. So no run
/// is held twice by one that is killed, which would be taken for its doing.
#[tokio::test]
async fn killed_workers_lose_nothing_and_do_nothing_twice() {
    let server = Server::start_with("workers = 2\n").await;
    let (acme, other) = (server.tenant("acme").await, server.tenant("other").await);
    for tenant in [&acme, &other] {
        tenant.activate("escalate-urgent").await;
    }
    let batch = |name: &str| -> Vec<_> {
        let urgent = |n| {
            let subject = format!("{name}-{n}");
            event(
                "conversation.created",
                &subject,
                json!({"priority": "urgent"}),
            )
        };
        (0..BATCH).map(urgent).collect()
    };
    for round in 0..ROUNDS {
        let mut sent = Vec::new();
        for number in 0..BATCHES {
            for (tenant, name) in [(&acme, "acme"), (&other, "other")] {
                let events = batch(&format!("{name}-{round}-{number}"));
                sent.push((tenant, tenant.send(&events).await));
            }
            if number == BATCHES / 2 {
                kill(&workers(&server));
            }
        }
        for (tenant, ids) in &sent {
            for story in tenant.wait_until_done(ids).await {
                assert_eq!(story["state"], "done", "{story}");
            }
        }
    }
    for tenant in [&acme, &other] {
        let effects = tenant.effects().await;
        let ids: HashSet<_> = effects
            .iter()
            .map(|effect| effect["id"].to_string())
            .collect();
        let events = ROUNDS * BATCHES * BATCH;
        assert_eq!((effects.len(), ids.len()), (events, events));
    }
}

fn kill(workers: &[PathBuf]) {
    assert!(!workers.is_empty(), "the server has workers");
    let ids = workers.iter().filter_map(|worker| worker.file_name());
    let killed = Command::new("kill").arg("-KILL").args(ids).status();
    assert!(killed.is_ok_and(|status| status.success()));
}
