//! How anomalies look in JSON.

use utoipa::ToSchema;

/// Which kind of anomaly.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(crate) enum AnomalyKind {
    /// Runs set off more runs than there are: growth.
    Reproduction,
    /// Events come far faster than they used to.
    EventRate,
    /// Rules are in quarantine.
    Quarantine,
}

/// Why an anomaly is over.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(crate) enum AnomalyEnd {
    /// It stayed below its threshold, or nothing happened any more.
    Calm,
    /// The server ended before it did.
    Restart,
}

/// A time in which a tenant's traffic is out of the ordinary.
#[derive(ToSchema)]
pub(crate) struct Anomaly {
    /// The place in the list; greater is later.
    seq: u64,
    /// Which kind.
    kind: AnomalyKind,
    /// Since when, in microseconds since 1970.
    since_us: u64,
    /// Until when; null while it goes on.
    until_us: Option<u64>,
    /// Why it is over.
    #[schema(required = false, nullable = false)]
    ended: Option<AnomalyEnd>,
    /// What was seen when it began, in a sentence.
    message: String,
    /// What to do.
    hint: String,
    /// What grows, for `reproduction`.
    #[schema(required = false, nullable = false)]
    reproduction: Option<Reproduction>,
    /// How fast, for `event-rate`.
    #[schema(required = false, nullable = false)]
    event_rate: Option<EventRate>,
}

/// How a tenant's runs set off runs.
#[derive(ToSchema)]
pub(crate) struct Reproduction {
    /// The factor from one generation of runs to the next, when it began.
    number: f64,
    /// What it is at least, with regard to how few runs were seen.
    at_least: f64,
    /// The greatest that was seen.
    peak: f64,
    /// The threshold that was reached.
    threshold: f64,
    /// Recent runs of the rules of the cycle.
    executions: u64,
    /// The strongest cycle, one full turn.
    cycle: Vec<AnomalyEdge>,
}

/// That runs of one rule set off runs of another, or of the same.
#[derive(ToSchema)]
pub(crate) struct AnomalyEdge {
    /// Whose runs.
    rule: String,
    /// By events of this type; of several, the most frequent.
    event_type: String,
    /// What is run on those.
    causes: String,
    /// How many runs one run sets off.
    number: f64,
}

/// How fast a tenant's events come.
#[derive(ToSchema)]
pub(crate) struct EventRate {
    /// Events per second, when it began.
    per_second: f64,
    /// The greatest that was seen.
    peak: f64,
    /// Events per second before.
    baseline: f64,
    /// From which factor on it counts as an anomaly.
    factor: f64,
}
