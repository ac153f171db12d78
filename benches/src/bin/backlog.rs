//! What a backlog of one tenant costs the host: memory beyond that of an idle
//! server, the time to be ready after a restart, and what another tenant beside
//! it waits.
//!
//! The real server on a data folder that is filled through the store. The
//! backlog's runs take some milliseconds each, so that hardly anything of it is
//! done meanwhile. The other tenant sends one event after the other, and the
//! time is that from its acceptance to its end, as the server's records say.
//!
//! `RINGFENCE_BIN=... backlog [EVENTS [TENANTS]]`: so many events in all, of so
//! many tenants; a million of one. Guests are looked for in `RINGFENCE_GUESTS`,
//! else in `target/guests`. Among many tenants with a backlog the other
//! one, which sends as fast as it is answered, gets its share and no more: this
//! takes minutes then.

#![allow(clippy::print_stdout, reason = "prints what it measured")]

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ringfence_benches::process::{Process, mib, quantile};
use ringfence_benches::rule::guest;
use ringfence_benches::{start, table};
use ringfence_model::{Ancestry, Event, EventId, Json, Limits, Lineage, Tenant, TenantId};
use ringfence_store::{Catalog as _, Log as _, NewVersion, Sqlite};
use serde_json::{Value, json};

const EVENTS: u64 = 1_000_000;
const SMALL: u64 = 20_000;
/// Events appended at once.
const BATCH: u64 = 1_000;
/// Events of the other tenant.
const CALM: usize = 300;
/// Turns of the backlog's runs: some milliseconds.
const TURNS: u64 = 1_500_000;
/// Of which subjects the backlog's events are.
const SUBJECTS: u64 = 5_000;
/// What is asked of the store at once.
const AT_ONCE: usize = 64;
/// How long a server may settle before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);

const CONFIGURATION: &str = "[quarantine]\nruns = 0\n[plans.standard]\nwaiting_events = 100_000_000\n\
     waiting_bytes = 1_000_000_000_000\n";

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let events = arguments.next().map_or(Ok(EVENTS), |text| text.parse())?;
    let tenants: u64 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let path = folder.path();
    let process = Process::start(path, CONFIGURATION).await?;
    set_up(&process).await?;
    let mut rows = vec![measure("nothing waits", &process).await?];
    process.stop()?;

    set_up_others(path, tenants).await?;
    // A small backlog to compare with: it keeps the workers as busy.
    fill(path, 0..SMALL.min(events), tenants).await?;
    let process = Process::start(path, CONFIGURATION).await?;
    rows.push(measure("some wait", &process).await?);
    process.stop()?;

    fill(path, SMALL.min(events)..events, tenants).await?;
    let process = Process::start(path, CONFIGURATION).await?;
    rows.push(measure("all wait, after a stop", &process).await?);
    process.kill()?;
    let process = Process::start(path, CONFIGURATION).await?;
    rows.push(measure("all wait, after a kill", &process).await?);
    process.stop()?;
    let head = [
        "",
        "waiting",
        "ready, ms",
        "server, MiB",
        "peak",
        "workers",
        "windows",
        "calm p50, ms",
        "p99",
    ];
    table(&head, &rows);
    Ok(())
}

/// The calm tenant, and the first with a backlog.
async fn set_up(process: &Process) -> Result<()> {
    let calm = json!({"turns": 100});
    put(process, "/v1/tenants/calm", &json!({})).await?;
    let version = upload(process, "calm").await?;
    activate(process, "calm", &version).await?;
    send(process, "calm", &calm).await?;
    let name = backlogged(0);
    put(process, &format!("/v1/tenants/{name}"), &json!({})).await?;
    let version = upload(process, &name).await?;
    activate(process, &name, &version).await
}

/// The others with a backlog, as the first: nothing is compiled again.
async fn set_up_others(path: &Path, tenants: u64) -> Result<()> {
    let store = Arc::new(Sqlite::open(path.join("ringfence.db"))?);
    let first: TenantId = backlogged(0).parse()?;
    let tenant = store.tenant(&first).await?.context("it is there")?;
    let activation = store.activations(&first).await?.pop();
    let activation = activation.context("it is in force")?;
    let version = store.version(&first, &activation.rule, activation.version);
    let record = version.await?.context("it is kept")?;
    let component = store.component(activation.version).await?;
    let component = component.context("its component is kept")?;
    let mut asked = tokio::task::JoinSet::new();
    for number in 1..tenants {
        let id: TenantId = backlogged(number).parse()?;
        let tenant = Tenant {
            id: id.clone(),
            ..tenant.clone()
        };
        let new = NewVersion {
            record: record.clone(),
            component: component.clone(),
        };
        let (store, activation) = (Arc::clone(&store), activation.clone());
        asked.spawn(async move {
            store.put_tenant(tenant).await?;
            store.put_version(&id, new, &Limits::default()).await?;
            store.put_activation(&id, activation).await
        });
        if asked.len() >= AT_ONCE {
            asked.join_next().await.context("some are asked")???;
        }
    }
    while let Some(put) = asked.join_next().await {
        put??;
    }
    store.close().await;
    Ok(())
}

fn backlogged(number: u64) -> String {
    format!("storm-{number}")
}

async fn put(process: &Process, path: &str, body: &Value) -> Result<()> {
    let body = body.to_string().into_bytes();
    process.call("PUT", path, "application/json", body).await?;
    Ok(())
}

async fn upload(process: &Process, tenant: &str) -> Result<String> {
    let path = format!("/v1/tenants/{tenant}/rules/use-up/versions");
    let answer = process.call("POST", &path, "application/wasm", guest("use-up")?);
    let version = answer.await?["version"].as_str().map(str::to_owned);
    version.context("a version has an id")
}

async fn activate(process: &Process, tenant: &str, version: &str) -> Result<()> {
    let path = format!("/v1/tenants/{tenant}/rules/use-up/activation");
    put(process, &path, &json!({ "version": version })).await
}

/// Sends an event and waits for its end; answers how long it took, in
/// milliseconds.
async fn send(process: &Process, tenant: &str, data: &Value) -> Result<f64> {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let id = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let event = json!({
        "specversion": "1.0", "id": format!("calm-{id}"), "source": "/bench",
        "type": "limits.use", "subject": format!("s-{id}"), "data": data,
    });
    let path = format!("/v1/tenants/{tenant}/events");
    let body = event.to_string().into_bytes();
    let answer = process.call("POST", &path, "application/cloudevents+json", body);
    let answer = answer.await?;
    let id = answer["accepted"][0]["id"].as_str();
    let id = id.with_context(|| format!("no id in {answer}"))?;
    loop {
        let path = format!("{path}/{id}");
        let story = process.call("GET", &path, "", Vec::new()).await?;
        let accepted = story["event"]["accepted_us"].as_u64();
        if let (Some(done), Some(accepted)) = (story["done_us"].as_u64(), accepted) {
            return Ok(done.saturating_sub(accepted) as f64 / 1_000.0);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Appends the backlog, all tenants in turn.
async fn fill(path: &Path, events: Range<u64>, tenants: u64) -> Result<()> {
    let begun = start();
    let store = Sqlite::open(path.join("ringfence.db"))?;
    let names: Vec<TenantId> = (0..tenants)
        .map(|number| backlogged(number).parse())
        .collect::<Result<_, _>>()?;
    let data = json!({"turns": TURNS, "text": "x".repeat(350)}).to_string();
    let data = Json::parse(&data)?;
    for from in events.clone().step_by(usize::try_from(BATCH)?) {
        let batch = (from..events.end.min(from + BATCH)).map(|number| {
            let tenant = &names[usize::try_from(number % tenants).unwrap_or(0)];
            event(tenant, number, data.clone())
        });
        store.append(batch.collect()).await?;
    }
    store.close().await;
    drop(store);
    let size = std::fs::metadata(path.join("ringfence.db"))?.len();
    println!(
        "{} events of {tenants} tenants appended in {:.1} s; the database has {} MiB",
        events.end - events.start,
        begun.elapsed().as_secs_f64(),
        mib(size)
    );
    Ok(())
}

fn event(tenant: &TenantId, number: u64, data: Json) -> Event {
    let ce_id = format!("b{number}");
    let id = EventId::root(tenant, "/bench", &ce_id);
    Event {
        id,
        tenant: tenant.clone(),
        ce_id,
        source: "/bench".into(),
        ty: "limits.use".into(),
        subject: Some(format!("s-{}", number % SUBJECTS)),
        time: "2026-01-01T00:00:00Z".into(),
        data,
        accepted_us: 1_767_225_600_000_000,
        lineage: Lineage::root(id),
        ancestry: Ancestry::default(),
    }
}

async fn measure(what: &str, process: &Process) -> Result<Vec<String>> {
    tokio::time::sleep(SETTLE).await;
    let mut times = Vec::with_capacity(CALM);
    for _ in 0..CALM {
        times.push(send(process, "calm", &json!({"turns": 100})).await?);
    }
    times.sort_by(f64::total_cmp);
    let resident = process.resident()?;
    Ok(vec![
        what.to_owned(),
        process
            .metric("ringfence_events_waiting")
            .await?
            .to_string(),
        format!("{:.0}", process.ready.as_secs_f64() * 1_000.0),
        mib(resident.server),
        mib(resident.peak),
        mib(resident.workers),
        mib(process.metric("ringfence_waiting_memory_bytes").await?),
        format!("{:.2}", quantile(&times, 0.5)),
        format!("{:.2}", quantile(&times, 0.99)),
    ])
}
