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

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use ringfence_benches::{median, table};
use serde_json::json;

use crate::guests::{Guest, Kind};
use crate::measure::{Measured, measure};

/// Rounds in which every guest has its turn once.
const ROUNDS: usize = 9;

/// How far from the median a guest may be.
const FACTOR: f64 = 2.0;

fn main() -> anyhow::Result<()> {
    let options = Options::parse()?;
    let (guests, missing) = guests::all(&options.folder)?;
    let guests: Vec<Guest> = guests
        .into_iter()
        .filter(|guest| guest.name.contains(&options.only))
        .collect();
    ensure!(!guests.is_empty(), "no guest is called `{}`", options.only);
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

struct Options {
    json: bool,
    rounds: usize,
    only: String,
    folder: PathBuf,
}

impl Options {
    fn parse() -> anyhow::Result<Self> {
        let mut options = Self {
            json: false,
            rounds: ROUNDS,
            only: String::new(),
            folder: std::env::var_os("RINGFENCE_GUESTS")
                .map_or_else(|| "target/guests".into(), PathBuf::from),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().context("a value is missing");
            match argument.as_str() {
                "--json" => options.json = true,
                "--rounds" => options.rounds = value()?.parse()?,
                "--only" => options.only = value()?,
                other => bail!("`{other}` is not an option"),
            }
        }
        ensure!(options.rounds > 0, "`--rounds` must be more than 0");
        Ok(options)
    }
}
