//! `ringfence test`: rules' fixtures, run in the sandbox that also runs them
//! in production.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use regex::Regex;

use crate::console;
use crate::error::{Hint as _, Verdict};

mod check;
mod expect;
mod find;
mod outcome;
mod report;
mod update;

use find::RuleUnderTest;
use outcome::{Outcome, Summary};

/// Runs the fixtures of one rule, or of all rules in a folder.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// A rule's folder, or a folder of such folders.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Only fixtures whose `RULE/FILE: NAME` matches.
    #[arg(long, value_name = "REGEX")]
    run: Option<String>,
    /// How to tell what came of it.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Writes what happened into the fixtures as what is expected.
    #[arg(long)]
    update: bool,
    /// A component, or a folder with NAME.wasm for each rule, instead of building.
    #[arg(long, value_name = "PATH")]
    component: Option<PathBuf>,
    /// Data that rules may read: DIR/local, for runs are those of a tenant
    /// `local`.
    #[arg(long, value_name = "DIR")]
    tenant_data: Option<PathBuf>,
}

/// How to tell what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
    /// JUnit's XML, which most CI systems read.
    Junit,
}

pub(crate) fn test(args: &TestArgs) -> Result<Verdict> {
    let filter = args.run.as_deref().map(Regex::new).transpose();
    let filter = filter.context("`--run` is not a regular expression")?;
    let rules = find::rules(&args.path, args.component.as_deref())?;
    let mut summary = Summary::default();
    for rule in &rules {
        let outcomes = test_rule(rule, filter.as_ref(), args, &mut summary)?;
        if args.format == Format::Text {
            report::text(rule, &outcomes)?;
        }
        summary.add(outcomes);
    }
    if summary.outcomes.is_empty() {
        return nothing_ran(args, &summary);
    }
    match args.format {
        Format::Text => report::text_end(&summary)?,
        Format::Json => report::json(&summary)?,
        Format::Junit => report::junit(&summary)?,
    }
    Ok(Verdict::fine_if(summary.failed() == 0))
}

fn test_rule(
    rule: &RuleUnderTest,
    filter: Option<&Regex>,
    args: &TestArgs,
    summary: &mut Summary,
) -> Result<Vec<Outcome>> {
    let fixtures = find::fixtures(&rule.folder.dir)?;
    if fixtures.is_empty() {
        console::warn(format_args!(
            "{} has no fixtures; a fixture is a JSON file in its folder `fixtures`",
            rule.folder.name
        ));
        return Ok(Vec::new());
    }
    let bench = check::Bench::set_up(rule, args.tenant_data.as_deref())?;
    let mut outcomes = Vec::new();
    for path in &fixtures {
        let outcome = bench.check(path, filter, args.update)?;
        match outcome {
            Some(outcome) => outcomes.push(outcome),
            None => summary.filtered_out += 1,
        }
    }
    Ok(outcomes)
}

fn nothing_ran(args: &TestArgs, summary: &Summary) -> Result<Verdict> {
    match &args.run {
        Some(filter) if summary.filtered_out > 0 => {
            let of = summary.filtered_out;
            Err(anyhow::anyhow!("none of {of} fixtures matches `{filter}`"))
                .hint("It is matched against `RULE/FILE: NAME`, for example `escalate-urgent/urgent.json: urgent mail escalates`.")
        }
        _ => bail!("{} holds no fixture to run", args.path.display()),
    }
}
