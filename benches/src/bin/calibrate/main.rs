//! Whether fuel tracks CPU time: very different guests run through `Sandbox`,
//! and for each the CPU time of the thread per fuel. Fails if one of them is
//! further from the median than a factor of 2.
//!
//! Below them stand guests that are made to take as much time for their fuel
//! as can be had. They are not held to the factor: what the counter misses of
//! them is charged to their tenant's share by CPU time.
//!
//! `calibrate [--json] [--rounds N] [--only NAME]`; built guests are looked
//! for in the folder that `RINGFENCE_GUESTS` names, else in `target/guests`.

#![allow(clippy::print_stdout, reason = "prints what it measured")]

mod guests;
mod measure;
mod template;

use anyhow::{bail, ensure};
use ringfence_benches::options::Options;
use ringfence_benches::{median, rule, table};
use serde_json::json;

use crate::guests::{Guest, Kind};
use crate::measure::{Measured, measure};

/// Rounds in which every guest has its turn once.
const ROUNDS: usize = 9;

/// How far from the median a guest may be.
const FACTOR: f64 = 2.0;

fn main() -> anyhow::Result<()> {
    let options = Options::parse(ROUNDS, "--only")?;
    let only = options.name.unwrap_or_default();
    let (guests, missing) = guests::all(&rule::guests())?;
    let guests: Vec<Guest> = guests
        .into_iter()
        .filter(|guest| guest.name.contains(&only))
        .collect();
    ensure!(!guests.is_empty(), "no guest is called `{only}`");
    let results = measure(&guests, options.rounds)?;
    let mut ratios: Vec<f64> = honest(&results).map(Measured::ns_per_fuel).collect();
    ensure!(!ratios.is_empty(), "only guests that are held to nothing");
    let middle = median(&mut ratios);
    match options.json {
        true => print_json(&results, middle, &missing),
        false => print_table(&results, middle, &missing),
    }
    let outside = |result: &&Measured| {
        let ratio = result.ns_per_fuel() / middle;
        !(1.0 / FACTOR..=FACTOR).contains(&ratio)
    };
    let outside: Vec<_> = honest(&results).filter(outside).map(|r| r.name).collect();
    if outside.is_empty() {
        return Ok(());
    }
    bail!(
        "further from the median than a factor of {FACTOR}: {}",
        outside.join(", ")
    );
}

fn honest(results: &[Measured]) -> impl Iterator<Item = &Measured> {
    results.iter().filter(|result| result.kind == Kind::Honest)
}

fn print_table(results: &[Measured], middle: f64, missing: &[&str]) {
    let row = |result: &Measured| {
        vec![
            result.name.to_owned(),
            result.fuel.to_string(),
            format!("{:.0}", result.cpu_ns / 1e3),
            format!("{:.3}", result.ns_per_fuel()),
            format!("{:.2}", result.ns_per_fuel() / middle),
        ]
    };
    for (kind, title) in [(Kind::Honest, "guest"), (Kind::Made, "made to take time")] {
        let of_kind = results.iter().filter(|result| result.kind == kind);
        let rows: Vec<_> = of_kind.map(row).collect();
        table(&[title, "fuel", "CPU us", "ns/fuel", "of median"], &rows);
        println!();
    }
    println!("median: {middle:.3} ns of CPU time for 1 fuel");
    for name in missing {
        println!("not measured, because it is not built: {name}");
    }
}

fn print_json(results: &[Measured], middle: f64, missing: &[&str]) {
    let guests: Vec<_> = results
        .iter()
        .map(|result| {
            json!({
                "guest": result.name,
                "honest": result.kind == Kind::Honest,
                "fuel": result.fuel,
                "cpu_ns": result.cpu_ns,
                "ns_per_fuel": result.ns_per_fuel(),
                "of_median": result.ns_per_fuel() / middle,
            })
        })
        .collect();
    println!(
        "{}",
        json!({"median_ns_per_fuel": middle, "guests": guests, "missing": missing})
    );
}
