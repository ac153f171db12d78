//! Activations: a version in force.

use serde::{Deserialize, Serialize};

use crate::{Json, LimitOverrides, LoopPolicy, Paused, RuleName, Stop, VersionId};

/// A rule's version in force, with its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activation {
    /// Which rule.
    pub rule: RuleName,
    /// Which component.
    pub version: VersionId,
    /// Given to each run.
    pub config: Json,
    /// Whether effects take place.
    pub mode: Mode,
    /// The share of events that it is run on, 1 to 100; which ones is decided
    /// by the event's id.
    pub percent: u8,
    /// Limits lowered by the rule.
    #[serde(default)]
    pub limits: LimitOverrides,
    /// What is done when a run would repeat one of its ancestors, where the
    /// rule wants it otherwise than its tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loops: Option<LoopPolicy>,
    /// Since when, in microseconds since 1970.
    pub activated_us: u64,
    /// Why it is not run, if it ended the processes that ran it. Activating
    /// it again lifts this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// Somebody has paused the rule. Another version of it in force does not
    /// lift this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
}

/// That a rule is not run any more, with the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Since when, in microseconds since 1970.
    pub since_us: u64,
    /// How the run ended that led to it.
    pub stop: Stop,
    /// Until when; it is then tried with one run. None if it lasts until the
    /// rule is activated again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_us: Option<u64>,
    /// How many times in a row it has come to this, from 1.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

impl Activation {
    /// Whether the rule is not run until it is activated again.
    pub fn is_barred(&self) -> bool {
        let quarantine = self.quarantine.as_ref();
        quarantine.is_some_and(|quarantine| quarantine.until_us.is_none())
    }
}

/// Whether a run's effects take place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// They do.
    #[default]
    Enforce,
    /// They are recorded only.
    Shadow,
}
