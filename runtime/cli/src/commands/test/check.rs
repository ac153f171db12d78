//! Runs one rule's fixtures.

use std::path::Path;

use anyhow::{Context as _, Result};
use regex::Regex;
use ringfence_model::{Json, Limits, StopCode};
use ringfence_sandbox::RunReport;

use super::expect::Expect;
use super::find::RuleUnderTest;
use super::outcome::Outcome;
use super::update;
use crate::case::{Case, Fixture};
use crate::files;
use crate::lab::{Lab, Loaded};

/// The deadline in tests, in milliseconds, unless the rule's folder sets one.
/// It is a backstop in wall-clock time, and what comes of a test must not
/// depend on how busy the machine is; fuel is the measure that does not.
const DEADLINE_MS: u64 = 10_000;

/// One rule, ready to be run again and again.
pub(super) struct Bench<'a> {
    rule: &'a RuleUnderTest,
    lab: Lab,
    loaded: Loaded,
    limits: Limits,
    config: Json,
}

impl<'a> Bench<'a> {
    /// Compiles the component.
    pub(super) fn set_up(rule: &'a RuleUnderTest, tenant_data: Option<&Path>) -> Result<Self> {
        let folder = &rule.folder;
        let standard = Limits {
            deadline_ms: DEADLINE_MS,
            ..Limits::default()
        };
        let limits = standard.lowered(&folder.limits);
        let lab = Lab::new(&limits, tenant_data)?;
        let loaded = lab
            .load(&rule.component)
            .with_context(|| format!("rule {} cannot be tested", folder.name))?;
        Ok(Self {
            rule,
            lab,
            loaded,
            limits,
            config: Json::from(&folder.config),
        })
    }

    /// Runs a fixture, if the filter lets it pass; with `update`, writes what
    /// came of it into the file.
    pub(super) fn check(
        &self,
        path: &Path,
        filter: Option<&Regex>,
        update: bool,
    ) -> Result<Option<Outcome>> {
        let text = files::read_text(path)?;
        let fixture = Fixture::parse(&text);
        let mut outcome = Outcome::of(&self.rule.folder.name, path);
        if let Ok(fixture) = &fixture {
            outcome.name.clone_from(&fixture.name);
        }
        if filter.is_some_and(|filter| !filter.is_match(&outcome.title())) {
            return Ok(None);
        }
        let checked = fixture.and_then(|fixture| self.run(&fixture, &mut outcome, update));
        match checked {
            Ok(None) => {}
            Ok(Some(expect)) => {
                files::replace(path, &update::with_expect(&text, &expect)?)?;
                outcome.updated = true;
            }
            Err(error) => outcome.problems.push(format!("{error:#}")),
        }
        Ok(Some(outcome))
    }

    /// Runs it and notes what differs; answers what to expect from now on,
    /// if that is to be written.
    fn run(
        &self,
        fixture: &Fixture<'_>,
        outcome: &mut Outcome,
        update: bool,
    ) -> Result<Option<Expect>> {
        let case = fixture.case()?;
        let expect = fixture.expect.map(|expect| Expect::parse(expect.get()));
        // What cannot be read is replaced by an update, and refused otherwise.
        let expect = match expect.transpose() {
            Err(_) if update => None,
            read => read?,
        };
        let report = self.run_once(&case)?;
        outcome.measured(&report);
        let unsteady = unsteady(&report, &self.run_once(&case)?)?;
        outcome.problems.extend(unsteady);
        match &expect {
            Some(expect) => {
                let problems = expect.problems(&report)?;
                if update && !problems.is_empty() {
                    return Ok(Some(Expect::recorded(&report, Some(expect))));
                }
                outcome.problems.extend(problems);
            }
            None if update => return Ok(Some(Expect::recorded(&report, None))),
            None => outcome
                .problems
                .push("it holds no `expect`; `--update` writes what happens".to_owned()),
        }
        Ok(None)
    }

    fn run_once(&self, case: &Case) -> Result<RunReport> {
        let config = case.config.as_ref().unwrap_or(&self.config);
        self.lab.run(&self.loaded, case, config, &self.limits)
    }
}

/// What two runs on the same event do not have in common. Nothing may differ:
/// a run can be repeated bit for bit. The fuel of a run that trapped is left
/// out, because its CPU time is charged.
fn unsteady(first: &RunReport, second: &RunReport) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let same = match (&first.outcome, &second.outcome) {
        (Ok(first), Ok(second)) => first == second,
        (Err(first), Err(second)) => first.code == second.code,
        _ => false,
    };
    if !same {
        problems.push("a second run on the same event came out differently".to_owned());
    }
    let by_time = |report: &RunReport| {
        let stop = report.outcome.as_ref().err().map(|stop| stop.code);
        stop.is_some_and(|code| code != StopCode::RuleFailed)
    };
    let (a, b) = (first.usage.fuel, second.usage.fuel);
    if a != b && !by_time(first) && !by_time(second) {
        problems.push(format!(
            "a second run on the same event used {b} fuel, the first {a}"
        ));
    }
    Ok(problems)
}
