//! What a run costs by the language of its rule: example rules in Rust, with
//! the SDK, with wit-bindgen alone and with all of the standard library, in
//! JavaScript (QuickJS) and in Python (CPython), each in a fresh instance.
//!
//! They have turns; what is printed are medians of the running thread's CPU
//! time over the rounds. Compiling is what the upload says about itself.
//!
//! `languages [ROUNDS]`; guests are looked for in the folder that
//! `RINGFENCE_GUESTS` names, else in `target/guests`.

#![allow(clippy::print_stdout, reason = "prints what it measured")]

use anyhow::ensure;
use ringfence_benches::rule::{Rule, config, guest, time};
use ringfence_benches::{median, table};
use ringfence_model::{Json, Limits};
use ringfence_sandbox::Sandbox;
use serde_json::json;

/// Each guest and the event's type that it wants.
const GUESTS: [(&str, &str); 5] = [
    ("escalate-urgent", "conversation.created"),
    ("without-sdk", "conversation.created"),
    ("with-std", "conversation.created"),
    ("js-survey", "conversation.closed"),
    ("python-office-hours", "conversation.created"),
];
/// Runs of one kind before the next has its turn.
const RUNS_PER_ROUND: u32 = 20;
const ROUNDS: usize = 50;
/// CPython's component has 18 MB.
const COMPONENT_BYTES: u64 = 32 << 20;

fn main() -> anyhow::Result<()> {
    let rounds = std::env::args().nth(1);
    let rounds = rounds.map_or(Ok(ROUNDS), |text| text.parse())?;
    ensure!(rounds > 0, "there must be a round");
    let mut rules = Vec::new();
    for (name, ty) in GUESTS {
        let bytes = guest(name)?;
        rules.push((name, bytes.len(), rule(&bytes, ty)?));
    }
    let mut times = vec![Vec::new(); rules.len()];
    for _ in 0..rounds {
        for ((_, _, rule), times) in rules.iter().zip(&mut times) {
            let run = || rule.run().expect("it ran before");
            let took = time(RUNS_PER_ROUND, run).cpu;
            times.push(took.as_secs_f64() * 1e6 / f64::from(RUNS_PER_ROUND));
        }
    }
    let mut rows = Vec::new();
    for ((name, bytes, rule), mut times) in rules.iter().zip(times) {
        let usage = rule.used()?;
        rows.push(vec![
            (*name).to_owned(),
            format!("{:.2}", *bytes as f64 / 1e6),
            format!("{:.1}", rule.compile_ms as f64 / 1e3),
            format!("{:.0}", median(&mut times)),
            usage.fuel.to_string(),
            format!("{:.1}", usage.memory_bytes as f64 / 1024.0 / 1024.0),
        ]);
    }
    let head = ["guest", "MB", "compiled, s", "us/run", "fuel/run", "MiB"];
    table(&head, &rows);
    Ok(())
}

/// Ready to run on an event that it acts on: urgent, closed, at night.
fn rule(bytes: &[u8], ty: &str) -> anyhow::Result<Rule> {
    let limits = Limits {
        component_bytes: COMPONENT_BYTES,
        ..Limits::default()
    };
    let sandbox = Sandbox::new(config(), None)?;
    let mut rule = Rule::within(&sandbox, bytes, limits)?;
    let data = json!({"contact": "ada@example.com", "priority": "urgent"});
    rule.event.ty = ty.into();
    rule.event.data = Json::parse(&data.to_string())?;
    rule.config = Json::parse(r#"{"share": 1}"#)?;
    ensure!(rule.run()? == 1, "it must act");
    Ok(rule)
}
