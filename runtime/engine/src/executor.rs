//! The one way from the loop into the sandbox.

use std::sync::Arc;

use ringfence_governor::ActiveRule;
use ringfence_model::{Dimension, Event, Json, Limits, RuleName, Stop, StopCode, TenantId};
use ringfence_sandbox::{PrepareError, Recall, RecallError, Run, RunReport, Sandbox};
use ringfence_store::Store;
use tokio::runtime::Handle;

use crate::step;
use crate::unsaved::Unsaved;

/// Makes versions ready and runs them, on the calling thread, which must not
/// be one of tokio's.
pub(crate) struct Executor {
    pub(crate) sandbox: Sandbox,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) unsaved: Arc<Unsaved>,
    pub(crate) runtime: Handle,
}

/// Why a run did not take place.
#[derive(Debug)]
pub(crate) enum NotRun {
    /// The store did not answer; the run is to be tried again.
    Later(String),
    /// It will never take place.
    Stopped(Box<Stop>),
}

impl Executor {
    /// Runs a rule on an event with at most this much fuel.
    pub(crate) fn execute(
        &self,
        rule: &ActiveRule,
        event: &Event,
        limits: &Limits,
        fuel: u64,
    ) -> Result<RunReport, NotRun> {
        if let Some(stop) = step::input_too_large(event, limits) {
            return Err(NotRun::Stopped(Box::new(stop)));
        }
        let version = rule.activation.version;
        let component = || {
            let read = self.runtime.block_on(self.store.component(version));
            read.map(|bytes| bytes.map(|bytes| bytes.to_vec()))
                .map_err(|error| error.to_string())
        };
        let prepared = self
            .sandbox
            .prepare(version, &rule.manifest, limits, &component)
            .map_err(not_prepared)?;
        let recall: Arc<dyn Recall> = Arc::new(Remembered {
            store: Arc::clone(&self.store),
            unsaved: Arc::clone(&self.unsaved),
            tenant: event.tenant.clone(),
            rule: rule.activation.rule.clone(),
        });
        let run = Run {
            event,
            tenant: &event.tenant,
            rule: &rule.activation.rule,
            config: &rule.activation.config,
            limits,
            fuel,
            recall: &recall,
        };
        let mut report = self
            .sandbox
            .run(&prepared, &run)
            .map_err(|error| NotRun::Later(error.to_string()))?;
        if let Err(stop) = &mut report.outcome {
            blame(stop, fuel, limits);
        }
        Ok(report)
    }
}

/// A run that had less fuel than its rule may use, because its cascade had no
/// more left, was stopped by its cascade's budget and not by its own limit.
fn blame(stop: &mut Stop, fuel: u64, limits: &Limits) {
    if stop.code == StopCode::OutOfFuel && fuel < limits.fuel {
        *stop = Stop {
            backtrace: std::mem::take(&mut stop.backtrace),
            ..Dimension::Fuel.stop(limits, limits.cascade_fuel)
        };
    }
}

fn not_prepared(error: PrepareError) -> NotRun {
    match error {
        PrepareError::Unreadable(cause) => NotRun::Later(cause),
        PrepareError::Missing(_) | PrepareError::Refused { .. } => NotRun::Stopped(Box::new(
            Stop::new(
                StopCode::VersionUnavailable,
                format!("The rule was not run: {error}."),
            )
            .hint("Build the rule with a present SDK, upload it and activate the new version."),
        )),
    }
}

/// What a rule remembers: as committed, or as it will be.
struct Remembered {
    store: Arc<dyn Store>,
    unsaved: Arc<Unsaved>,
    tenant: TenantId,
    rule: RuleName,
}

impl Recall for Remembered {
    fn recall(&self, key: &str) -> Result<Option<Json>, RecallError> {
        if let Some(value) = self.unsaved.recall(&self.tenant, &self.rule, key) {
            return Ok(value);
        }
        self.store
            .recall(&self.tenant, &self.rule, key)
            .map_err(|error| RecallError(error.to_string()))
    }
}
