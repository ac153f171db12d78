//! The one way from the loop into the sandbox.

use std::sync::Arc;

use ringfence_governor::ActiveRule;
use ringfence_model::{Dimension, Event, Json, Limits, RuleName, Stop, StopCode, TenantId};
use ringfence_sandbox::{
    PrepareError, Prepared, Recall, RecallError, Run, RunError, RunReport, Runners, Sandbox, Task,
};
use ringfence_store::Store;
use tokio::runtime::Handle;

use crate::step;
use crate::unsaved::Unsaved;

/// Makes versions ready and has them run. On a thread that may block, which
/// must not be one of tokio's.
pub(crate) struct Executor {
    pub(crate) sandbox: Sandbox,
    pub(crate) runners: Arc<dyn Runners>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) unsaved: Arc<Unsaved>,
    pub(crate) runtime: Handle,
}

/// Why a run did not take place.
#[derive(Debug)]
pub(crate) enum NotRun {
    /// The store or the host did not answer; the run is to be tried again.
    Later(String),
    /// It is to be looked at again, whether it is to take place.
    Again,
    /// It was to end, and has after so much fuel.
    Interrupted(u64),
    /// It will never take place.
    Stopped(Box<Stop>),
}

/// A run that is ready to be made.
pub(crate) struct Planned {
    pub(crate) rule: Arc<ActiveRule>,
    pub(crate) event: Arc<Event>,
    pub(crate) limits: Limits,
    /// Whether its rule's quarantine depends on it.
    pub(crate) is_probe: bool,
    fuel: u64,
    prepared: Prepared,
    recall: Arc<dyn Recall>,
}

impl Planned {
    /// As the sandbox is given it.
    pub(crate) fn task(&self) -> Task<'_> {
        Task {
            prepared: &self.prepared,
            run: Run {
                event: &self.event,
                tenant: &self.event.tenant,
                rule: &self.rule.activation.rule,
                config: &self.rule.activation.config,
                limits: &self.limits,
                fuel: self.fuel,
                recall: &self.recall,
            },
        }
    }

    /// What came of it.
    pub(crate) fn result(&self, result: Result<RunReport, RunError>) -> Result<RunReport, NotRun> {
        match result {
            Ok(mut report) => {
                if let Err(stop) = &mut report.outcome {
                    blame(stop, self.fuel, &self.limits);
                }
                Ok(report)
            }
            Err(RunError::Crashed(crash)) => Ok(crash.report(&self.task().run)),
            Err(RunError::Recall(error)) => Err(NotRun::Later(error.to_string())),
            Err(RunError::Unavailable(cause)) => Err(NotRun::Later(cause)),
            Err(RunError::Unwanted) => Err(NotRun::Again),
            Err(RunError::Interrupted { fuel }) => Err(NotRun::Interrupted(fuel)),
        }
    }
}

impl Executor {
    /// Gets a run of a rule on an event ready, with at most this much fuel.
    pub(crate) fn plan(
        &self,
        rule: &Arc<ActiveRule>,
        event: &Arc<Event>,
        limits: Limits,
        fuel: u64,
    ) -> Result<Planned, NotRun> {
        if let Some(stop) = step::input_too_large(event, &limits) {
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
            .prepare(version, &rule.manifest, &limits, &component)
            .map_err(not_prepared)?;
        let recall = Arc::new(Remembered {
            store: Arc::clone(&self.store),
            unsaved: Arc::clone(&self.unsaved),
            tenant: event.tenant.clone(),
            rule: rule.activation.rule.clone(),
        });
        Ok(Planned {
            rule: Arc::clone(rule),
            event: Arc::clone(event),
            limits,
            is_probe: false,
            fuel,
            prepared,
            recall,
        })
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
