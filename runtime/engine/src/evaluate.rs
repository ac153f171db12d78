//! Evaluation: what a tenant's rules would do with an event, now.

use std::sync::Arc;

use ringfence_governor::ActiveRule;
use ringfence_model::{
    Dimension, Effect, Event, Limits, Log, Meter, Mode, RuleName, RunLimits, Stop, StopCode, Usage,
    VersionId,
};
use ringfence_sandbox::RunReport;

use crate::executor::{Executor, NotRun};
use crate::quarantine::Quarantines;
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
    /// What it might have used.
    pub limits: RunLimits,
    /// Of which limits it used 80 % or more without being stopped.
    pub near_limits: Vec<Meter>,
    /// What it logged.
    pub log: Log,
}

/// What an evaluation may take at one moment, in bytes: its runs are one after
/// the other.
pub(crate) fn memory(tenant: &TenantState, event: &Event) -> u64 {
    tenant.heaviest(event, tenant.rules.wanting(&event.ty))
}

/// Runs all rules that want the event, within one cascade's fuel. Blocks.
/// `Err` says that the store did not answer.
pub(crate) fn evaluate(
    executor: &Executor,
    quarantines: &Quarantines,
    tenant: &TenantState,
    event: &Arc<Event>,
) -> Result<Vec<Evaluated>, String> {
    let mut used = 0u64;
    let mut evaluated = Vec::new();
    for rule in tenant.rules.route(&event.ty) {
        if !rule.takes(event.id) {
            continue;
        }
        let limits = tenant.limits.lowered(&rule.activation.limits);
        let activation = Arc::clone(&rule.activation);
        let mut part = Evaluated {
            rule: activation.rule.clone(),
            version: activation.version,
            mode: activation.mode,
            outcome: Ok(Vec::new()),
            usage: Usage::default(),
            limits: RunLimits::of(&limits, 0),
            near_limits: Vec::new(),
            log: Log::default(),
        };
        let budget = match &activation.quarantine {
            Some(quarantine) => Err(quarantine.stop.clone()),
            None => within_budget(&limits, used),
        };
        match budget {
            Err(stop) => part.outcome = Err(stop),
            Ok(fuel) => match executor.execute(&rule, event, limits, fuel) {
                Ok(report) => {
                    quarantine(executor, quarantines, event, &rule, &report)?;
                    part.near_limits = report.near_limits();
                    (part.outcome, part.usage) = (report.outcome, report.usage);
                    (part.limits, part.log) = (report.limits, report.log);
                }
                Err(NotRun::Stopped(stop)) => {
                    part.limits.fuel = fuel;
                    part.outcome = Err(*stop);
                }
                Err(NotRun::Later(cause)) => return Err(cause),
                Err(NotRun::Again) => return Err("the run was given up".into()),
            },
        }
        used = used.saturating_add(part.usage.fuel);
        evaluated.push(part);
    }
    Ok(evaluated)
}

/// A rule that ends the processes that run it does so for events, too.
fn quarantine(
    executor: &Executor,
    quarantines: &Quarantines,
    event: &Event,
    rule: &ActiveRule,
    report: &RunReport,
) -> Result<(), String> {
    match &report.outcome {
        Err(stop) if stop.code == StopCode::CrashedWorker => {
            let put = quarantines.put(&event.tenant, rule, stop);
            let put = executor.runtime.block_on(put);
            put.map_err(|error| error.to_string())
        }
        _ => Ok(()),
    }
}

fn within_budget(limits: &Limits, used: u64) -> Result<u64, Stop> {
    match limits.cascade_fuel.saturating_sub(used) {
        0 => Err(Dimension::Fuel.stop(limits, used)),
        left => Ok(left.min(limits.fuel)),
    }
}
