//! The report, for people: a table with a column for each run, and what it
//! means.

use std::collections::BTreeMap;

use super::super::report::put;
use super::report::{Report, Run};
use crate::console::{FAINT, Grouped, STRONG};

/// The width of the first column, and of each other one.
const NAME: usize = 38;
const WIDTH: usize = 23;

type Cell = fn(&Run) -> String;

const ROWS: [(&str, Cell); 14] = [
    ("events of the looping tenant", |run| {
        count(run.looping.events)
    }),
    ("executions of the looping tenant", |run| {
        count(run.looping.executions)
    }),
    ("actions done for it", |run| count(run.looping.actions)),
    ("most events waiting: its / all", |run| {
        format!(
            "{} / {}",
            count(run.looping.waiting_largest),
            count(run.waiting_largest)
        )
    }),
    ("memory, MiB: before / largest / after", |run| {
        let memory = &run.memory_mib;
        format!(
            "{:.0} / {:.0} / {:.0}",
            memory.before, memory.largest, memory.after
        )
    }),
    ("others' p50: before / during", |run| {
        pair(run.others.p50_ms_before, run.others.p50_ms_during)
    }),
    ("others' p99: before / during", |run| {
        pair(run.others.p99_ms_before, run.others.p99_ms_during)
    }),
    ("onset to the first anomaly", |run| {
        seconds(run.onset_to_ms.anomaly)
    }),
    ("onset to the first stop", |run| {
        seconds(run.onset_to_ms.stop)
    }),
    ("onset to calm", |run| seconds(run.onset_to_ms.calm)),
    ("in quarantine", |run| match run.quarantined.as_slice() {
        [] => "-".to_owned(),
        rules => rules.join(", "),
    }),
    ("events that slept in it", |run| {
        count(run.parked.values().sum())
    }),
    ("accepted events, all tenants", |run| {
        count(run.events_looping.accepted + run.events_others.accepted)
    }),
    ("of them lost", |run| count(run.lost())),
];

impl Report {
    /// For people.
    pub(in super::super) fn text(&self) -> String {
        let mut out = String::from("\n");
        let mut head = format!("{STRONG}{:NAME$}", "protection");
        for run in &self.runs {
            head.push_str(&format!("{:>WIDTH$}", run.protection));
        }
        put(&mut out, format_args!("{head}{STRONG:#}"));
        for (name, cell) in ROWS {
            let cells: String = self
                .runs
                .iter()
                .map(|run| format!("{:>WIDTH$}", cell(run)))
                .collect();
            put(&mut out, format_args!("{name:NAME$}{cells}"));
        }
        put(
            &mut out,
            format_args!(
                "{FAINT}times of the others are from an event's acceptance to its durable end; memory is that of the server and its workers{FAINT:#}"
            ),
        );
        for run in &self.runs {
            run.put(&mut out);
        }
        put(&mut out, format_args!("\n{}", self.sentence()));
        out.truncate(out.trim_end().len());
        out
    }

    /// What it means.
    fn sentence(&self) -> String {
        let by_name = |name: &str| self.runs.iter().find(|run| run.protection.name() == name);
        let lost = match self.lost() {
            0 => "No accepted event was lost.".to_owned(),
            lost => format!(
                "{} accepted events were lost, which must not be.",
                count(lost)
            ),
        };
        let Some(on) = by_name("on") else {
            return lost;
        };
        let ended = match on.onset_to_ms.calm {
            Some(ms) => format!("ended by itself within {:.1} s", ms / 1000.0),
            None => "did not end by itself".to_owned(),
        };
        let compared = by_name("off").map_or_else(String::new, |off| {
            format!(
                " (without protection: {}, until somebody stopped it)",
                count(off.looping.executions)
            )
        });
        let others = match (on.others.p99_ms_before, on.others.p99_ms_during) {
            (Some(before), Some(during)) => format!(
                "For the {} other tenants, 99 of 100 events were done within {during:.1} ms from then on, and within {before:.1} ms before.",
                on.tenants - 1
            ),
            _ => "For the others nothing was measured.".to_owned(),
        };
        format!(
            "With protection the loop {ended}, after {} executions of its tenant{compared}.\n{others}\n{lost}",
            count(on.looping.executions)
        )
    }
}

impl Run {
    fn put(&self, out: &mut String) {
        put(
            out,
            format_args!(
                "\n{STRONG}{}{STRONG:#}: {}",
                self.protection,
                self.protection.meaning()
            ),
        );
        let executions = count(self.looping.executions);
        match self.onset_to_ms.calm {
            Some(ms) => put(
                out,
                format_args!(
                    "  the loop ended by itself within {:.1} s; {executions} executions of its tenant in all",
                    ms / 1000.0
                ),
            ),
            None => put(
                out,
                format_args!(
                    "  the loop did not end by itself; {executions} executions of its tenant until both rules were taken out of force"
                ),
            ),
        }
        if let Some(anomaly) = &self.anomaly {
            put(
                out,
                format_args!("  anomaly ({}): {}", anomaly.kind, anomaly.message),
            );
        }
        match &self.first_stop {
            Some(stop) => {
                put(
                    out,
                    format_args!("  stopped: {}; first:", listed(&self.stops)),
                );
                put(out, format_args!("  {}", stop.message));
            }
            None => put(out, format_args!("  nothing was stopped")),
        }
        let mut all = self.events_looping.clone();
        all.add(&self.events_others);
        put(
            out,
            format_args!(
                "  {} events accepted: {} done, {} dead-lettered, {} waiting, {} lost",
                count(all.accepted),
                count(all.done),
                count(all.dead_lettered),
                count(all.waiting),
                count(all.lost)
            ),
        );
        if !self.refused.is_empty() {
            put(
                out,
                format_args!("  refused, and not accepted: {}", listed(&self.refused)),
            );
        }
    }
}

fn count(number: u64) -> String {
    Grouped(number).to_string()
}

fn pair(before: Option<f64>, during: Option<f64>) -> String {
    match (before, during) {
        (Some(before), Some(during)) => format!("{before:.1} / {during:.1} ms"),
        _ => "-".to_owned(),
    }
}

fn seconds(ms: Option<f64>) -> String {
    ms.map_or_else(|| "-".to_owned(), |ms| format!("{:.1} s", ms / 1000.0))
}

fn listed(counts: &BTreeMap<String, u64>) -> String {
    let listed = counts
        .iter()
        .map(|(code, number)| format!("{code} {}", count(*number)));
    listed.collect::<Vec<_>>().join(", ")
}
