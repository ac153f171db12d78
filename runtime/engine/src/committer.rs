//! The committer: makes many steps durable at once, and lets the events go
//! on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringfence_governor::{Pace, RoundRobin};
use ringfence_model::Draw;
use ringfence_store::{CommitOutcome, RunCommit, Store};
use tokio::sync::mpsc::Receiver;

use crate::causes::Causes;
use crate::clock::Clock;
use crate::job::Stages;
use crate::observer::{EventDone, Observer};
use crate::quarantine::Quarantines;
use crate::queue::{Queue, Released};
use crate::registry::Registry;
use crate::step::{self, Step};
use crate::unsaved::Unsaved;
use crate::vitals::{Counted, Vitals};

/// Steps taken out of their channel; more wait in it, and stop the workers when
/// it is full.
const TAKEN_MAX: usize = 512;

/// How long to wait after the store failed.
const RETRY: Duration = Duration::from_millis(500);

pub(crate) struct Committer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) quarantines: Arc<Quarantines>,
    pub(crate) unsaved: Arc<Unsaved>,
    pub(crate) causes: Arc<Causes>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn Observer>,
}

type Steps = Vec<(Step, RunCommit)>;

impl Committer {
    /// Commits until the last sender is gone. Who comes during a commit waits for
    /// it and for the next, so it is as short as still shares the cost of a
    /// sync; and tenants take turns, so that nobody waits for all that another
    /// has on this way.
    pub(crate) async fn run(self, mut steps: Receiver<(Step, RunCommit)>) {
        let (mut turns, mut pace) = (RoundRobin::default(), Pace::default());
        let mut arrived = Vec::new();
        loop {
            if turns.is_empty() && steps.recv_many(&mut arrived, TAKEN_MAX).await == 0 {
                return;
            }
            while turns.len() + arrived.len() < TAKEN_MAX
                && let Ok(step) = steps.try_recv()
            {
                arrived.push(step);
            }
            for (step, commit) in arrived.drain(..) {
                let tenant = step.job.event.tenant.clone();
                turns.push(&tenant, (step, commit));
            }
            let next = std::iter::from_fn(|| turns.pop());
            let mut batch: Steps = next.take(pace.at_once()).collect();
            let (count, begun_us) = (batch.len(), self.clock.now_us());
            while !batch.is_empty() {
                batch = self.commit(batch).await;
            }
            let took_us = self.clock.now_us().saturating_sub(begun_us);
            self.queue.keep_pace(&mut pace, count, took_us);
        }
    }

    /// Commits steps; answers those that must be committed in another form.
    async fn commit(&self, steps: Steps) -> Steps {
        let (steps, commits): (Vec<Step>, Vec<RunCommit>) = steps.into_iter().unzip();
        let outcomes = match self.store.commit(commits).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                tracing::error!(%error, steps = steps.len(), "results cannot be made durable; their runs will be repeated");
                tokio::time::sleep(RETRY).await;
                self.repeat(steps);
                return Vec::new();
            }
        };
        let durable_us = self.clock.now_us();
        let mut released = Vec::with_capacity(steps.len());
        let mut again = Vec::new();
        // Once for all of them.
        let mut vitals = self.vitals.lock();
        for (step, outcome) in steps.into_iter().zip(outcomes) {
            match outcome {
                CommitOutcome::Committed => {
                    released.push(self.committed(step, durable_us, &mut vitals));
                }
                CommitOutcome::Repeated if step.completes && step.execution.is_some() => {
                    again.push(self.complete(step));
                }
                CommitOutcome::Repeated => released.push(self.repeated(step)),
                CommitOutcome::Conflict { .. } => {
                    if let Some(run) = &step.execution {
                        let took = run.usage.share();
                        vitals.tallies.took(&run.tenant, took, durable_us);
                    }
                    released.push(self.conflict(step));
                }
                CommitOutcome::StateTooLarge { bytes } => {
                    again.push(self.state_too_large(step, bytes));
                }
            }
        }
        drop(vitals);
        self.release(released);
        again
    }

    fn committed(&self, mut step: Step, durable_us: u64, vitals: &mut Counted) -> Released {
        let event = &step.job.event;
        if let Some(execution) = &step.execution {
            // First, because the host application may take its actions now.
            self.causes.committed(event, execution, durable_us);
            let kept = std::mem::take(&mut step.kept);
            self.unsaved.saved(&event.tenant, &execution.rule, kept);
            vitals.committed(&self.registry, execution, durable_us);
            let (usage, queued_us) = (&execution.usage, step.job.stages.queued_us());
            vitals
                .tallies
                .ran(&event.tenant, usage, queued_us, durable_us);
            self.observer.queued(queued_us);
            let stop = execution.stop.as_ref().map(|stop| stop.code);
            self.observer
                .executed(&event.tenant, &execution.rule, &execution.usage, stop);
        }
        for code in step.dead_letters.drain(..) {
            self.observer.dead_lettered(&event.tenant, code);
        }
        self.settle(&step);
        // One that sleeps waits on.
        if step.completes && step.job.parks.is_empty() {
            self.observer.done(&EventDone {
                tenant: &event.tenant,
                event: event.id,
                depth: event.lineage.depth,
                accepted_us: event.accepted_us,
                durable_us,
            });
            if event.lineage.depth == 0 {
                let (tenant, accepted_us) = (&event.tenant, event.accepted_us);
                let Stages {
                    ready_us,
                    taken_us,
                    ran_us,
                } = step.job.stages;
                tracing::trace!(%tenant, event = %event.id, accepted_us, ready_us, taken_us, ran_us, durable_us, "an event is done");
            }
        }
        step.job.committed();
        step.released()
    }

    /// An event has had its turn at all rules: others need not wait for it, or
    /// it sleeps.
    fn settle(&self, step: &Step) {
        if !step.completes {
            return;
        }
        let (sleepers, job) = (&self.quarantines.sleepers, &step.job);
        for rule in &job.parks {
            sleepers.sleeps(&job.event, rule, job.seq, job.behind);
        }
        if job.slept {
            sleepers.through(&job.event, job.seq, &job.parks);
        }
    }

    /// It was committed before, or its event is gone.
    fn repeated(&self, mut step: Step) -> Released {
        self.settle(&step);
        self.forget(&mut step);
        self.give_back(&step, step.draw);
        step.job.committed();
        step.released()
    }

    /// It was committed before, and that its event is finished was not
    /// written.
    fn complete(&self, mut step: Step) -> (Step, RunCommit) {
        self.forget(&mut step);
        self.give_back(&step, step.draw);
        step.execution = None;
        step.job.undurable.clear();
        step.job.spent = 0;
        step.job.arrival = Draw::default();
        let commit = step::without_run(&step.job, Some(self.clock.now_us()));
        step.draw = commit.draw;
        step.dead_letters.clear();
        (step, commit)
    }

    /// Something that it recalled has changed: the run is repeated. Its fuel
    /// was used all the same.
    fn conflict(&self, mut step: Step) -> Released {
        let draw = Draw {
            fuel: 0,
            ..step.draw
        };
        self.give_back(&step, draw);
        self.forget(&mut step);
        let fuel = step.execution.as_ref().map_or(0, |run| run.usage.fuel);
        step.job.conflicted(fuel);
        step.completes = false;
        step.released()
    }

    /// The run becomes a stopped one, whose effects do not take place.
    fn state_too_large(&self, mut step: Step, bytes: u64) -> (Step, RunCommit) {
        self.forget(&mut step);
        let follow_ups = Draw {
            executions: 0,
            fuel: 0,
            ..step.draw
        };
        self.give_back(&step, follow_ups);
        let done_us = step.completes.then(|| self.clock.now_us());
        let commit = match step.execution.take() {
            Some(execution) => {
                let limit = step.state_bytes_max;
                let stopped = Arc::new(step::state_too_large(&execution, limit, bytes));
                let commit = step::of_run(&step.job, &stopped, done_us);
                step.execution = Some(stopped);
                commit
            }
            None => step::without_run(&step.job, done_us),
        };
        step.draw = commit.draw;
        step.dead_letters = step::dead_letters(&commit);
        (step, commit)
    }

    fn repeat(&self, steps: Vec<Step>) {
        let released = steps.into_iter().map(|mut step| {
            self.forget(&mut step);
            self.give_back(&step, step.draw);
            step.completes = false;
            step.released()
        });
        let released: Vec<Released> = released.collect();
        self.release(released);
    }

    fn release(&self, released: Vec<Released>) {
        let count = released.len() as u64;
        self.vitals.committing.fetch_sub(count, Ordering::Relaxed);
        self.queue.release(released);
    }

    /// What it remembers did not become durable.
    fn forget(&self, step: &mut Step) {
        let kept = std::mem::take(&mut step.kept);
        if let Some(execution) = &step.execution {
            self.unsaved
                .dropped(&execution.tenant, &execution.rule, kept);
        }
    }

    /// Gives back what a step drew, without what its event drew by arriving:
    /// that stays drawn as long as the event is in memory.
    fn give_back(&self, step: &Step, draw: Draw) {
        let (event, arrival) = (&step.job.event, &step.job.arrival);
        let draw = Draw {
            events: draw.events.saturating_sub(arrival.events),
            bytes: draw.bytes.saturating_sub(arrival.bytes),
            ..draw
        };
        let (tenant, cascade) = (&event.tenant, event.lineage.cascade);
        self.queue
            .with(|state| state.cascades.give_back(tenant, cascade, &draw));
    }
}

impl Step {
    fn released(self) -> Released {
        Released {
            ticket: self.ticket,
            job: self.job,
            done: self.completes,
        }
    }
}
