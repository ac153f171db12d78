//! How many events the server accepts durably per second over HTTP in batches
//! of 100, and how many it carries to their end, beside what the same disk
//! takes when the same bytes are appended and synced batch by batch.
//!
//! Rules run on threads of the process and, where `RINGFENCE_BIN` names the
//! binary, once more in worker processes.
//!
//! `cargo run --release -p ringfence-benches --bin ingest [EVENTS]`

#![allow(clippy::print_stdout)] // a bench's report is its output

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringfence_benches::{start, table};
use ringfence_engine::{Engine, EngineConfig, EventDone, Observer, SystemClock};
use ringfence_model::Limits;
use ringfence_processes::{Program, Workers, WorkersConfig};
use ringfence_sandbox::{CompileHere, Sandbox, SandboxConfig};
use ringfence_server::{Metrics, ServerConfig};
use ringfence_store::Sqlite;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const BATCH: u64 = 100;
const TENANTS: u64 = 8;
const CONNECTIONS: u64 = 8;
const TOKEN: &str = "bench-operator-token";

/// Counts events whose end is durable.
#[derive(Default)]
struct Done(AtomicU64);

impl Observer for Done {
    fn done(&self, _: &EventDone<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Host {
    url: String,
    done: Arc<Done>,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
    _folder: tempfile::TempDir,
}

impl Host {
    async fn start(workers: Option<&Path>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = Arc::new(Sqlite::open(folder.path().join("ringfence.db"))?);
        let config = EngineConfig {
            plans: BTreeMap::from([("standard".to_owned(), roomy())]),
            ..EngineConfig::default()
        };
        let sandbox = SandboxConfig {
            concurrent_runs: 8,
            memory_bytes_max: Limits::default().memory_bytes,
            cache_bytes: 64 << 20,
            artifact_bytes: 64 << 20,
            tenant_data: None,
            reserve_growth: true,
            artifact_key: [7; 32],
        };
        let done = Arc::new(Done::default());
        let clock = Arc::new(SystemClock::start());
        let engine = if let Some(binary) = workers {
            let settings = WorkersConfig::new(sandbox.memory_bytes_max, sandbox.cache_bytes);
            let workers = Arc::new(Workers::start(Program::at(binary), settings)?);
            let compiler = Arc::new(CompileHere::new(&sandbox)?);
            let sandbox = Sandbox::without_code(sandbox, None, compiler, workers.clone())?;
            Engine::start_with(store, sandbox, workers, clock, done.clone(), config).await?
        } else {
            let sandbox = Sandbox::new(sandbox, None)?;
            Engine::start(store, sandbox, clock, done.clone(), config).await?
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let server = ServerConfig {
            operator_token: TOKEN.to_owned(),
            alerts: ringfence_server::AlertsConfig::default(),
        };
        let metrics = Arc::new(Metrics::default());
        let served = tokio::spawn(ringfence_server::serve(
            listener,
            engine,
            metrics,
            server,
            async move { drop(stopped.await) },
        ));
        Ok(Self {
            url,
            done,
            stop,
            served,
            _folder: folder,
        })
    }

    async fn stop(self) -> Result<()> {
        drop(self.stop);
        Ok(self.served.await??)
    }
}

/// Limits that do not turn anything away.
fn roomy() -> Limits {
    Limits {
        waiting_events: 10_000_000,
        waiting_bytes: 64 << 30,
        events_per_second: 1_000_000,
        events_burst: 1_000_000,
        ..Limits::default()
    }
}

async fn put(client: &reqwest::Client, url: String, body: String) -> Result<()> {
    let request = client.put(&url).bearer_auth(TOKEN);
    let request = request
        .header("content-type", "application/json")
        .body(body);
    let response = request.send().await?;
    let status = response.status();
    ensure!(
        status.is_success(),
        "PUT {url}: {status} {}",
        response.text().await?
    );
    Ok(())
}

async fn set_up(client: &reqwest::Client, url: &str, rule: Option<&Path>) -> Result<()> {
    for tenant in 0..TENANTS {
        let tenant = format!("{url}/v1/tenants/t{tenant}");
        put(client, tenant.clone(), "{}".to_owned()).await?;
        let Some(path) = rule else { continue };
        let request = client
            .post(format!("{tenant}/rules/escalate/versions"))
            .bearer_auth(TOKEN)
            .header("content-type", "application/wasm")
            .body(std::fs::read(path).with_context(|| format!("{}", path.display()))?);
        let answer: serde_json::Value = request.send().await?.json().await?;
        let version = answer["version"].as_str();
        let version = version.with_context(|| format!("no version in {answer}"))?;
        let body = format!(r#"{{"version":"{version}"}}"#);
        put(client, format!("{tenant}/rules/escalate/activation"), body).await?;
    }
    Ok(())
}

/// A batch of events of about 400 bytes.
fn batch(connection: u64, number: u64) -> String {
    let filler = "All our agents see an empty inbox since this morning. ".repeat(3);
    let events = (0..BATCH).map(|index| {
        format!(
            r#"{{"specversion":"1.0","id":"{connection}-{number}-{index}","source":"/bench","type":"conversation.created","data":{{"id":"c-{number}-{index}","priority":"urgent","customer":{{"name":"Ada","plan":"gold"}},"text":"{filler}"}}}}"#
        )
    });
    format!("[{}]", events.collect::<Vec<_>>().join(","))
}

/// Sends `events` over some connections at once; answers events per second.
async fn send(client: &reqwest::Client, url: &str, events: u64) -> Result<f64> {
    let batches = events / BATCH / CONNECTIONS;
    let begun = start();
    let senders = (0..CONNECTIONS).map(|connection| {
        let client = client.clone();
        let url = format!("{url}/v1/tenants/t{}/events", connection % TENANTS);
        tokio::spawn(async move {
            for number in 0..batches {
                let request = client
                    .post(&url)
                    .bearer_auth(TOKEN)
                    .header("content-type", "application/cloudevents-batch+json")
                    .body(batch(connection, number));
                let response = request.send().await?;
                let status = response.status();
                ensure!(status.is_success(), "{status} {}", response.text().await?);
                // Read to the end, so that the connection is used again.
                response.bytes().await?;
            }
            Ok(())
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await??;
    }
    Ok((batches * BATCH * CONNECTIONS) as f64 / begun.elapsed().as_secs_f64())
}

/// Appends and syncs the same bytes batch by batch, for comparison.
fn bare_disk(events: u64) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let mut file = File::create(folder.path().join("log"))?;
    let batches = events / BATCH;
    let begun = start();
    for number in 0..batches {
        file.write_all(batch(0, number).as_bytes())?;
        file.sync_data()?;
    }
    Ok((batches * BATCH) as f64 / begun.elapsed().as_secs_f64())
}

async fn measure(events: u64, rule: Option<&Path>, workers: Option<&Path>) -> Result<(f64, f64)> {
    let host = Host::start(workers).await?;
    let client = reqwest::Client::new();
    set_up(&client, &host.url, rule).await?;
    let begun = start();
    let accepted = send(&client, &host.url, events).await?;
    let sent = events / BATCH / CONNECTIONS * BATCH * CONNECTIONS;
    while host.done.0.load(Ordering::Relaxed) < sent {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let done = sent as f64 / begun.elapsed().as_secs_f64();
    host.stop().await?;
    Ok((accepted, done))
}

fn guest(name: &str) -> PathBuf {
    let folder = std::env::var_os("RINGFENCE_GUESTS").map_or("target/guests".into(), PathBuf::from);
    folder.join(format!("{name}.wasm"))
}

#[tokio::main]
async fn main() -> Result<()> {
    let events = std::env::args().nth(1).map_or(Ok(200_000), |n| n.parse())?;
    let bare = bare_disk(events.min(50_000))?;
    let (accepted, gone) = measure(events, None, None).await?;
    let rule = guest("escalate-urgent");
    let (accepted_with, done) = measure(events, Some(&rule), None).await?;
    let row = |name: &str, figure: f64| {
        vec![
            name.to_owned(),
            format!("{figure:.0}"),
            format!("{:.2}", figure / bare),
        ]
    };
    let mut rows = vec![
        row("bare append and sync, one batch at a time", bare),
        row("accepted, no rule wants them", accepted),
        row("accepted and finished, no rule wants them", gone),
        row("accepted while `escalate-urgent` runs", accepted_with),
        row("accepted, run by `escalate-urgent`, committed", done),
    ];
    if let Some(binary) = std::env::var_os("RINGFENCE_BIN") {
        let binary = PathBuf::from(binary);
        let (accepted, done) = measure(events, Some(&rule), Some(&binary)).await?;
        rows.push(row("accepted while it runs in worker processes", accepted));
        rows.push(row("accepted, run in worker processes, committed", done));
    }
    table(&["events per second", "", "of bare"], &rows);
    Ok(())
}
