//! Workers: threads that take the next piece of work, run it and describe
//! what is to become durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use ringfence_governor::{ActiveRule, Dispatch, Ticket, Verdict};
use ringfence_model::{Draw, Execution, Limits, Stop};
use ringfence_store::{Decision, RunCommit, SkipReason};
use tokio::sync::mpsc::Sender;

use crate::clock::Clock;
use crate::executor::{Executor, NotRun};
use crate::job::Job;
use crate::queue::{Queue, Released};
use crate::registry::Registry;
use crate::step::{self, Step};
use crate::unsaved::{self, Kept, Stale};

/// How often a run is repeated because something that it recalled changed.
/// Each time, another run of the rule was done meanwhile; with a few workers,
/// to lose so often in a row takes ill will.
const CONFLICTS_MAX: u32 = 64;

/// How long a run waits when the store did not answer.
const RETRY: Duration = Duration::from_millis(250);

/// What came of the turn of one rule.
enum Attempt {
    /// It was run.
    Ran(Arc<Execution>),
    /// It was not, and that is decided.
    Decided(Decision),
    /// It was not, because the cascade's budget is used up.
    Exhausted(Stop),
    /// It could not be run now.
    Later(String),
}

/// What a worker thread works with.
pub(crate) struct Worker {
    pub(crate) registry: Arc<Registry>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) executor: Arc<Executor>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) steps: Sender<(Step, RunCommit)>,
}

impl Worker {
    /// Works until the queue is closed. A panic is a mistake of ours: what it
    /// was about is run again at the next start, and the worker goes on.
    pub(crate) fn run(&self) {
        let work = || {
            while let Some(Dispatch { item, ticket }) = self.queue.next() {
                self.work(item, ticket);
            }
        };
        while catch_unwind(AssertUnwindSafe(work)).is_err() {
            tracing::error!("a worker panicked; what it held waits for the next start");
        }
    }

    fn work(&self, mut job: Box<Job>, ticket: Ticket) {
        let Some(tenant) = self.registry.get(&job.event.tenant) else {
            // Removed, and so are its events in the store.
            return self.drop_job(job, ticket);
        };
        if job.routes.is_none() {
            job.begin(tenant.rules.route(&job.event.ty));
        }
        while let Some(rule) = job.route() {
            let limits = tenant.limits.lowered(&rule.activation.limits);
            match self.attempt(&job, &rule, &limits) {
                Attempt::Ran(execution) => {
                    return self.commit(job, ticket, execution, &limits);
                }
                Attempt::Later(cause) => return self.postpone(job, ticket, &cause),
                Attempt::Decided(decision) => job.decide(decision),
                Attempt::Exhausted(stop) => {
                    // The budget is the cascade's, so it is used up for the
                    // event's other rules too.
                    while let Some(rule) = job.route() {
                        job.decide(step::not_run(&rule, stop.clone()));
                    }
                }
            }
        }
        self.finish(job, ticket);
    }

    /// Runs a rule, if nothing speaks against it.
    fn attempt(&self, job: &Job, rule: &ActiveRule, limits: &Limits) -> Attempt {
        let event = &*job.event;
        if !rule.takes(event.id) {
            return Attempt::Decided(step::skipped(rule, SkipReason::Percent));
        }
        if job.conflicts > CONFLICTS_MAX {
            return Attempt::Decided(step::not_run(rule, step::conflicts(job.conflicts)));
        }
        let (owner, cascade) = (&event.tenant, event.lineage.cascade);
        let verdict = self
            .queue
            .with(|state| state.cascades.admit(owner, cascade, limits));
        let fuel = match verdict {
            Verdict::Run { fuel } => fuel,
            Verdict::Stop(stop) => return Attempt::Exhausted(stop),
        };
        let started_us = self.clock.now_us();
        let not_run = match self.executor.execute(rule, event, limits, fuel) {
            Ok(report) => {
                return Attempt::Ran(Arc::new(step::record(rule, event, report, started_us)));
            }
            Err(not_run) => not_run,
        };
        let draw = Draw {
            executions: 1,
            ..Draw::default()
        };
        self.queue
            .with(|state| state.cascades.give_back(owner, cascade, &draw));
        match not_run {
            NotRun::Later(cause) => Attempt::Later(cause),
            NotRun::Stopped(stop) => Attempt::Decided(step::not_run(rule, *stop)),
        }
    }

    /// Hands a run's results to the committer.
    fn commit(
        &self,
        mut job: Box<Job>,
        mut ticket: Ticket,
        execution: Arc<Execution>,
        limits: &Limits,
    ) {
        let (fuel, share) = (execution.usage.fuel, execution.usage.share());
        if !unsaved::is_concerned(&execution) {
            let (step, commit) = self.step(job, ticket, execution, limits, Vec::new());
            return self.send(step, commit);
        }
        // A place in the channel comes first: sending must not wait while
        // the values are locked.
        let place = self.executor.runtime.block_on(self.steps.reserve());
        let Ok(place) = place else {
            return lost();
        };
        let unsaved = &self.executor.unsaved;
        let run = Arc::clone(&execution);
        let mut held = Some((job, ticket, execution));
        let sent = unsaved.send(&run, |kept| {
            if let Some((job, ticket, execution)) = held.take() {
                place.send(self.step(job, ticket, execution, limits, kept));
            }
        });
        if sent == Err(Stale)
            && let Some((again, claim, _)) = held
        {
            (job, ticket) = (again, claim);
            let draw = Draw {
                executions: 1,
                ..Draw::default()
            };
            let (owner, cascade) = (&run.tenant, run.lineage.cascade);
            self.queue.ran(&mut ticket, share, 0, |state| {
                state.cascades.used(owner, cascade, fuel);
                state.cascades.give_back(owner, cascade, &draw);
            });
            job.conflicted(fuel);
            let done = false;
            self.queue.release([Released { ticket, job, done }]);
        }
    }

    /// The run is over: its share is charged, its follow-up events are drawn
    /// on its cascade's budget.
    fn step(
        &self,
        job: Box<Job>,
        mut ticket: Ticket,
        execution: Arc<Execution>,
        limits: &Limits,
        kept: Vec<Kept>,
    ) -> (Step, RunCommit) {
        let completes = job.is_last();
        let (now_us, fuel) = (self.clock.now_us(), execution.usage.fuel);
        let share = execution.usage.share();
        let effects = execution.effects.len() as u64;
        let commit = self.queue.ran(&mut ticket, share, effects, |state| {
            let cascades = &mut state.cascades;
            cascades.used(&execution.tenant, execution.lineage.cascade, fuel);
            step::commit(&job, &execution, limits, cascades, now_us, completes)
        });
        let step = Step {
            job,
            ticket,
            execution: Some(execution),
            draw: commit.draw,
            state_bytes_max: commit.state_bytes_max,
            dead_letters: step::dead_letters(&commit),
            kept,
            completes,
        };
        (step, commit)
    }

    /// The event has nothing left to do.
    fn finish(&self, job: Box<Job>, mut ticket: Ticket) {
        self.queue.ran(&mut ticket, 0, 0, |_| ());
        let commit = step::without_run(&job, Some(self.clock.now_us()));
        let step = Step {
            job,
            ticket,
            execution: None,
            draw: commit.draw,
            state_bytes_max: commit.state_bytes_max,
            dead_letters: step::dead_letters(&commit),
            kept: Vec::new(),
            completes: true,
        };
        self.send(step, commit);
    }

    fn send(&self, step: Step, commit: RunCommit) {
        // Waits while the disk is behind.
        if self.steps.blocking_send((step, commit)).is_err() {
            lost();
        }
    }

    /// Tries the same run again after a while.
    fn postpone(&self, job: Box<Job>, mut ticket: Ticket, cause: &str) {
        tracing::error!(tenant = %job.event.tenant, event = %job.event.id, cause, "a run waits, because the store does not answer");
        self.queue.ran(&mut ticket, 0, 0, |_| ());
        let queue = Arc::clone(&self.queue);
        self.executor.runtime.spawn(async move {
            tokio::time::sleep(RETRY).await;
            let done = false;
            queue.release([Released { ticket, job, done }]);
        });
    }

    fn drop_job(&self, job: Box<Job>, mut ticket: Ticket) {
        self.queue.ran(&mut ticket, 0, 0, |_| ());
        let done = true;
        self.queue.release([Released { ticket, job, done }]);
    }
}

/// The committer is gone, which it never is before the workers. The work
/// waits in the store for the next start.
fn lost() {
    tracing::error!("results cannot be committed, because the committer has stopped");
}
