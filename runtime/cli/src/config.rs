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
//! [quarantine]                 # see docs/configuration.md; runs = 0: none
//! runs = 20
//!
//! [artifacts]
//! bytes = 2_147_483_648        # compiled components kept on disk
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
mod quarantine;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use ringfence_engine::EngineConfig;

use ringfence_model::{LimitOverrides, Limits, Plan};
use serde::Deserialize;

use crate::error::Hint as _;
use crate::files;
use anomalies::AnomaliesConfig;
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
/// Compiled components kept on disk, in bytes: some thousands of rules.
const ARTIFACT_BYTES: u64 = 2 * 1024 * 1024 * 1024;
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
    log: LogConfig,
    retention: Retention,
    uploads: UploadsConfig,
    artifacts: ArtifactsConfig,
    quarantine: QuarantineConfig,
    anomalies: AnomaliesConfig,
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
        file.anomalies.apply(&mut engine);
        Ok(Self {
            lineage_ttl_s,
            alerts_url: file.alerts.webhook_url,
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
    let uploads = &file.uploads;
    for (name, given, max) in [
        ("uploads.at_once", uploads.at_once, UPLOADS_AT_ONCE_MAX),
        ("uploads.places", uploads.places, UPLOAD_PLACES_MAX),
        ("uploads.bytes", uploads.bytes, u64::MAX),
    ] {
        if let Some(given) = given {
            let allowed = (1..=max).contains(&given);
            ensure!(allowed, "`{name}` may be 1 to {max}; {given} was given");
        }
    }
    file.quarantine.check()?;
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
mod tests {
    use super::*;

    fn config(text: &str, overrides: Overrides) -> Config {
        Config::new(parse(text).unwrap(), Path::new("/etc/rf"), overrides).unwrap()
    }

    #[test]
    fn nothing_has_to_be_said() {
        let config = config("", Overrides::default());
        assert_eq!(config.listen.to_string(), LISTEN);
        assert_eq!(config.data, Path::new("data"));
        assert_eq!(config.tenant_data, None);
        assert_eq!(config.log.filter, "info");
        assert_eq!(config.run_in, RunIn::Processes);
        assert_eq!(config.engine.plans["standard"], Limits::default());
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let text = "listen = '0.0.0.0:1'\nrun_in = 'threads'\ndata = 'd'\ntenant_data = 't'\n[log]\nfilter = 'warn'\nformat = 'json'";
        let from_file = config(text, Overrides::default());
        assert_eq!(from_file.listen.port(), 1);
        assert_eq!(from_file.data, Path::new("/etc/rf/d"));
        let tenant_data = from_file.tenant_data.as_deref();
        assert_eq!(tenant_data, Some(Path::new("/etc/rf/t")));
        assert_eq!(from_file.log.format, LogFormat::Json);
        assert_eq!(from_file.run_in, RunIn::Threads);
        let overrides = Overrides {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            data: Some("e".into()),
            tenant_data: Some("u".into()),
            log_filter: Some("debug".to_owned()),
            run_in: Some(RunIn::Processes),
            file: None,
        };
        let overridden = config(text, overrides);
        assert_eq!(overridden.listen.port(), 0);
        assert_eq!(overridden.data, Path::new("e"));
        assert_eq!(overridden.tenant_data.as_deref(), Some(Path::new("u")));
        assert_eq!(overridden.log.filter, "debug");
        assert_eq!(overridden.run_in, RunIn::Processes);
    }

    #[test]
    fn plans_build_on_standard() {
        let text = "quarantine = {runs = 0, first_s = 2, parked_s = 9}\nuploads = {at_once = 3, bytes = 7}\nartifacts.bytes = 5\nworkers = 3\nretention.hours = 2\n[plans.standard]\nfuel = 5_000\n\
                    [plans.large]\nmemory_bytes = 100_000_000";
        let config = config(text, Overrides::default());
        assert_eq!(config.engine.plans["large"].fuel, 5_000);
        assert_eq!(config.engine.plans["large"].memory_bytes, 100_000_000);
        let quarantine = config.engine.quarantine;
        assert_eq!((quarantine.runs, quarantine.first_us), (None, 2_000_000));
        assert_eq!(config.engine.parking.seconds, 9);
        let uploads = config.engine.uploads;
        let default = EngineConfig::default().uploads;
        assert_eq!((uploads.at_once, uploads.bytes), (3, 7));
        assert_eq!(uploads.places, default.places);
        assert_eq!(config.artifact_bytes, 5);
        assert_eq!(config.engine.workers, 3);
        assert_eq!(config.engine.retention_s, 7_200);
    }

    #[test]
    fn a_lineage_token_does_not_outlive_the_journal() {
        let ttl = |text: &str| {
            let file = parse(text).unwrap();
            let config = Config::new(file, Path::new(""), Overrides::default());
            config.map(|config| (config.lineage_ttl_s, config.engine.infer_window_s))
        };
        assert_eq!(ttl("").unwrap(), (86_400, 30));
        assert_eq!(ttl("retention.hours = 2").unwrap().0, 3_600);
        let both = "lineage_ttl_s = 5\ninfer_window_s = 7";
        assert_eq!(ttl(both).unwrap(), (5, 7));
        for seconds in [0, 3_600, 7_200] {
            let text = format!("lineage_ttl_s = {seconds}\nretention.hours = 1");
            let said = ttl(&text).unwrap_err().to_string();
            assert!(said.contains("`lineage_ttl_s` may be 1 to 3599"), "{said}");
            assert!(said.contains("new budget"), "{said}");
        }
    }

    #[test]
    fn anomalies_are_what_the_operator_says() {
        let text = "alerts.webhook_url = 'https://a.example'\n[anomalies]\nhalf_life_ms = 2_000\n\
                    threshold = 1.5\nexecutions = 10\nsustained_ms = 0\nrate_factor = 4\n\
                    rate_events = 7\nrate_history_s = 60";
        let config = config(text, Overrides::default());
        let (pulse, rates) = (config.engine.pulse, config.engine.rates);
        assert_eq!((pulse.half_life_us, pulse.threshold), (2_000_000, 1.5));
        assert_eq!((pulse.executions, pulse.sustained_us), (10, 0));
        assert_eq!((rates.factor, rates.events), (4.0, 7));
        assert_eq!((rates.history_us, rates.sustained_us), (60_000_000, 0));
        assert_eq!(config.alerts_url.as_deref(), Some("https://a.example"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, part) in [
            ("lisetn = '127.0.0.1:1'", "line 1"),
            ("\n[log]\nformat = 'xml'", "line 3"),
            ("[plans.a]\nfeul = 1", "feul"),
            ("[plans.a]\nfuel = 1", "`plans.a`"),
            ("workers = 0", "`workers` may be 1"),
            ("run_in = 'cellar'", "line 1"),
            ("uploads.at_once = 0", "`uploads.at_once` may be 1 to 256"),
            ("[uploads]\nplace = 1", "line 2"),
            ("artifacts.bytes = -1", "line 1"),
            ("quarantine.loops = 0", "`quarantine.loops` may be 1"),
            ("quarantine.run = 0", "line 1"),
            (
                "quarantine = {first_s = 9, longest_s = 8}",
                "`quarantine.longest_s` may be 9",
            ),
            ("retention.hours = 0", "`retention.hours`"),
            ("infer_window_s = 0", "`infer_window_s` may be 1 to 3600"),
            ("listen = '8700'", "listen"),
            (
                "[anomalies]\nhalf_life_ms = 0",
                "`anomalies.half_life_ms` may be",
            ),
            (
                "[anomalies]\nthreshold = 0.5",
                "`anomalies.threshold` may be 1 to",
            ),
            (
                "[anomalies]\nthreshold = nan",
                "`anomalies.threshold` may be 1 to",
            ),
            (
                "[anomalies]\nrate_factor = 1",
                "`anomalies.rate_factor` may be 2 to",
            ),
            ("[anomalies]\nspeed = 1", "line 2"),
            ("[alerts]\nsecret = 'x'", "line 2"),
        ] {
            let error = parse(text).unwrap_err();
            let said = format!("{error:#}");
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
