//! `ringfence.toml`: how a server is set up.
//!
//! ```toml
//! listen = "127.0.0.1:8700"
//! data = "./data"
//! workers = 2            # threads that run rules; one per core if absent
//! retention_days = 7     # how long finished events and their journal are kept
//! log = "text"           # or "json"
//!
//! [plans.large]          # limits that differ from the plan `standard`
//! fuel = 50_000_000
//! ```
//!
//! The environment goes before the file, and arguments before both.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use ringfence_model::{LimitOverrides, Limits};
use serde::Deserialize;

const FILE_BYTES_MAX: u64 = 1024 * 1024;
const WORKERS_MAX: usize = 1024;
const RETENTION_DAYS_MAX: u64 = 3650;

/// The file, with defaults for what it does not say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The folder for everything that must survive.
    pub data: PathBuf,
    /// Threads that run rules.
    pub workers: Option<usize>,
    /// How long finished events and their journal are kept.
    pub retention_days: u64,
    /// How the server's own log is written.
    pub log: LogFormat,
    /// Plans by name.
    plans: BTreeMap<String, LimitOverrides>,
}

/// How the server's own log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8700)),
            data: PathBuf::from("./data"),
            workers: None,
            retention_days: 7,
            log: LogFormat::Text,
            plans: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads a file; `ringfence.toml` here, if there is one, where none is
    /// named.
    pub fn load(path: Option<&Path>) -> Result<Self> {
        let default = Path::new("ringfence.toml");
        let path = match path {
            Some(path) => path,
            None if default.exists() => default,
            None => return Ok(Self::default()),
        };
        let mut text = String::new();
        let file = std::fs::File::open(path);
        file.and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not usable", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        for (name, limits) in &config.plans {
            limits
                .check()
                .with_context(|| format!("in `plans.{name}`"))?;
        }
        if let Some(workers) = config.workers {
            ensure!(
                (1..=WORKERS_MAX).contains(&workers),
                "`workers` may be 1 to {WORKERS_MAX}; {workers} was given"
            );
        }
        ensure!(
            (1..=RETENTION_DAYS_MAX).contains(&config.retention_days),
            "`retention_days` may be 1 to {RETENTION_DAYS_MAX}; {} was given",
            config.retention_days
        );
        Ok(config)
    }

    /// The plans with all their limits.
    pub fn plans(&self) -> BTreeMap<String, Limits> {
        let standard = Limits::default();
        let plans = self.plans.iter();
        plans
            .map(|(name, limits)| (name.clone(), standard.with(limits)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_defaults() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
        let config = Config::parse("[plans.large]\nfuel = 50_000_000\n").unwrap();
        let large = &config.plans()["large"];
        assert_eq!(large.fuel, 50_000_000);
        assert_eq!(large.deadline_ms, Limits::default().deadline_ms);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("lissten = 1", "lissten"),
            ("listen = \"here\"", "listen"),
            ("workers = 0", "`workers` may be"),
            ("retention_days = 0", "`retention_days` may be"),
            ("[plans.large]\nfeul = 1", "feul"),
            ("[plans.large]\nfuel = 1", "plans.large"),
        ] {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
