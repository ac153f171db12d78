//! What the demonstration shows at its end.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::recorder::{Latency, Recorder};
use super::tally::Tally;
use super::tenants::Role;
use crate::console::{FAINT, Grouped, STRONG};

/// When what was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// How long before the storm, in seconds.
    pub(super) before_s: u64,
    /// How long the storm was, in seconds.
    pub(super) storm_s: u64,
    /// When it began, in microseconds since 1970.
    pub(super) storm_us: u64,
}

/// All of it; also the form for programs.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Events that the server acknowledged. Each is in one of the next four.
    pub(super) accepted: u64,
    /// Finished.
    pub(super) done: u64,
    /// Not finished yet.
    pub(super) waiting: u64,
    /// Finished, and in the dead letters.
    pub(super) dead_letters: u64,
    /// Unknown to the server.
    pub(super) lost: u64,
    /// Refused, by the problem's code; those are not accepted.
    pub(super) refused: BTreeMap<String, u64>,
    /// Events that slept in quarantine until they were discarded at the end,
    /// follow-up events included. They are in the dead letters then.
    pub(super) parked: u64,
    /// Dead letters by the stop's code, those of follow-up events included.
    pub(super) stops: BTreeMap<String, u64>,
    /// Seconds before the storm.
    pub(super) before_s: u64,
    /// Seconds of storm.
    pub(super) storm_s: u64,
    /// All calm tenants' events together.
    pub(super) calm: Percentiles,
    /// Tenant by tenant.
    pub(super) tenants: Vec<TenantReport>,
}

/// What one tenant saw.
#[derive(Debug, Serialize)]
pub(super) struct TenantReport {
    tenant: &'static str,
    role: Role,
    rules: Vec<&'static str>,
    accepted: u64,
    refused: u64,
    executions: u64,
    parked: u64,
    #[serde(flatten)]
    percentiles: Percentiles,
    stops: BTreeMap<String, u64>,
}

/// From an event's acceptance, before it is on disk, to its durable end, in
/// milliseconds. None where no event was finished.
#[derive(Debug, Default, Serialize)]
pub(super) struct Percentiles {
    p50_ms_before: Option<f64>,
    p99_ms_before: Option<f64>,
    p50_ms_during: Option<f64>,
    p99_ms_during: Option<f64>,
}

impl Report {
    pub(super) fn new(timing: Timing, recorder: &Recorder, tallies: Vec<Tally>) -> Self {
        let mut report = Self {
            accepted: 0,
            done: 0,
            waiting: 0,
            dead_letters: 0,
            lost: 0,
            refused: BTreeMap::new(),
            parked: 0,
            stops: BTreeMap::new(),
            before_s: timing.before_s,
            storm_s: timing.storm_s,
            calm: Percentiles::default(),
            tenants: Vec::new(),
        };
        let mut calm = Vec::new();
        for tally in tallies {
            let latencies = recorder.latencies(tally.tenant.name);
            if tally.tenant.role() == Role::Calm {
                calm.extend_from_slice(&latencies);
            }
            let executions = recorder.counts(tally.tenant.name).executions;
            let percentiles = Percentiles::of(&latencies, timing.storm_us);
            report.add(tally, executions, percentiles);
        }
        report.calm = Percentiles::of(&calm, timing.storm_us);
        report
    }

    fn add(&mut self, tally: Tally, executions: u64, percentiles: Percentiles) {
        self.accepted += tally.accepted;
        self.done += tally.done;
        self.waiting += tally.waiting;
        self.dead_letters += tally.dead_lettered;
        self.lost += tally.lost;
        self.parked += tally.parked;
        let sum = |into: &mut BTreeMap<String, u64>, from: &BTreeMap<String, u64>| {
            for (code, count) in from {
                *into.entry(code.clone()).or_default() += count;
            }
        };
        sum(&mut self.refused, &tally.refused);
        sum(&mut self.stops, &tally.stops);
        let rules = tally.tenant.rules.iter().chain(tally.tenant.storm);
        self.tenants.push(TenantReport {
            tenant: tally.tenant.name,
            role: tally.tenant.role(),
            rules: rules.copied().collect(),
            accepted: tally.accepted,
            refused: tally.refused.values().sum(),
            executions,
            parked: tally.parked,
            percentiles,
            stops: tally.stops,
        });
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut out = String::from("\n");
        put(
            &mut out,
            format_args!(
                "{STRONG}{:9} {:5} {:>7} {:>10}  {:>19}  {:>19}  stops{STRONG:#}",
                "tenant", "role", "events", "executions", "before: p50 / p99", "during: p50 / p99"
            ),
        );
        for tenant in &self.tenants {
            tenant.put(&mut out);
        }
        put(
            &mut out,
            format_args!(
                "{FAINT}times are from acceptance, before the event is on disk, to its durable end{FAINT:#}\n"
            ),
        );
        put(
            &mut out,
            format_args!(
                "{} events accepted: {} done, {} waiting, {} dead-lettered, {} lost",
                Grouped(self.accepted),
                Grouped(self.done),
                Grouped(self.waiting),
                Grouped(self.dead_letters),
                Grouped(self.lost),
            ),
        );
        let refused: u64 = self.refused.values().sum();
        if refused > 0 {
            let codes: Vec<&str> = self.refused.keys().map(String::as_str).collect();
            put(
                &mut out,
                format_args!(
                    "{} more were refused ({})",
                    Grouped(refused),
                    codes.join(", ")
                ),
            );
        }
        put(&mut out, format_args!("\n{}", self.sentence()));
        out.truncate(out.trim_end().len());
        out
    }

    /// What was seen, in plain English.
    fn sentence(&self) -> String {
        let stops: u64 = self.stops.values().sum();
        let first = format!(
            "In three of eight tenants rules ran away; {} pieces of work were stopped, each with its reason.",
            Grouped(stops)
        );
        let second = match (self.calm.p99_ms_before, self.calm.p99_ms_during) {
            (Some(before), Some(during)) => format!(
                "For the five others, 99 of 100 events were done within {during:.1} ms during the storm, and within {before:.1} ms before it."
            ),
            _ => "For the five others nothing was measured.".to_owned(),
        };
        let first = if self.parked == 0 {
            first
        } else {
            format!(
                "{first}\nOf them {} slept for rules in quarantine, and were discarded at the end.",
                Grouped(self.parked)
            )
        };
        let third = match (self.lost, self.waiting) {
            (0, 0) => "Every accepted event is accounted for.".to_owned(),
            (0, waiting) => format!(
                "Every accepted event is accounted for; {} still waited when this was counted.",
                Grouped(waiting)
            ),
            (lost, _) => format!(
                "{} accepted events were lost, which must not be.",
                Grouped(lost)
            ),
        };
        format!("{first}\n{second}\n{third}")
    }
}

impl TenantReport {
    fn put(&self, out: &mut String) {
        let role = match self.role {
            Role::Calm => "calm",
            Role::Storm => "storm",
        };
        let stops: Vec<String> = self
            .stops
            .iter()
            .map(|(code, count)| format!("{code} {}", Grouped(*count)))
            .collect();
        let stops = if stops.is_empty() {
            "-".to_owned()
        } else {
            stops.join(", ")
        };
        let pair = |p50: Option<f64>, p99: Option<f64>| match (p50, p99) {
            (Some(p50), Some(p99)) => format!("{p50:.1} / {p99:.1} ms"),
            _ => "-".to_owned(),
        };
        let times = &self.percentiles;
        put(
            out,
            format_args!(
                "{:9} {role:5} {:>7} {:>10}  {:>19}  {:>19}  {stops}",
                self.tenant,
                Grouped(self.accepted),
                Grouped(self.executions),
                pair(times.p50_ms_before, times.p99_ms_before),
                pair(times.p50_ms_during, times.p99_ms_during),
            ),
        );
    }
}

/// Appends a line; a `String` takes all that it is given.
pub(super) fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{line}");
}

impl Percentiles {
    fn of(latencies: &[Latency], storm_us: u64) -> Self {
        let sorted = |during: bool| {
            let of_phase = latencies
                .iter()
                .filter(|latency| (latency.accepted_us >= storm_us) == during);
            let mut micros: Vec<u64> = of_phase.map(|latency| latency.micros).collect();
            micros.sort_unstable();
            micros
        };
        let (before, during) = (sorted(false), sorted(true));
        Self {
            p50_ms_before: percentile_ms(&before, 50),
            p99_ms_before: percentile_ms(&before, 99),
            p50_ms_during: percentile_ms(&during, 50),
            p99_ms_during: percentile_ms(&during, 99),
        }
    }
}

/// The least value that is not exceeded by `percent` of 100 values (nearest
/// rank), in milliseconds.
pub(super) fn percentile_ms(sorted: &[u64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    let micros = sorted.get(rank.checked_sub(1)?)?;
    Some(*micros as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let hundred: Vec<u64> = (1..=100).map(|value| value * 1000).collect();
        for (values, percent, expected) in [
            (&hundred[..], 50, Some(50.0)),
            (&hundred[..], 99, Some(99.0)),
            (&hundred[..1], 99, Some(1.0)),
            (&hundred[..3], 50, Some(2.0)),
            (&[], 50, None),
        ] {
            assert_eq!(percentile_ms(values, percent), expected);
        }
    }

    #[test]
    fn events_are_told_apart_by_when_they_were_accepted() {
        let latency = |accepted_us, micros| Latency {
            accepted_us,
            micros,
        };
        let times = Percentiles::of(&[latency(9, 1_000), latency(10, 5_000)], 10);
        assert_eq!(times.p50_ms_before, Some(1.0));
        assert_eq!(times.p99_ms_during, Some(5.0));
    }
}
