//! The committer: hands steps to the store, and lets events go on when they are
//! durable.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use ringfence_model::Draw;
use ringfence_store::{CommitOutcome, RunCommit, Store, StoreError};
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

/// Results that the store has at one moment, at most; more wait in their channel,
/// and stop the workers when it is full. Fewer are under way as a rule, because work
/// waits before it is run.
const UNDER_WAY_MAX: usize = 512;

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

/// A step, and what the store answered.
type Answered = (Step, Result<CommitOutcome, StoreError>);

impl Committer {
    /// Commits until the last sender is gone. Each result goes to the store at
    /// once, where it shares the next transaction with what else has come; and
    /// tenants take turns there, so that nobody waits for all that another has on
    /// this way.
    pub(crate) async fn run(self, mut steps: Receiver<(Step, RunCommit)>) {
        let mut under_way = FuturesUnordered::new();
        let mut arrived = Vec::new();
        let mut is_open = true;
        while is_open || !under_way.is_empty() {
            let room = UNDER_WAY_MAX.saturating_sub(under_way.len());
            tokio::select! {
                Some(first) = under_way.next() => {
                    let mut answered = vec![first];
                    // Those of one transaction are answered together.
                    while let Some(Some(next)) = under_way.next().now_or_never() {
                        answered.push(next);
                    }
                    let again = self.answered(answered);
                    under_way.extend(again.into_iter().map(|it| self.commit(it)));
                }
                count = steps.recv_many(&mut arrived, room), if is_open && room > 0 => {
                    is_open = count > 0;
                    under_way.extend(arrived.drain(..).map(|it| self.commit(it)));
                }
            }
        }
    }

    /// Commits a step. Its request is sent when this is polled first, and then all of
    /// it: tokio would have those that one task polls beyond a number wait, and turn
    /// their order.
    fn commit(&self, it: (Step, RunCommit)) -> impl Future<Output = Answered> {
        tokio::task::unconstrained(self.commit_step(it))
    }

    async fn commit_step(&self, (mut step, commit): (Step, RunCommit)) -> Answered {
        let outcome = self.store.commit(vec![commit]).await.and_then(only);
        if outcome.is_err() {
            // At once, so that nobody builds on it while this waits.
            self.forget(&mut step);
            self.give_back(&step, step.draw);
            tokio::time::sleep(RETRY).await;
        }
        (step, outcome)
    }

    /// Lets events go on whose steps are committed; answers the steps that must
    /// be committed in another form.
    fn answered(&self, answered: Vec<Answered>) -> Vec<(Step, RunCommit)> {
        let durable_us = self.clock.now_us();
        let mut released = Vec::with_capacity(answered.len());
        let (mut failed, mut again) = (Vec::new(), Vec::new());
        let mut cause = None;
        // Once for all of them.
        let mut vitals = self.vitals.lock();
        for (step, outcome) in answered {
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(error) => {
                    cause = Some(error);
                    failed.push(step);
                    continue;
                }
            };
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
        if let Some(error) = cause {
            tracing::error!(%error, steps = failed.len(), "results cannot be made durable; their runs will be repeated");
            released.extend(failed.into_iter().map(|mut step| {
                step.completes = false;
                step.released()
            }));
        }
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

/// The outcome of the only commit that there was.
fn only(mut outcomes: Vec<CommitOutcome>) -> Result<CommitOutcome, StoreError> {
    outcomes.pop().ok_or_else(|| StoreError::Storage {
        doing: "committing a run",
        cause: "the store answered nothing".into(),
    })
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
