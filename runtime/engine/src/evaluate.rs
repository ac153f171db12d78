//! Evaluation: what a tenant's rules would do with an event, now.

use std::sync::Arc;

use ringfence_model::{
    Dimension, Effect, Event, Limits, Log, Mode, RuleName, Stop, Usage, VersionId,
};

use crate::executor::{Executor, NotRun};
use crate::registry::TenantState;

/// One rule's part in an evaluation.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// Which rule.
    pub rule: RuleName,
    /// Which version.
    pub version: VersionId,
    /// In which mode it is in force.
    pub mode: Mode,
    /// Its effects, or why it was stopped.
    pub outcome: Result<Vec<Effect>, Stop>,
    /// What it used.
    pub usage: Usage,
    /// What it logged.
    pub log: Log,
}

/// Runs all rules that want the event, within one cascade's fuel. Blocks.
/// `Err` says that the store did not answer.
pub(crate) fn evaluate(
    executor: &Executor,
    tenant: &TenantState,
    event: &Event,
) -> Result<Vec<Evaluated>, String> {
    let mut used = 0u64;
    let mut evaluated = Vec::new();
    for rule in tenant.rules.route(&event.ty) {
        if !rule.takes(event.id) {
            continue;
        }
        let limits = tenant.limits.lowered(&rule.activation.limits);
        let (outcome, usage, log) = match within_budget(&limits, used) {
            Err(stop) => (Err(stop), Usage::default(), Log::default()),
            Ok(fuel) => match executor.execute(&rule, event, &limits, fuel) {
                Ok(report) => (report.outcome, report.usage, report.log),
                Err(NotRun::Stopped(stop)) => (Err(*stop), Usage::default(), Log::default()),
                Err(NotRun::Later(cause)) => return Err(cause),
            },
        };
        used = used.saturating_add(usage.fuel);
        let activation = Arc::clone(&rule.activation);
        evaluated.push(Evaluated {
            rule: activation.rule.clone(),
            version: activation.version,
            mode: activation.mode,
            outcome,
            usage,
            log,
        });
    }
    Ok(evaluated)
}

fn within_budget(limits: &Limits, used: u64) -> Result<u64, Stop> {
    match limits.cascade_fuel.saturating_sub(used) {
        0 => Err(Dimension::Fuel.stop(limits, used)),
        left => Ok(left.min(limits.fuel)),
    }
}
