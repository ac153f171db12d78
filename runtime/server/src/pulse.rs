//! How a tenant's pulse looks in JSON.

use ringfence_engine::{EdgePulse, PulseView, RulePulse};
use serde::Serialize;
use utoipa::ToSchema;

/// What a tenant's runs set off, lately: counts are weighted by age.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pulse)]
pub(crate) struct TenantPulse {
    /// The tenant's reproduction number: the factor from one generation of
    /// runs to the next along the cycle of rules that grows most; 0 where no
    /// cycle was seen.
    reproduction_number: f64,
    /// Since when it is known that its runs grow, in microseconds since 1970;
    /// missing if they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    supercritical_since_us: Option<u64>,
    /// Whether its root events go before its follow-up events now.
    dampened: bool,
    /// Its rules, those with the most executions first; at most 100.
    rules: Vec<RuleView>,
    /// What sets off what, the most first; at most 100.
    edges: Vec<EdgeView>,
    /// Whether there is more of either.
    truncated: bool,
}

/// One rule's recent runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RulePulse)]
pub(crate) struct RuleView {
    /// Which rule.
    rule: String,
    /// Its executions.
    executions: f64,
    /// The executions that those set off, of any rule.
    caused: f64,
    /// Its reproduction number: caused / (executions + 1).
    reproduction_number: f64,
}

/// That runs of one rule set off runs of another, or of the same.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EdgePulse)]
pub(crate) struct EdgeView {
    /// Which rule.
    rule: String,
    /// By events of this type.
    event_type: String,
    /// What is run on them.
    causes: String,
    /// How many times.
    caused: f64,
    /// How many of it one execution sets off.
    reproduction_number: f64,
}

impl TenantPulse {
    pub(crate) fn new(pulse: PulseView, dampened: bool) -> Self {
        Self {
            reproduction_number: pulse.number,
            supercritical_since_us: pulse.supercritical_since_us,
            dampened,
            rules: pulse.rules.into_iter().map(RuleView::from).collect(),
            edges: pulse.edges.into_iter().map(EdgeView::from).collect(),
            truncated: pulse.truncated,
        }
    }
}

impl From<RulePulse> for RuleView {
    fn from(rule: RulePulse) -> Self {
        Self {
            rule: rule.rule.to_string(),
            executions: rule.executions,
            caused: rule.caused,
            reproduction_number: rule.number,
        }
    }
}

impl From<EdgePulse> for EdgeView {
    fn from(edge: EdgePulse) -> Self {
        Self {
            rule: edge.rule.to_string(),
            event_type: edge.event_type,
            causes: edge.causes.to_string(),
            caused: edge.caused,
            reproduction_number: edge.number,
        }
    }
}
