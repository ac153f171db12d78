//! Many rules in force: what one costs the host while it is idle, how long it
//! takes to get one ready whose code is only on the disk, and what is compiled
//! again (nothing).
//!
//! The rules are one guest's component with a custom section of its own each, so
//! that each is a version of its own with an artifact of its own. A custom
//! section does not become code: the bench compiles once, and each artifact is
//! made of that. Ten rules in force for each tenant.
//!
//! 1. In this process, with worker processes as a server has: rules are made
//!    ready and run that are not in memory, and then again.
//! 2. The real server on the same data: the time to be ready and its memory,
//!    beside a server that has nothing. Then events, of which tenant by Zipf's
//!    law (with exponent 1); each is run by the ten rules of its tenant.
//!
//! `RINGFENCE_BIN=... rules [RULES [EVENTS]]`; guests are looked for in
//! `RINGFENCE_GUESTS`, else in `target/guests`.

#![allow(clippy::print_stdout, reason = "prints what it measured")]

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use ringfence_benches::process::{Process, mib, quantile};
use ringfence_benches::rule::{Rule, config, guest};
use ringfence_benches::{start, table};
use ringfence_model::{
    Activation, Json, LimitOverrides, Limits, Manifest, Mode, Plan, Policy, RuleName, Tenant,
    TenantId, VersionId,
};
use ringfence_processes::{Program, Workers, WorkersConfig};
use ringfence_sandbox::{
    Built, CompileHere, Compiler, Inspected, Progress, RunError, RunReport, Runner, Runners as _,
    Sandbox, SandboxConfig, UploadError,
};
use ringfence_store::{Catalog as _, Log as _, NewVersion, Sqlite, VersionRecord};
use serde_json::json;

const GUEST: &str = "escalate-urgent";
const RULES: u64 = 2_000;
const RULES_OF_TENANT: u64 = 10;
const EVENTS: u64 = 2_000;
/// Rules that are made ready and run in part 1.
const COLD: usize = 500;
/// What is asked of the store at once.
const AT_ONCE: usize = 64;
/// How long a server may settle before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);
const KEY: [u8; 32] = [7; 32];

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rules = arguments.next().map_or(Ok(RULES), |text| text.parse())?;
    let events = arguments.next().map_or(Ok(EVENTS), |text| text.parse())?;
    ensure!(rules >= RULES_OF_TENANT, "there must be a tenant's rules");
    let folder = tempfile::tempdir()?;
    let versions = make(folder.path(), rules).await?;
    cold(folder.path(), &versions)?;
    serve(folder.path(), rules, events).await
}

/// Compiles the first time it is asked.
struct Once {
    inner: CompileHere,
    built: OnceLock<Result<Built, UploadError>>,
}

impl Compiler for Once {
    fn build(&self, upload: &[u8], limits: &Limits) -> Result<Built, UploadError> {
        let built = self.built.get_or_init(|| self.inner.build(upload, limits));
        built.clone()
    }
}

/// Refuses: everything is compiled already.
struct Never;

impl Compiler for Never {
    fn build(&self, _: &[u8], _: &Limits) -> Result<Built, UploadError> {
        Err(UploadError::Unavailable("it was compiled before".into()))
    }
}

/// The settings of a server.
fn settings() -> SandboxConfig {
    SandboxConfig {
        concurrent_runs: 4,
        memory_bytes_max: 1 << 30,
        artifact_bytes: 1 << 40,
        artifact_key: KEY,
        ..config()
    }
}

fn artifacts(data: &Path) -> Result<cap_std::fs::Dir> {
    let path = data.join("artifacts");
    std::fs::create_dir_all(&path)?;
    let ambient = cap_std::ambient_authority();
    Ok(cap_std::fs::Dir::open_ambient_dir(path, ambient)?)
}

/// A component with a custom section that says this number.
fn numbered(component: &[u8], number: u64) -> Vec<u8> {
    const NAME: &[u8] = b"number";
    let mut bytes = component.to_vec();
    let content = number.to_le_bytes();
    // Custom sections have the id 0; all lengths here have one byte.
    bytes.extend([0, (1 + NAME.len() + content.len()) as u8, NAME.len() as u8]);
    bytes.extend(NAME);
    bytes.extend(content);
    bytes
}

fn tenant(number: u64) -> Result<TenantId> {
    Ok(format!("t{number}").parse()?)
}

/// Fills a data folder; answers the versions, with what they declare.
async fn make(data: &Path, rules: u64) -> Result<Vec<(VersionId, Manifest)>> {
    let begun = start();
    let component = guest(GUEST)?;
    let config = settings();
    let compiler = Once {
        inner: CompileHere::new(&config)?,
        built: OnceLock::new(),
    };
    let sandbox = Sandbox::with_compiler(config, Some(artifacts(data)?), Arc::new(compiler))?;
    let store = Arc::new(Sqlite::open(data.join("ringfence.db"))?);
    for number in 0..rules.div_ceil(RULES_OF_TENANT) {
        let tenant = Tenant {
            id: tenant(number)?,
            plan: Plan::STANDARD.to_owned(),
            limits: LimitOverrides::default(),
            policy: Policy::default(),
            created_us: 1,
            paused: None,
        };
        store.put_tenant(tenant).await?;
    }
    let mut versions = Vec::new();
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..rules {
        let component = numbered(&component, number);
        let inspected = sandbox.inspect(&component, &Limits::default())?;
        versions.push((inspected.version, inspected.manifest.clone()));
        let store = Arc::clone(&store);
        asked.spawn(put(store, number, inspected, component.into()));
        while asked.len() >= AT_ONCE {
            asked.join_next().await.context("some are asked")???;
        }
    }
    while let Some(put) = asked.join_next().await {
        put??;
    }
    store.close().await;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(data.join("artifact-key"))?.write_all(&KEY)?;
    println!(
        "{rules} rules of {} bytes, made in {:.1} s",
        component.len(),
        begun.elapsed().as_secs_f64()
    );
    Ok(versions)
}

async fn put(
    store: Arc<Sqlite>,
    number: u64,
    inspected: Inspected,
    component: Bytes,
) -> Result<()> {
    let tenant = tenant(number / RULES_OF_TENANT)?;
    let rule: RuleName = format!("r{}", number % RULES_OF_TENANT).parse()?;
    let record = VersionRecord {
        rule: rule.clone(),
        version: inspected.version,
        manifest: inspected.manifest,
        imports: inspected.imports,
        size: inspected.size,
        compile_ms: inspected.compile_ms,
        warnings: inspected.warnings,
        uploaded_us: 1,
    };
    let new = NewVersion { record, component };
    store.put_version(&tenant, new, &Limits::default()).await?;
    let activation = Activation {
        rule,
        version: inspected.version,
        config: Json::empty_object(),
        mode: Mode::Enforce,
        percent: 100,
        limits: LimitOverrides::default(),
        activated_us: 1,
        quarantine: None,
        loops: None,
        paused: None,
    };
    Ok(store.put_activation(&tenant, activation).await?)
}

/// Takes the only report.
#[derive(Default)]
struct Told(Option<Result<RunReport, RunError>>);

impl Progress for Told {
    fn ended(&mut self, _: usize, result: Result<RunReport, RunError>) {
        self.0 = Some(result);
    }

    fn is_wanted(&mut self, _: usize) -> bool {
        true
    }
}

fn run(runner: &mut dyn Runner, rule: &Rule) -> Result<()> {
    let mut told = Told::default();
    runner.run(&[rule.task()], &mut told);
    let report = told.0.context("a run is told")?;
    let report = report.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    report
        .outcome
        .map_err(|stop| anyhow::anyhow!(stop.message))?;
    Ok(())
}

/// Part 1.
fn cold(data: &Path, versions: &[(VersionId, Manifest)]) -> Result<()> {
    let binary = std::env::var_os("RINGFENCE_BIN").context("RINGFENCE_BIN names the binary")?;
    let config = settings();
    let workers = WorkersConfig::new(config.memory_bytes_max, config.cache_bytes);
    let workers = Arc::new(Workers::start(Program::at(Path::new(&binary)), workers)?);
    let dir = Some(artifacts(data)?);
    let sandbox = Sandbox::without_code(config, dir, Arc::new(Never), workers.clone())?;
    let mut runner = workers.runner()?;
    // Times to get it ready here, to run it first, and to run it again.
    let mut times = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    let mut timed = |at: usize, work: &mut dyn FnMut() -> Result<()>| {
        let begun = start();
        work()?;
        times[at].push(begun.elapsed().as_secs_f64() * 1e6);
        anyhow::Ok(())
    };
    for (version, manifest) in versions.iter().take(COLD) {
        let mut rule = None;
        timed(0, &mut || {
            let kept = Rule::kept(&sandbox, *version, manifest, Limits::default());
            rule = Some(kept?);
            Ok(())
        })?;
        let rule = rule.context("it was made ready")?;
        timed(1, &mut || run(&mut *runner, &rule))?;
        timed(2, &mut || run(&mut *runner, &rule))?;
    }
    let (first, later) = (times[0].clone(), times[1].clone());
    times[3] = first
        .iter()
        .zip(later)
        .map(|(one, other)| one + other)
        .collect();
    let rows = [
        "read and sealed",
        "first run",
        "run again",
        "read, sealed and run",
    ]
    .iter()
    .zip(&mut times)
    .map(|(what, times)| {
        times.sort_by(f64::total_cmp);
        vec![
            (*what).to_owned(),
            format!("{:.0}", quantile(times, 0.5)),
            format!("{:.0}", quantile(times, 0.99)),
        ]
    });
    table(
        &["us, of a rule on the disk", "p50", "p99"],
        &rows.collect::<Vec<_>>(),
    );
    Ok(())
}

/// Part 2.
async fn serve(data: &Path, rules: u64, events: u64) -> Result<()> {
    let empty = tempfile::tempdir()?;
    let nothing = Process::start(empty.path(), "").await?;
    let mut rows = vec![row("nothing", &nothing).await?];
    let idle = nothing.resident()?.server;
    nothing.stop()?;
    let process = Process::start(data, "artifacts.bytes = 1_000_000_000_000").await?;
    rows.push(row("rules, idle", &process).await?);
    let each = process.resident()?.server.saturating_sub(idle) / rules;
    send(&process, rules, events).await?;
    rows.push(row("after Zipf's events", &process).await?);
    let head = [
        "",
        "ready, ms",
        "server, MiB",
        "peak",
        "workers",
        "in memory",
        "of, MiB",
        "loaded",
        "compiled",
    ];
    table(&head, &rows);
    println!("an idle rule takes {each} bytes of the server's memory");
    println!("{events} events, {} runs", events * RULES_OF_TENANT);
    Ok(())
}

async fn row(what: &str, process: &Process) -> Result<Vec<String>> {
    tokio::time::sleep(SETTLE).await;
    let resident = process.resident()?;
    let count = async |name: &str| {
        process
            .metric(&format!("ringfence_components_{name}"))
            .await
    };
    Ok(vec![
        what.to_owned(),
        format!("{:.0}", process.ready.as_secs_f64() * 1e3),
        mib(resident.server),
        mib(resident.peak),
        mib(resident.workers),
        count("in_memory").await?.to_string(),
        mib(count("memory_bytes").await?),
        count("loaded_total").await?.to_string(),
        count("compiled_total").await?.to_string(),
    ])
}

/// Sends events, and waits until all are done.
async fn send(process: &Process, rules: u64, events: u64) -> Result<()> {
    let tenants = rules.div_ceil(RULES_OF_TENANT);
    let weights: Vec<f64> = (1..=tenants).map(|rank| 1.0 / rank as f64).collect();
    let all: f64 = weights.iter().sum();
    let mut chance = 4u64;
    for number in 0..events {
        // Xorshift (Marsaglia, 2003): the same events each time.
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let mut at = (chance >> 11) as f64 / (1u64 << 53) as f64 * all;
        let tenant = weights.iter().position(|weight| {
            at -= weight;
            at <= 0.0
        });
        let tenant = tenant.unwrap_or(0);
        let event = json!({
            "specversion": "1.0", "id": format!("e{number}"), "source": "/bench",
            "type": "conversation.created", "subject": format!("s-{number}"),
            "data": {"priority": "urgent", "customer": {"plan": "gold"}},
        });
        let path = format!("/v1/tenants/t{tenant}/events");
        let body = event.to_string().into_bytes();
        let ty = "application/cloudevents+json";
        process.call("POST", &path, ty, body).await?;
    }
    while process.metric("ringfence_events_waiting").await? > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
