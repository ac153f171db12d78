//! What it takes to hand texts and handles from one nested component to
//! another, beside what it is charged: CPU time for a thousand fuel. The host
//! does the copying, and the meter does not see it; see
//! `runtime/sandbox/src/rewrite/fronts.rs`.
//!
//! Each row is the CPU time of runs with many calls less those with none, by
//! the fuel that the calls were charged; medians over rounds.
//!
//! `copies [ROUNDS]`

#![allow(clippy::print_stdout, reason = "prints what it measured")]

mod guests;

use anyhow::{Context, ensure};
use ringfence_benches::rule::{Rule, config, time};
use ringfence_benches::{median, table};
use ringfence_hostile::upload;
use ringfence_model::Limits;
use ringfence_sandbox::Sandbox;

use guests::{Giver, HANDLES, LENT, OTHERS, alone, handles, lending, other};

const ROUNDS: usize = 15;
/// Bytes that a row copies in a run, if its texts are not empty.
const BYTES_PER_RUN: u32 = 16 << 20;
/// Calls in a run with small texts.
const CALLS_MAX: u32 = 200_000;

/// In what encoding from whom to whom, and of what the text consists.
const TEXTS: [(&str, &str, &str, &str); 14] = [
    ("utf8", "utf8", "ASCII", "abcdefgh"),
    ("utf8", "utf8", "2-byte letters", "\u{e9}\u{e9}\u{e9}\u{e9}"),
    ("utf8", "utf8", "3 and 1", "\u{20ac}a\u{20ac}b"),
    ("utf8", "utf8", "4-byte letters", "\u{1f600}\u{1f600}"),
    ("utf8", "utf16", "ASCII", "abcdefgh"),
    ("utf8", "utf16", "3 and 1", "\u{20ac}a\u{20ac}b"),
    ("utf8", "latin1+utf16", "ASCII", "abcdefgh"),
    ("utf8", "latin1+utf16", "wide at its end", "abcdefgh"),
    ("utf16", "utf8", "ASCII", "abcd"),
    ("utf16", "utf8", "wide", "\u{20ac}a\u{20ac}b"),
    ("utf16", "utf8", "wide at its end", "abcd"),
    ("utf16", "utf16", "pairs", "\u{1f600}\u{1f600}"),
    ("utf16", "latin1+utf16", "wide at its end", "abcd"),
    ("latin1+utf16", "latin1+utf16", "tagged, narrow", "abcd"),
];
const LENGTHS: [u32; 5] = [0, 8, 64, 4096, 1 << 20];

fn main() -> anyhow::Result<()> {
    let rounds = std::env::args().nth(1);
    let rounds = rounds.map_or(Ok(ROUNDS), |text| text.parse())?;
    ensure!(rounds > 0, "there must be a round");
    let mut rows = Vec::new();
    for (from, to, what, letters) in TEXTS {
        for bytes in LENGTHS {
            let name = format!("{from} to {to}, {what}, {bytes} bytes");
            let calls = (BYTES_PER_RUN / bytes.max(1)).clamp(1, CALLS_MAX);
            let giver = Giver::of(from, what, letters, bytes);
            rows.push(row(&name, calls, rounds, |calls| giver.handing(to, calls))?);
        }
    }
    for (name, take) in HANDLES {
        let made = |calls| handles(take, calls);
        rows.push(row(name, CALLS_MAX, rounds, made)?);
    }
    let name = format!("{LENT} handles lent at once");
    rows.push(row(&name, CALLS_MAX / 10, rounds, lending)?);
    rows.push(row(
        "(a handle made and dropped)",
        CALLS_MAX,
        rounds,
        alone,
    )?);
    for (name, code) in OTHERS {
        let made = |calls| other(code, calls);
        rows.push(row(name, CALLS_MAX, rounds, made)?);
    }
    let head = ["what", "ns a call", "fuel a call", "ns for 1,000 fuel"];
    table(&head, &rows);
    Ok(())
}

/// A row of the table, from a rule that makes so many calls.
fn row(
    name: &str,
    calls: u32,
    rounds: usize,
    source: impl Fn(u32) -> String,
) -> anyhow::Result<Vec<String>> {
    let rule = |calls| rule(&source(calls)).with_context(|| name.to_owned());
    let (with, without) = (rule(calls)?, rule(0)?);
    let fuel = with.used()?.fuel - without.used()?.fuel;
    let mut figures = Vec::new();
    for _ in 0..rounds {
        let [with, without] = [&with, &without].map(|rule| {
            let run = || rule.run().expect("it ran before");
            time(1, run).cpu.as_secs_f64() * 1e9
        });
        figures.push(with - without);
    }
    let ns = median(&mut figures);
    let calls = f64::from(calls);
    Ok(vec![
        name.to_owned(),
        format!("{:.0}", ns / calls),
        format!("{:.0}", fuel as f64 / calls),
        format!("{:.0}", ns / fuel as f64 * 1e3),
    ])
}

fn rule(source: &str) -> anyhow::Result<Rule> {
    let bytes = upload("copies", source, source.starts_with("(module"));
    let limits = Limits {
        fuel: 1 << 40,
        deadline_ms: 60_000,
        memory_bytes: 64 << 20,
        ..Limits::default()
    };
    Rule::within(&Sandbox::new(config(), None)?, &bytes, limits)
}
