//! What is shown at the end; also the form for programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::recorder::{Latency, Recorder};
use super::super::report::percentile_ms;
use super::api::Anomaly;
use super::cast::LOOPING;
use super::ending::{Accounts, Ending, FirstStop};
use super::protection::Protection;
use super::watch::Seen;

const MIB: f64 = 1024.0 * 1024.0;

/// When what was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    /// How long it was calm before, in seconds.
    pub(super) before_s: u64,
    /// When the stream began, in microseconds since 1970.
    pub(super) start_us: u64,
    /// When the pair was put in force, in microseconds since 1970.
    pub(super) onset_us: u64,
    /// When the watch was over.
    pub(super) end_us: u64,
}

/// All runs.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) struct Report {
    /// One after the other.
    pub(super) runs: Vec<Run>,
}

/// One run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) protection: Protection,
    pub(super) tenants: u64,
    /// Seconds before the onset.
    pub(super) before_s: u64,
    /// Seconds from the onset on.
    pub(super) during_s: f64,
    pub(super) looping: Looping,
    /// All tenants' events that waited, at most.
    pub(super) waiting_largest: u64,
    pub(super) memory_mib: Memory,
    /// The other tenants, from an event's acceptance to its durable end.
    pub(super) others: Percentiles,
    /// From the onset on, in milliseconds; none if it did not come to it.
    pub(super) onset_to_ms: OnsetTo,
    /// The looping tenant's first anomaly.
    pub(super) anomaly: Option<Anomaly>,
    pub(super) first_stop: Option<FirstStop>,
    /// Dead letters of the looping tenant, by the stop's code.
    pub(super) stops: BTreeMap<String, u64>,
    /// Rules in quarantine.
    pub(super) quarantined: Vec<String>,
    /// Events that slept for each rule, until they were discarded at the end.
    pub(super) parked: BTreeMap<String, u64>,
    /// Events from outside, of the looping tenant.
    pub(super) events_looping: Accounts,
    /// The same, of the others.
    pub(super) events_others: Accounts,
    /// Refused events, by the problem's code; those are not accepted.
    pub(super) refused: BTreeMap<String, u64>,
}

/// The tenant that loops.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Looping {
    pub(super) tenant: String,
    /// Follow-ups included.
    pub(super) events: u64,
    pub(super) executions: u64,
    /// Actions that the host application did.
    pub(super) actions: u64,
    /// Events that waited, at most.
    pub(super) waiting_largest: u64,
}

/// Of the server's process and its workers, in MiB.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) before: f64,
    pub(super) largest: f64,
    pub(super) after: f64,
}

/// In milliseconds; none where no event was finished.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Percentiles {
    pub(super) p50_ms_before: Option<f64>,
    pub(super) p99_ms_before: Option<f64>,
    pub(super) p50_ms_during: Option<f64>,
    pub(super) p99_ms_during: Option<f64>,
}

/// How long it took, in milliseconds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OnsetTo {
    pub(super) anomaly: Option<f64>,
    pub(super) stop: Option<f64>,
    pub(super) calm: Option<f64>,
}

impl Report {
    /// Accepted events that the server does not know.
    pub(in super::super) fn lost(&self) -> u64 {
        self.runs.iter().map(Run::lost).sum()
    }
}

impl Run {
    pub(super) fn new(
        protection: Protection,
        moments: Moments,
        seen: Seen,
        memory_after: u64,
        recorder: &Recorder,
        names: &[String],
        ending: Ending,
    ) -> Self {
        let after_ms = |at_us: u64| at_us.saturating_sub(moments.onset_us) as f64 / 1000.0;
        let others = names.iter().filter(|name| *name != LOOPING);
        let latencies: Vec<Latency> = others.flat_map(|name| recorder.latencies(name)).collect();
        let mib = |bytes: u64| (bytes as f64 / MIB * 10.0).round() / 10.0;
        Self {
            protection,
            tenants: names.len() as u64,
            before_s: moments.before_s,
            during_s: after_ms(moments.end_us) / 1000.0,
            looping: Looping {
                tenant: LOOPING.to_owned(),
                events: ending.looping.all(),
                executions: recorder.counts(LOOPING).executions,
                actions: ending.actions,
                waiting_largest: seen.waiting_looping,
            },
            waiting_largest: seen.waiting_all,
            memory_mib: Memory {
                before: mib(seen.memory_before),
                largest: mib(seen.memory_largest),
                after: mib(memory_after),
            },
            others: Percentiles::of(&latencies, moments),
            onset_to_ms: OnsetTo {
                anomaly: seen.anomaly.as_ref().map(|(at_us, _)| after_ms(*at_us)),
                stop: ending.first_stop.as_ref().map(|stop| after_ms(stop.at_us)),
                calm: seen.calm_us.map(after_ms),
            },
            anomaly: seen.anomaly.map(|(_, anomaly)| anomaly),
            first_stop: ending.first_stop,
            stops: ending.stops,
            quarantined: ending.quarantined,
            parked: ending.parked,
            events_looping: ending.accounts_looping,
            events_others: ending.accounts_others,
            refused: ending.refused,
        }
    }

    /// Accepted events that the server does not know.
    pub(super) fn lost(&self) -> u64 {
        self.events_looping.lost + self.events_others.lost
    }
}

impl Percentiles {
    fn of(latencies: &[Latency], moments: Moments) -> Self {
        let sorted = |from_us: u64, until_us: u64| {
            let accepted = from_us..until_us;
            let chosen = latencies
                .iter()
                .filter(|latency| accepted.contains(&latency.accepted_us));
            let mut micros: Vec<u64> = chosen.map(|latency| latency.micros).collect();
            micros.sort_unstable();
            micros
        };
        let before = sorted(moments.start_us, moments.onset_us);
        let during = sorted(moments.onset_us, moments.end_us);
        Self {
            p50_ms_before: percentile_ms(&before, 50),
            p99_ms_before: percentile_ms(&before, 99),
            p50_ms_during: percentile_ms(&during, 50),
            p99_ms_during: percentile_ms(&during, 99),
        }
    }
}
