//! The server's configuration.
//!
//! ```toml
//! # ringfence.toml: all of it may be left out.
//! listen = "127.0.0.1:8700"
//! # Where everything is kept; seen from this file's folder.
//! data = "data"
//! # Data that tenants' rules may read, each in a folder with its tenant's name.
//! tenant_data = "tenant-data"
//! # Rules run at one moment; one per core where it is not said.
//! workers = 2
//! # Where rules run: in "processes" of their own, or on "threads" of the server's.
//! run_in = "processes"
//! # Tenants are served in "fair" order; "fifo" is for comparison, never in production.
//! order = "fair"
//!
//! [log]
//! format = "text"              # or "json"
//! filter = "info"              # or by module: "info,ringfence_engine=debug"
//!
//! [retention]
//! hours = 168                  # how long finished events are kept
//!
//! [uploads]
//! at_once = 1                  # compiled at one moment; half of the cores
//! places = 64                  # arriving, waiting and compiled
//! bytes = 134_217_728          # the same, in bytes
//!
//! [evaluations]
//! places = 256                 # that are waited for at one moment
//!
//! [quarantine]                 # see docs/configuration.md; runs = 0: none
//! runs = 20
//!
//! [overload]                   # see docs/overload.md
//! queueing_ms = 200            # how long tenants may wait for their turn
//!
//! [artifacts]
//! bytes = 8_589_934_592        # compiled components kept on disk
//!
//! [memory]                     # see docs/memory.md
//! windows_bytes = 268_435_456  # waiting events, of all tenants
//!
//! [anomalies]                  # see docs/anomalies.md
//! half_life_ms = 5_000
//!
//! [alerts]                     # with RINGFENCE_ALERTS_SECRET in the environment
//! webhook_url = "https://ops.example/hook"
//!
//! [plans.large]                # limits: see docs/limits.md
//! fuel = 100_000_000
//! component_bytes = 33_554_432
//! ```

mod anomalies;
mod memory;
mod overload;
mod quarantine;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use ringfence_engine::{EngineConfig, Order};

use ringfence_model::{LimitOverrides, Limits, Plan};
use serde::Deserialize;

use crate::error::Hint as _;
use crate::files;
use anomalies::AnomaliesConfig;
use memory::MemoryConfig;
use overload::OverloadFile;
use quarantine::QuarantineConfig;

/// The file that is read where none is named.
const FILE: &str = "ringfence.toml";
const LISTEN: &str = "127.0.0.1:8700";
const DATA: &str = "data";
/// More workers than any machine has cores.
const WORKERS_MAX: usize = 1024;
const RETENTION_HOURS_MAX: u64 = 10 * 366 * 24;
/// A day; half of the retention where that is less.
const LINEAGE_TTL_S: u64 = 24 * 60 * 60;
/// An hour: what came so much later was caused by something else.
const INFER_WINDOW_S_MAX: u64 = 60 * 60;
/// Each takes up to `compile_memory_bytes` of memory.
const UPLOADS_AT_ONCE_MAX: u64 = 256;
/// As many as there are connections.
const UPLOAD_PLACES_MAX: u64 = 1024;
/// As many as there are connections.
const EVALUATION_PLACES_MAX: u64 = 1024;
/// Compiled components kept on disk, in bytes: some twenty thousand rules made
/// with the SDK, with 330 KB each.
const ARTIFACT_BYTES: u64 = 8 * 1024 * 1024 * 1024;
/// A plan is named like a tenant.
const PLANS_MAX: usize = 1000;

/// How the server is set up.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Where everything is kept.
    pub(crate) data: PathBuf,
    /// Where tenants' data are, if rules may read any.
    pub(crate) tenant_data: Option<PathBuf>,
    /// The log.
    pub(crate) log: LogConfig,
    /// Where rules run.
    pub(crate) run_in: RunIn,
    /// The engine.
    pub(crate) engine: EngineConfig,
    /// How long a lineage token is valid, in seconds.
    pub(crate) lineage_ttl_s: u64,
    /// Compiled components kept on disk, in bytes.
    pub(crate) artifact_bytes: u64,
    /// The same in memory: of the server, and of each worker process.
    pub(crate) code_bytes: u64,
    /// Where the operator is told of anomalies.
    pub(crate) alerts_url: Option<String>,
}

/// What the command line and the environment say; goes before the file.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    /// The file.
    pub(crate) file: Option<PathBuf>,
    /// Where it listens.
    pub(crate) listen: Option<SocketAddr>,
    /// Where everything is kept.
    pub(crate) data: Option<PathBuf>,
    /// Where tenants' data are.
    pub(crate) tenant_data: Option<PathBuf>,
    /// The log's filter.
    pub(crate) log_filter: Option<String>,
    /// Where rules run.
    pub(crate) run_in: Option<RunIn>,
}

/// Where rules run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RunIn {
    /// In confined processes of their own: one that dies takes nobody with it
    #[default]
    Processes,
    /// On threads of the server's own process
    Threads,
}

impl RunIn {
    /// As it is said.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Processes => "processes",
            Self::Threads => "threads",
        }
    }
}

/// In which order tenants are served.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OrderConfig {
    /// By what their runs cost, in proportion to their weights.
    Fair,
    /// In the order in which their work became ready: for comparison.
    Fifo,
}

impl From<OrderConfig> for Order {
    fn from(given: OrderConfig) -> Self {
        match given {
            OrderConfig::Fair => Self::Fair,
            OrderConfig::Fifo => Self::Fifo,
        }
    }
}

/// The log.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogConfig {
    /// How a line looks.
    pub(crate) format: LogFormat,
    /// What is written.
    pub(crate) filter: String,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            filter: "info".to_owned(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AlertsFile {
    webhook_url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    listen: Option<SocketAddr>,
    data: Option<PathBuf>,
    tenant_data: Option<PathBuf>,
    workers: Option<usize>,
    lineage_ttl_s: Option<u64>,
    infer_window_s: Option<u64>,
    run_in: Option<RunIn>,
    order: Option<OrderConfig>,
    log: LogConfig,
    retention: Retention,
    uploads: UploadsConfig,
    evaluations: EvaluationsConfig,
    artifacts: ArtifactsConfig,
    memory: MemoryConfig,
    quarantine: QuarantineConfig,
    anomalies: AnomaliesConfig,
    overload: OverloadFile,
    alerts: AlertsFile,
    plans: BTreeMap<String, LimitOverrides>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Retention {
    hours: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct UploadsConfig {
    at_once: Option<u64>,
    places: Option<u64>,
    bytes: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EvaluationsConfig {
    places: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArtifactsConfig {
    bytes: Option<u64>,
}

impl Config {
    /// From the file that is named, or from `ringfence.toml` if there is one;
    /// and what goes before it.
    pub(crate) fn load(overrides: Overrides) -> Result<Self> {
        let default = Path::new(FILE);
        let path = match &overrides.file {
            Some(path) => Some(path.as_path()),
            None => default.exists().then_some(default),
        };
        let (file, folder) = match path {
            Some(path) => {
                let file = parse(&files::read_text(path)?)
                    .with_context(|| format!("{} cannot be used", path.display()))
                    .hint("docs/configuration.md lists what it may hold.")?;
                (file, path.parent().unwrap_or(Path::new("")).to_owned())
            }
            None => (File::default(), PathBuf::new()),
        };
        Self::new(file, &folder, overrides)
    }

    /// All defaults, without a file.
    pub(crate) fn without_file(overrides: Overrides) -> Result<Self> {
        Self::new(File::default(), Path::new(""), overrides)
    }

    fn new(file: File, folder: &Path, overrides: Overrides) -> Result<Self> {
        let data = overrides.data.or(file.data.map(|data| folder.join(data)));
        let tenant_data = file.tenant_data.map(|data| folder.join(data));
        let listen = match overrides.listen.or(file.listen) {
            Some(listen) => listen,
            None => LISTEN.parse()?,
        };
        let mut log = file.log;
        if let Some(filter) = overrides.log_filter {
            log.filter = filter;
        }
        let mut engine = EngineConfig {
            plans: plans(file.plans)?,
            ..EngineConfig::default()
        };
        if let Some(workers) = file.workers {
            engine.workers = workers;
        }
        engine.order = file.order.map_or(engine.order, Order::from);
        if let Some(hours) = file.retention.hours {
            engine.retention_s = hours * 60 * 60;
        }
        file.quarantine.apply(&mut engine);
        let lineage_ttl_s = lineage_ttl_s(file.lineage_ttl_s, engine.retention_s)?;
        if let Some(seconds) = file.infer_window_s {
            engine.infer_window_s = seconds;
        }
        let uploads = &mut engine.uploads;
        uploads.at_once = file.uploads.at_once.unwrap_or(uploads.at_once);
        uploads.places = file.uploads.places.unwrap_or(uploads.places);
        uploads.bytes = file.uploads.bytes.unwrap_or(uploads.bytes);
        if let Some(places) = file.evaluations.places {
            engine.evaluations = places;
        }
        file.anomalies.apply(&mut engine);
        file.overload.apply(&mut engine);
        file.memory.apply(&mut engine);
        Ok(Self {
            lineage_ttl_s,
            alerts_url: file.alerts.webhook_url,
            code_bytes: file.memory.code_bytes(),
            artifact_bytes: file.artifacts.bytes.unwrap_or(ARTIFACT_BYTES),
            run_in: overrides.run_in.or(file.run_in).unwrap_or_default(),
            listen,
            data: data.unwrap_or_else(|| DATA.into()),
            tenant_data: overrides.tenant_data.or(tenant_data),
            log,
            engine,
        })
    }
}

/// Reads a file and checks what it says.
fn parse(text: &str) -> Result<File> {
    let file: File = toml::from_str(text)?;
    if let Some(workers) = file.workers {
        ensure!(
            (1..=WORKERS_MAX).contains(&workers),
            "`workers` may be 1 to {WORKERS_MAX}; {workers} was given"
        );
    }
    if let Some(hours) = file.retention.hours {
        ensure!(
            (1..=RETENTION_HOURS_MAX).contains(&hours),
            "`retention.hours` may be 1 to {RETENTION_HOURS_MAX}; {hours} was given"
        );
    }
    if let Some(seconds) = file.infer_window_s {
        ensure!(
            (1..=INFER_WINDOW_S_MAX).contains(&seconds),
            "`infer_window_s` may be 1 to {INFER_WINDOW_S_MAX}; {seconds} was given"
        );
    }
    file.anomalies.check()?;
    file.memory.check()?;
    let (uploads, evaluations) = (&file.uploads, &file.evaluations);
    for (name, given, max) in [
        ("uploads.at_once", uploads.at_once, UPLOADS_AT_ONCE_MAX),
        ("uploads.places", uploads.places, UPLOAD_PLACES_MAX),
        ("uploads.bytes", uploads.bytes, u64::MAX),
        (
            "evaluations.places",
            evaluations.places,
            EVALUATION_PLACES_MAX,
        ),
    ] {
        if let Some(given) = given {
            let allowed = (1..=max).contains(&given);
            ensure!(allowed, "`{name}` may be 1 to {max}; {given} was given");
        }
    }
    file.quarantine.check()?;
    file.overload.check()?;
    if file.plans.len() > PLANS_MAX {
        bail!("`plans` has more than {PLANS_MAX} entries");
    }
    for (name, limits) in &file.plans {
        limits.check().with_context(|| format!("`plans.{name}`"))?;
    }
    Ok(file)
}

/// A token that outlives the journal's record of its cascade would find an
/// empty ledger, and so a new budget.
fn lineage_ttl_s(given: Option<u64>, retention_s: u64) -> Result<u64> {
    let seconds = given.unwrap_or_else(|| LINEAGE_TTL_S.min(retention_s / 2));
    ensure!(
        (1..retention_s).contains(&seconds),
        "`lineage_ttl_s` may be 1 to {}, less than the journal is kept (`retention.hours`); {seconds} was given: \
         a token that outlives its cascade's record would give the cascade a new budget",
        retention_s - 1
    );
    Ok(seconds)
}

/// Plans are changes to the plan `standard`, which may itself be changed.
fn plans(given: BTreeMap<String, LimitOverrides>) -> Result<BTreeMap<String, Limits>> {
    let changes = given.get(Plan::STANDARD).cloned().unwrap_or_default();
    let standard = Limits::default().with(&changes);
    let mut plans = BTreeMap::from([(Plan::STANDARD.to_owned(), standard.clone())]);
    for (name, limits) in given {
        ensure!(
            name.parse::<ringfence_model::TenantId>().is_ok(),
            "`plans.{name}`: a plan's name has 1 to 63 characters of a-z, 0-9 and `-`"
        );
        plans.insert(name, standard.with(&limits));
    }
    Ok(plans)
}

#[cfg(test)]
mod tests;
