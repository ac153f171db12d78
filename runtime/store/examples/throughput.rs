//! Measures a store on this machine: `cargo run -p ringfence-store --example
//! throughput [EVENTS]`. Writes into a temporary folder and prints rates and
//! the time from a request to its durable answer.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a measuring tool prints, looks at the clock, and stops on any error"
)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringfence_model::{
    Action, Ancestry, Effect, EffectId, Event, EventId, Execution, ExecutionId, Json, Ledger,
    Lineage, Log, Mode, RuleName, Status, Tenant, TenantId, Usage, VersionId,
};
use ringfence_store::{
    Accepted, Append, Catalog, CommitOutcome, Completion, Decision, Log as _, Outcome, RunCommit,
    Sqlite,
};

const TENANTS: u64 = 8;
const APPEND_BATCH: u64 = 100;
const APPENDERS: u64 = 16;
const COMMIT_BATCH: usize = 250;
const COMMITTERS: usize = 2;

fn event(number: u64) -> Event {
    let tenant: TenantId = format!("tenant-{}", number % TENANTS).parse().unwrap();
    let ce_id = format!("event-{number:010}");
    let id = EventId::root(&tenant, "/desk/conversations", &ce_id);
    Event {
        id,
        tenant,
        ce_id,
        source: "/desk/conversations".into(),
        ty: "conversation.created".into(),
        subject: Some(format!("conversation-{}", number % 10_000)),
        time: "2026-01-01T00:00:00Z".into(),
        data: Json::trusted(format!(r#"{{"n":{number},"text":"{}"}}"#, "x".repeat(370))),
        accepted_us: number,
        lineage: Lineage::root(id),
        ancestry: Ancestry::default(),
    }
}

fn commit(accepted: &Accepted, rule: &RuleName, version: VersionId) -> RunCommit {
    let event = accepted.event.clone();
    let id = ExecutionId::of(&event, rule, version);
    let act = Effect::Act(Action {
        name: "conversation.update".into(),
        payload: Json::trusted(r#"{"team":"escalations","priority":"high"}"#),
    });
    let execution = Execution {
        id,
        tenant: event.tenant.clone(),
        rule: rule.clone(),
        version,
        event: event.id,
        lineage: event.lineage,
        mode: Mode::Enforce,
        status: Status::Ok,
        stop: None,
        usage: Usage::default(),
        limits: None,
        near_limits: Vec::new(),
        started_us: event.accepted_us,
        config: Json::empty_object(),
        effects: vec![act.clone()],
        recalled: Vec::new(),
        asked_now: false,
        asked_random: false,
        log: Log::default(),
        fingerprint: 0,
        cycle: Vec::new(),
    };
    let done_us = event.accepted_us;
    RunCommit {
        seq: accepted.seq,
        effects: vec![(EffectId::of(event.id, rule, version, 0), act)],
        event,
        execution: Some(Arc::new(execution)),
        decisions: vec![Decision {
            rule: rule.clone(),
            version,
            outcome: Outcome::Ran { execution: id },
        }],
        follow_ups: Vec::new(),
        draw: Ledger {
            executions: 1,
            fuel: 120_000,
            ..Ledger::default()
        },
        state_bytes_max: 0,
        completion: Some(Completion { done_us }),
        parks: Vec::new(),
        asleep: false,
    }
}

fn report(what: &str, count: u64, took: Duration, mut waits: Vec<Duration>) {
    waits.sort();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{what}: {:.0}/s ({count} in {:.2} s; answered after p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms)",
        count as f64 / took.as_secs_f64(),
        took.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0),
    );
}

async fn appends(store: &Arc<Sqlite>, first: u64, events: u64) {
    let begun = Instant::now();
    let tasks = (0..APPENDERS).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut waits = Vec::new();
            let mut next = first + task * APPEND_BATCH;
            while next < first + events {
                let batch = (next..next + APPEND_BATCH).map(event).collect();
                let asked = Instant::now();
                let answers = store.append(batch).await.unwrap();
                waits.push(asked.elapsed());
                assert!(answers.iter().all(|answer| *answer == Append::Accepted));
                next += APPENDERS * APPEND_BATCH;
            }
            waits
        })
    });
    let mut waits = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        waits.extend(task.await.unwrap());
    }
    report("append, 100 events a batch", events, begun.elapsed(), waits);
}

async fn commits(store: &Arc<Sqlite>, accepted: Vec<Accepted>) {
    let count = accepted.len() as u64;
    let rule: RuleName = "escalate-urgent".parse().unwrap();
    let version = VersionId::of(b"component");
    let begun = Instant::now();
    let share = accepted.len().div_ceil(COMMITTERS);
    let tasks = accepted.chunks(share).map(|part| {
        let (store, rule, part) = (store.clone(), rule.clone(), part.to_vec());
        tokio::spawn(async move {
            let mut waits = Vec::new();
            for batch in part.chunks(COMMIT_BATCH) {
                let batch = batch.iter().map(|one| commit(one, &rule, version));
                let batch = batch.collect();
                let asked = Instant::now();
                let outcomes = store.commit(batch).await.unwrap();
                waits.push(asked.elapsed());
                assert!(outcomes.iter().all(|one| *one == CommitOutcome::Committed));
            }
            waits
        })
    });
    let mut waits = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        waits.extend(task.await.unwrap());
    }
    report("commit, 250 runs a batch", count, begun.elapsed(), waits);
}

#[tokio::main]
async fn main() {
    let argument = std::env::args().nth(1);
    let events: u64 = argument.map_or(200_000, |text| text.parse().unwrap());
    let events = events.next_multiple_of(APPENDERS * APPEND_BATCH);
    let folder = tempfile::tempdir_in(".").unwrap();
    let store = Arc::new(Sqlite::open(folder.path().join("db")).unwrap());
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let feed = accepted.clone();
    store.attach(Box::new(move |events| feed.lock().unwrap().extend(events)));
    for number in 0..TENANTS {
        let tenant = Tenant {
            id: format!("tenant-{number}").parse().unwrap(),
            plan: "standard".into(),
            limits: ringfence_model::LimitOverrides::default(),
            policy: ringfence_model::Policy::default(),
            paused: None,
            created_us: 0,
        };
        store.put_tenant(tenant).await.unwrap();
    }
    for round in 0..3 {
        appends(&store, round * events, events).await;
        let round = std::mem::take(&mut *accepted.lock().unwrap());
        commits(&store, round).await;
    }
    let key: TenantId = "tenant-0".parse().unwrap();
    let rule: RuleName = "escalate-urgent".parse().unwrap();
    let begun = Instant::now();
    let recalls = 100_000;
    for _ in 0..recalls {
        store.recall(&key, &rule, "count").unwrap();
    }
    println!(
        "recall: {:.1} us",
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(recalls)
    );
    let begun = Instant::now();
    let mut removed = 0;
    loop {
        let some = store.prune(u64::MAX, 1000).await.unwrap();
        if some == 0 || removed >= 100_000 {
            break;
        }
        removed += some;
    }
    println!(
        "prune: {:.0}/s",
        removed as f64 / begun.elapsed().as_secs_f64()
    );
    store.close().await;
    let size = std::fs::metadata(folder.path().join("db")).unwrap().len();
    println!("database: {} MB", size / 1_000_000);
}
