//! `ringfence run`.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use ringfence_engine::{Clock as _, SystemClock};
use ringfence_model::{Effect, Json, Limits, Log, Meter, Recalled, Stop, Usage, excerpt};
use ringfence_sandbox::RunReport;
use serde::Serialize;

use crate::case::Case;
use crate::console::{self, BAD, FAINT, GOOD, Grouped, Millis, NOTE, STRONG, Size};
use crate::error::Verdict;
use crate::files;
use crate::lab::{Lab, Loaded, Named};

/// Runs a component on one event, in the sandbox and within the limits of the
/// plan `standard`, and shows what came of it.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A component, or a rule's folder, which is then built.
    component: PathBuf,
    /// A CloudEvent, a fixture, or the bundle of a run, as JSON.
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
    /// The configuration [default: the fixture's, or that of the rule's folder]
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
    /// Data that the rule may read: DIR/local, for runs are those of a tenant
    /// `local`.
    #[arg(long, value_name = "DIR")]
    tenant_data: Option<PathBuf>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

/// For programs.
#[derive(Serialize)]
struct Shown<'a> {
    version: String,
    triggered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    effects: Option<&'a [Effect]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<&'a Stop>,
    usage: &'a Usage,
    limits: &'a Limits,
    near_limits: &'a [Meter],
    recalled: &'a [Recalled],
    asked_now: bool,
    asked_random: bool,
    log: &'a Log,
}

pub(crate) fn run(args: &RunArgs) -> Result<Verdict> {
    let now_us = SystemClock::start().now_us();
    let case = Case::parse(&files::read_text(&args.event)?, now_us)
        .with_context(|| format!("{} cannot be used", args.event.display()))?;
    let named = Named::find(&args.component)?;
    let config = configuration(args, &case, &named)?;
    let limits = Limits::default();
    let lab = Lab::new(&limits, args.tenant_data.as_deref())?;
    let loaded = lab.load(&named.component)?;
    let triggered = loaded
        .inspected
        .manifest
        .trigger_for(&case.event.ty)
        .is_some();
    if !triggered {
        console::warn(format_args!(
            "a server would not run this rule on events of type `{}`; it is triggered by {}",
            case.event.ty,
            triggers(&loaded)
        ));
    }
    let report = lab.run(&loaded, &case, &config, &limits)?;
    let near_limits = report.near_limits();
    for meter in &near_limits {
        let near = console::near(*meter, &report.usage, &report.limits);
        console::warn(format_args!("the run came {near}"));
    }
    if args.json {
        console::print_json(&Shown {
            version: loaded.inspected.version.to_string(),
            triggered,
            effects: report.outcome.as_deref().ok(),
            stop: report.outcome.as_ref().err(),
            usage: &report.usage,
            limits: &limits,
            near_limits: &near_limits,
            recalled: &report.recalled,
            asked_now: report.asked_now,
            asked_random: report.asked_random,
            log: &report.log,
        })?;
    } else {
        console::print(text(&report, &limits).trim_end())?;
    }
    Ok(Verdict::fine_if(report.outcome.is_ok()))
}

fn configuration(args: &RunArgs, case: &Case, named: &Named) -> Result<Json> {
    if let Some(text) = &args.config {
        return Json::parse(text).context("`--config` cannot be used");
    }
    Ok(match (&case.config, &named.folder) {
        (Some(config), _) => config.clone(),
        (None, Some(folder)) => Json::from(&folder.config),
        (None, None) => Json::empty_object(),
    })
}

fn triggers(loaded: &Loaded) -> String {
    let triggers = loaded.inspected.manifest.triggers.iter();
    let quoted: Vec<String> = triggers
        .map(|trigger| format!("`{}`", trigger.ty))
        .collect();
    quoted.join(", ")
}

fn text(report: &RunReport, limits: &Limits) -> String {
    let mut out = String::new();
    match &report.outcome {
        Ok(effects) => put_effects(&mut out, effects),
        Err(stop) => put_stop(&mut out, stop),
    }
    let usage = &report.usage;
    let mut meter = |name: &str, used: String, limit: String| {
        put(&mut out, format_args!("  {name:7} {used:>12} of {limit}"));
    };
    meter(
        "fuel",
        Grouped(usage.fuel).to_string(),
        Grouped(limits.fuel).to_string(),
    );
    meter(
        "memory",
        Size(usage.memory_bytes).to_string(),
        Size(limits.memory_bytes).to_string(),
    );
    meter(
        "time",
        Millis(usage.wall_us).to_string(),
        Millis(limits.deadline_ms * 1000).to_string(),
    );
    meter(
        "output",
        Size(usage.output_bytes).to_string(),
        Size(limits.output_bytes).to_string(),
    );
    meter(
        "effects",
        usage.effects.to_string(),
        limits.effects.to_string(),
    );
    meter(
        "log",
        Size(usage.log_bytes).to_string(),
        Size(limits.log_bytes).to_string(),
    );
    put_asked(&mut out, report);
    put_log(&mut out, &report.log);
    out
}

/// Appends a line; a `String` takes all that it is given.
fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{line}");
}

/// What a guest wrote, whole, and without what a terminal would act upon.
fn guests(text: &str) -> String {
    excerpt(text, usize::MAX)
}

fn put_effects(out: &mut String, effects: &[Effect]) {
    put(
        out,
        format_args!("{GOOD}ok{GOOD:#}, effects: {}", effects.len()),
    );
    for effect in effects {
        match effect {
            Effect::Act(action) => put(
                out,
                format_args!(
                    "  {STRONG}act{STRONG:#} {} {}",
                    guests(&action.name),
                    guests(action.payload.as_str())
                ),
            ),
            Effect::Emit(event) => {
                let subject = guests(event.subject.as_deref().unwrap_or("no subject"));
                put(
                    out,
                    format_args!(
                        "  {STRONG}emit{STRONG:#} {} ({subject}) {}",
                        guests(&event.ty),
                        guests(event.data.as_str())
                    ),
                );
            }
            Effect::Remember(entry) => match &entry.value {
                Some(value) => put(
                    out,
                    format_args!(
                        "  {STRONG}remember{STRONG:#} {} = {}",
                        guests(&entry.key),
                        guests(value.as_str())
                    ),
                ),
                None => put(
                    out,
                    format_args!("  {STRONG}forget{STRONG:#} {}", guests(&entry.key)),
                ),
            },
        }
    }
}

fn put_stop(out: &mut String, stop: &Stop) {
    put(out, format_args!("{BAD}stopped{BAD:#}: {}", stop.code));
    put(out, format_args!("  {}", stop.message));
    if let Some(hint) = &stop.hint {
        put(out, format_args!("  {NOTE}hint:{NOTE:#} {hint}"));
    }
    if !stop.backtrace.is_empty() {
        put(out, format_args!("  active functions, innermost first:"));
    }
    for (index, frame) in stop.backtrace.iter().enumerate() {
        let offset = frame
            .offset
            .map(|offset| format!(" {FAINT}at {offset:#x}{FAINT:#}"));
        let offset = offset.unwrap_or_default();
        put(out, format_args!("  {index:4}  {}{offset}", frame.function));
    }
}

fn put_asked(out: &mut String, report: &RunReport) {
    if report.asked_now {
        put(out, format_args!("  asked for the clock"));
    }
    if report.asked_random {
        put(out, format_args!("  asked for randomness"));
    }
    for recalled in &report.recalled {
        let value = recalled.value.as_ref().map_or("nothing", Json::as_str);
        let (key, value) = (guests(&recalled.key), guests(value));
        put(out, format_args!("  recalled {key} = {value}"));
    }
}

fn put_log(out: &mut String, log: &Log) {
    if !log.lines.is_empty() {
        put(out, format_args!("log"));
    }
    for line in &log.lines {
        let level = format!("{:?}", line.level).to_lowercase();
        put(
            out,
            format_args!("  {FAINT}{level:5}{FAINT:#} {}", guests(&line.message)),
        );
    }
    if log.truncated {
        put(
            out,
            format_args!("  {FAINT}(cut: more was logged than is kept){FAINT:#}"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringfence_model::{Action, LogLevel, LogLine};

    /// A terminal shows what a guest wrote, and does not do it.
    #[test]
    fn a_guest_does_not_write_to_the_terminal() {
        let clear = "\u{1b}[2J\u{9b}2J\u{202e}";
        let mut out = String::new();
        let log = Log {
            lines: vec![LogLine {
                level: LogLevel::Info,
                message: clear.into(),
            }],
            truncated: false,
        };
        put_log(&mut out, &log);
        let act = Effect::Act(Action {
            name: clear.into(),
            payload: Json::trusted(format!("\"{clear}\"")),
        });
        put_effects(&mut out, &[act]);
        assert_eq!(
            out.matches("\\u{1b}[2J\\u{9b}2J\\u{202e}").count(),
            3,
            "{out}"
        );
        assert!(!out.contains(clear), "{out}");
    }
}
