//! What came of fixtures.

use std::path::{Path, PathBuf};

use ringfence_model::{Meter, RuleName, RunLimits, Usage};
use ringfence_sandbox::RunReport;
use serde::Serialize;

use crate::console;

/// What came of one fixture.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// The rule's name.
    pub(super) rule: String,
    /// What the test is about.
    pub(super) name: String,
    /// The fixture.
    pub(super) file: PathBuf,
    /// What was not as expected; nothing if it passed.
    pub(super) problems: Vec<String>,
    /// Whether the fixture was rewritten.
    pub(super) updated: bool,
    /// What the run used; none if it could not be made.
    pub(super) usage: Option<Usage>,
    /// What it might have used.
    pub(super) limits: Option<RunLimits>,
    /// Of which limits it used 80 % or more without being stopped.
    pub(super) near_limits: Vec<Meter>,
    /// Why the run was stopped, if it was.
    pub(super) stop: Option<&'static str>,
}

impl Outcome {
    pub(super) fn of(rule: &RuleName, file: &Path) -> Self {
        Self {
            rule: rule.to_string(),
            name: String::new(),
            file: file.to_owned(),
            problems: Vec::new(),
            updated: false,
            usage: None,
            limits: None,
            near_limits: Vec::new(),
            stop: None,
        }
    }

    pub(super) fn measured(&mut self, report: &RunReport) {
        self.usage = Some(report.usage);
        self.limits = Some(report.limits);
        self.near_limits = report.near_limits();
        self.stop = report.outcome.as_ref().err().map(|stop| stop.code.as_str());
    }

    /// What it came near to, for people.
    pub(super) fn warnings(&self) -> Vec<String> {
        let (Some(usage), Some(limits)) = (&self.usage, &self.limits) else {
            return Vec::new();
        };
        let near = self.near_limits.iter();
        near.map(|meter| console::near(*meter, usage, limits))
            .collect()
    }

    pub(super) fn passed(&self) -> bool {
        self.problems.is_empty()
    }

    /// What `--run` is matched against.
    pub(super) fn title(&self) -> String {
        let file = self.file.file_name().unwrap_or_default().to_string_lossy();
        format!("{}/{file}: {}", self.rule, self.name)
    }
}

/// What came of all of them.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) filtered_out: usize,
}

impl Summary {
    pub(super) fn add(&mut self, outcomes: Vec<Outcome>) {
        self.outcomes.extend(outcomes);
    }

    pub(super) fn passed(&self) -> usize {
        self.outcomes.len() - self.failed()
    }

    pub(super) fn failed(&self) -> usize {
        let failed = self.outcomes.iter().filter(|outcome| !outcome.passed());
        failed.count()
    }
}
