//! Anomalies: what is out of the ordinary about a tenant's traffic.

use serde::{Deserialize, Serialize};

use crate::{Quarantine, RuleName};

/// Edges of a cycle that its path names, and that are kept.
const EDGES_TOLD: usize = 8;
const EDGES_KEPT: usize = 64;

/// Which kind of anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnomalyKind {
    /// Runs set off more runs than there are: growth.
    Reproduction,
    /// Events come far faster than they used to.
    EventRate,
    /// Rules are in quarantine.
    Quarantine,
}

impl AnomalyKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Reproduction, Self::EventRate, Self::Quarantine];

    /// The name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reproduction => "reproduction",
            Self::EventRate => "event-rate",
            Self::Quarantine => "quarantine",
        }
    }
}

impl std::fmt::Display for AnomalyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an anomaly is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnomalyEnd {
    /// What it was about stayed below its threshold, or nothing happened any
    /// more.
    Calm,
    /// The server ended before it did; whether it went on is not known.
    Restart,
}

/// A time in which a tenant's traffic is out of the ordinary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Which kind.
    pub kind: AnomalyKind,
    /// Since when, in microseconds since 1970.
    pub since_us: u64,
    /// Until when; none while it goes on.
    #[serde(default)]
    pub until_us: Option<u64>,
    /// Why it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<AnomalyEnd>,
    /// What was seen when it began, in a sentence.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// What grows, for `reproduction`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reproduction: Option<Reproduction>,
    /// How fast, for `event-rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_rate: Option<EventRate>,
}

/// How a tenant's runs set off runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reproduction {
    /// The reproduction number when it began: the factor from one generation
    /// of runs to the next.
    pub number: f64,
    /// What it is at least, with regard to how few runs were seen.
    pub at_least: f64,
    /// The greatest that was seen.
    pub peak: f64,
    /// The threshold that was reached.
    pub threshold: f64,
    /// Recent runs of the rules of the cycle.
    pub executions: u64,
    /// The strongest cycle, one full turn; of a long one the first 64 edges.
    pub cycle: Vec<AnomalyEdge>,
}

/// That runs of one rule set off runs of another, or of the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnomalyEdge {
    /// Whose runs.
    pub rule: RuleName,
    /// By events of this type; of several, the most frequent.
    pub event_type: String,
    /// What is run on those.
    pub causes: RuleName,
    /// How many runs one run sets off.
    pub number: f64,
}

/// How fast a tenant's events come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRate {
    /// Events per second, when it began.
    pub per_second: f64,
    /// The greatest that was seen.
    pub peak: f64,
    /// What it was before: events per second over the long window.
    pub baseline: f64,
    /// From which factor on it counts as an anomaly.
    pub factor: f64,
}

impl Reproduction {
    /// The cycle as a path: `a → type → b → type → a`.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for edge in self.cycle.iter().take(EDGES_TOLD) {
            path.push_str(edge.rule.as_str());
            path.push_str(" → ");
            path.push_str(&edge.event_type);
            path.push_str(" → ");
        }
        if self.cycle.len() > EDGES_TOLD {
            path.push_str("… → ");
        }
        if let Some(first) = self.cycle.first() {
            path.push_str(first.rule.as_str());
        }
        path
    }
}

impl Anomaly {
    /// That runs grow.
    pub fn of_reproduction(since_us: u64, mut found: Reproduction) -> Self {
        let message = format!(
            "Each generation of runs sets off {:.2} times as many (at least {:.2}; from {} on they \
             grow without end), seen over {} recent runs. Cycle: {}.",
            found.number,
            found.at_least,
            found.threshold,
            found.executions,
            found.path(),
        );
        Self {
            kind: AnomalyKind::Reproduction,
            since_us,
            until_us: None,
            ended: None,
            message,
            hint: "Break the cycle: let one of its rules leave out events that it has nothing to \
                   change about, or emit one event in place of several."
                .into(),
            reproduction: {
                found.cycle.truncate(EDGES_KEPT);
                Some(found)
            },
            event_rate: None,
        }
    }

    /// That a rule is in quarantine.
    pub fn of_quarantine(rule: &RuleName, found: &Quarantine) -> Self {
        let Quarantine { since_us, stop, .. } = found;
        let message = format!(
            "`{rule}` is in quarantine, because runs of it were stopped (`{}`). The last: {}",
            stop.code, stop.message
        );
        Self {
            kind: AnomalyKind::Quarantine,
            since_us: *since_us,
            until_us: None,
            ended: None,
            message,
            hint: match found.until_us {
                Some(_) => {
                    "Events wait for the rule, and it is tried again by itself. Put a version in \
                     force that does better, or discard what waits."
                }
                None => {
                    "Events are not given to the rule until it is activated again. Put a version \
                     in force that does better."
                }
            }
            .into(),
            reproduction: None,
            event_rate: None,
        }
    }

    /// That events come much faster than they used to.
    pub fn of_event_rate(since_us: u64, found: EventRate) -> Self {
        let message = format!(
            "{:.1} events a second come, {:.0} times as many as before ({:.2} a second; from {} \
             times on it is out of the ordinary).",
            found.per_second,
            found.per_second / found.baseline.max(f64::MIN_POSITIVE),
            found.baseline,
            found.factor,
        );
        Self {
            kind: AnomalyKind::EventRate,
            since_us,
            until_us: None,
            ended: None,
            message,
            hint: "If the sender was not meant to send so much, slow it down: each event is run \
                   by every rule that wants it. An import ends by itself."
                .into(),
            reproduction: None,
            event_rate: Some(found),
        }
    }
}
