//! The report: tables for people, JSON for programs.

use std::collections::BTreeMap;

use ringfence_benches::table;
use serde_json::{Value, json};

use crate::calm::{SENDERS, TENANTS};
use crate::case::{Calm, Outcome};
use crate::figures::{Times, millis, ratio};
use crate::options::{Options, Order};

const MIB: f64 = 1024.0 * 1024.0;
/// What calm tenants' p99 beside an attack may be, of what it is alone.
pub(crate) const AIM: f64 = 1.5;

/// What came of all cases of one order.
pub(crate) struct Run {
    pub(crate) order: Order,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Outcome {
    /// p99 beside the attack, of that alone.
    fn ratio(&self) -> Option<f64> {
        ratio(self.beside.accepted.p99, self.alone.accepted.p99)
    }

    /// Whether the promise was kept.
    pub(crate) fn is_kept(&self) -> bool {
        let refused: u64 = self.refused.values().sum();
        let whole = refused == 0 && self.lost == 0 && self.undone == 0 && !self.server_ended;
        whole && self.ratio().is_some_and(|ratio| ratio <= AIM)
    }
}

fn ms(micros: u64) -> String {
    format!("{:.1}", millis(micros))
}

fn times(of: Option<f64>) -> String {
    of.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let counts = counts.iter().map(|(what, count)| format!("{what} {count}"));
    let text = counts.collect::<Vec<_>>().join(", ");
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

/// The calm tenants' times, and what of theirs was not done.
pub(crate) fn print_calm(run: &Run) {
    let row = |outcome: &Outcome| {
        let (alone, beside) = (&outcome.alone.accepted, &outcome.beside.accepted);
        let (meant, meant_alone) = (&outcome.beside.meant, &outcome.alone.meant);
        let refused: u64 = outcome.refused.values().sum();
        vec![
            outcome.name.to_owned(),
            format!("{} / {}", ms(alone.p50), ms(beside.p50)),
            format!("{} / {}", ms(alone.p99), ms(beside.p99)),
            times(outcome.ratio()),
            format!("{} / {}", ms(alone.p999), ms(beside.p999)),
            format!("{} / {}", ms(alone.max), ms(beside.max)),
            format!("{} / {}", ms(meant_alone.p99), ms(meant.p99)),
            times(ratio(meant.p99, meant_alone.p99)),
            format!("{refused} / {} / {}", outcome.lost, outcome.undone),
        ]
    };
    let head = [
        "ms alone / beside",
        "p50",
        "p99",
        "ratio",
        "p99.9",
        "max",
        "p99 as meant",
        "ratio",
        "refused / lost / undone",
    ];
    let rows: Vec<_> = run.outcomes.iter().map(row).collect();
    table(&head, &rows);
}

/// What the stages of an event are called, in order.
const STAGES: [&str; 4] = ["to disk", "for a worker", "run", "result to disk"];

/// Where the calm tenants' time went.
pub(crate) fn print_stages(run: &Run) {
    let row = |outcome: &Outcome| {
        let stages = outcome.alone.stages.iter().zip(&outcome.beside.stages);
        let cells = stages.map(|(alone, beside)| {
            let of = |times: &Times| format!("{} {}", ms(times.p50), ms(times.p99));
            format!("{} / {}", of(alone), of(beside))
        });
        [outcome.name.to_owned()].into_iter().chain(cells).collect()
    };
    let head: Vec<_> = ["p50 p99 ms"].into_iter().chain(STAGES).collect();
    let rows: Vec<_> = run.outcomes.iter().map(row).collect();
    table(&head, &rows);
}

/// What was sent beside them, and what it took.
pub(crate) fn print_storm(run: &Run) {
    let row = |outcome: &Outcome| {
        let (storm, taken) = (&outcome.storm, &outcome.resources);
        let mib = |bytes: u64| bytes as f64 / MIB;
        vec![
            outcome.name.to_owned(),
            storm.requests.to_string(),
            format!("{} / {}", storm.events, storm.accepted),
            format!(
                "{:.0} / {:.0}",
                mib(taken.alone_bytes),
                mib(taken.most_bytes)
            ),
            format!("{:.0}", mib(taken.most_server_bytes)),
            format!("{:.2} / {:.2}", taken.server_cores, taken.children_cores),
            format!("{:.2} / {:.2}", taken.calm_cores, taken.storm_cores),
            format!(
                "{} / {}",
                u8::from(outcome.server_ended),
                outcome.workers_ended
            ),
        ]
    };
    let head = [
        "attack",
        "requests",
        "events / accepted",
        "MiB alone / most",
        "server",
        "cores server / children",
        "bench calm / storm",
        "ended server / workers",
    ];
    let rows: Vec<_> = run.outcomes.iter().map(row).collect();
    table(&head, &rows);
    let row = |outcome: &Outcome| {
        vec![
            outcome.name.to_owned(),
            counts(&outcome.storm.answers),
            format!("  {}", counts(&outcome.stops)),
        ]
    };
    let rows: Vec<_> = run.outcomes.iter().map(row).collect();
    println!();
    table(&["attack", "answers", "stops"], &rows);
}

/// The orders beside each other.
pub(crate) fn print_orders(runs: &[Run]) {
    let [first, others @ ..] = runs else {
        return;
    };
    let mut rows = Vec::new();
    for outcome in &first.outcomes {
        for other in others {
            let same = other
                .outcomes
                .iter()
                .find(|other| other.name == outcome.name);
            let Some(same) = same else { continue };
            let cell = |outcome: &Outcome| {
                let times_of = &outcome.beside.accepted;
                let ratio = times(outcome.ratio());
                [
                    ms(times_of.p50),
                    ms(times_of.p99),
                    ratio,
                    outcome.undone.to_string(),
                ]
            };
            let mut row = vec![outcome.name.to_owned()];
            for (one, two) in cell(outcome).into_iter().zip(cell(same)) {
                row.push(format!("{one} / {two}"));
            }
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return;
    }
    let names: Vec<_> = runs.iter().map(|run| run.order.name()).collect();
    println!("\ncalm tenants beside the attack, {}:", names.join(" / "));
    table(&["", "p50 ms", "p99 ms", "p99 of alone", "undone"], &rows);
}

fn calm_json(calm: &Calm) -> Value {
    json!({
        "accepted_to_done": calm.accepted.json(),
        "stages": STAGES.iter().zip(&calm.stages).map(|(name, times)| {
            json!({"stage": name, "times": times.json()})
        }).collect::<Vec<_>>(),
        "meant_to_done": calm.meant.json(),
        "meant_to_sent": calm.late.json(),
    })
}

fn outcome_json(outcome: &Outcome) -> Value {
    let (storm, taken) = (&outcome.storm, &outcome.resources);
    json!({
        "case": outcome.name,
        "calm": {
            "alone": calm_json(&outcome.alone),
            "beside": calm_json(&outcome.beside),
            "p99_ratio": outcome.ratio(),
            "sent": outcome.sent,
            "refused": outcome.refused,
            "lost": outcome.lost,
            "undone": outcome.undone,
        },
        "storm": {
            "requests": storm.requests,
            "events": storm.events,
            "accepted": storm.accepted,
            "answers": storm.answers,
            "stops": outcome.stops,
        },
        "memory_bytes": {
            "alone": taken.alone_bytes,
            "most": taken.most_bytes,
            "most_of_server": taken.most_server_bytes,
            "end": taken.end_bytes,
        },
        "cores": {
            "server": taken.server_cores,
            "children": taken.children_cores,
            "bench_calm": taken.calm_cores,
            "bench_storm": taken.storm_cores,
        },
        "server_ended": outcome.server_ended,
        "workers_ended": outcome.workers_ended,
        "kept": outcome.is_kept(),
    })
}

/// All of it.
pub(crate) fn json(options: &Options, rate: f64, capacity: Option<f64>, runs: &[Run]) -> Value {
    let run = |run: &Run| {
        let cases: Vec<_> = run.outcomes.iter().map(outcome_json).collect();
        json!({"order": run.order.name(), "cases": cases})
    };
    json!({
        "calm_tenants": TENANTS,
        "calm_events_per_second": rate,
        "capacity_events_per_second": capacity,
        "connections": SENDERS,
        "alone_s": options.alone_s,
        "beside_s": options.beside_s,
        "seed": options.seed,
        "quarantine": options.quarantine,
        "runs": runs.iter().map(run).collect::<Vec<_>>(),
    })
}
