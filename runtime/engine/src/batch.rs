//! Batches: what one worker is given at once.

use ringfence_governor::{BatchRoom, Costs, Dispatch, Needs, Scheduler};

use crate::job::Job;
use crate::registry::{Registry, TenantState};

/// How much a worker takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Takes {
    /// Runs in one batch, at most.
    pub(crate) at_once: usize,
    /// Workers that there are.
    pub(crate) workers: usize,
}

/// Pieces of work for one worker, one after the other.
pub(crate) type Work = Vec<Dispatch<Box<Job>>>;

/// What is to be run together: at most this worker's part of what is
/// ready, so that the others have theirs, and nothing that the rest would
/// wait for.
pub(crate) fn batch(
    scheduler: &mut Scheduler<Box<Job>>,
    costs: &Costs,
    registry: &Registry,
    takes: Takes,
) -> Work {
    let part = scheduler.ready().div_ceil(takes.workers.max(1));
    let mut room = BatchRoom::new(part.clamp(1, takes.at_once.max(1)));
    let mut batch = scheduler.begin_batch();
    let mut work = Work::new();
    loop {
        let mut expected = None;
        let next = scheduler.dispatch_into(&mut batch, |job| {
            let tenant = registry.get(&job.event.tenant);
            let tenant = tenant.as_ref();
            expected = tenant.map_or(Some(0), |tenant| expected_cost(costs, tenant, job));
            Needs {
                memory: tenant.map_or(0, |tenant| tenant.memory_of(job)),
                wanted: room.fits(expected),
            }
        });
        let Some(next) = next else {
            return work;
        };
        room.take(expected);
        work.push(next);
    }
}

/// What a job's next run is expected to cost; none if it is not known.
fn expected_cost(costs: &Costs, tenant: &TenantState, job: &Job) -> Option<u64> {
    match tenant.next_rule(job) {
        Some(rule) => costs.expected(&job.event.tenant, &rule.activation.rule),
        None => Some(0),
    }
}
