//! Workers: threads that take the next piece of work, run it and describe
//! what is to become durable.

mod results;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringfence_governor::{ActiveRule, Dispatch, Lane, Ticket, Verdict, revisit};
use ringfence_model::{Dimension, Draw, Event, Execution, Limits, Stop, StopCode, TenantId};
use ringfence_sandbox::Runner;
use ringfence_store::{Decision, RunCommit, SkipReason};
use tokio::sync::mpsc::Sender;

use crate::batch::{Takes, Work};
use crate::clock::Clock;
use crate::executor::{Executor, NotRun, Planned};
use crate::interrupts::{Desk, Interrupts};
use crate::job::{Job, Stages};
use crate::loops::Loops;
use crate::observer::Observer;
use crate::piece::Piece;
use crate::quarantine::{Held, Quarantines};
use crate::queue::{Queue, Released};
use crate::registry::{Registry, TenantState};
use crate::step::{self, Step};
use crate::unsaved::{self, Kept, Stale};
use crate::vitals::Vitals;
use results::Batch;

/// How often a run is repeated because something that it recalled changed.
/// Each time, another run of the rule was done meanwhile; with a few workers,
/// to lose so often in a row takes ill will.
const CONFLICTS_MAX: u32 = 64;

/// How long a run waits when the store did not answer.
const RETRY: Duration = Duration::from_millis(250);

/// What came of the turn of one rule.
enum Attempt {
    /// It is to be run.
    Planned(Planned),
    /// It is not, and that is decided.
    Decided(Decision),
    /// It is in quarantine or paused, or takes others first; the event sleeps
    /// for it.
    Parked {
        /// The last of these.
        behind: bool,
    },
    /// It is not, because the cascade's budget of this is used up.
    Exhausted(Dimension, Limits),
    /// It cannot be run now.
    Later(String),
}

/// What a worker thread works with.
pub(crate) struct Worker {
    /// Workers that there are, without express lanes.
    pub(crate) workers: u32,
    /// Which one it is.
    pub(crate) lane: Lane,
    pub(crate) quarantines: Arc<Quarantines>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) executor: Arc<Executor>,
    pub(crate) loops: Loops,
    pub(crate) interrupts: Arc<Interrupts>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) steps: Sender<(Step, RunCommit)>,
}

impl Worker {
    /// Works until the queue is closed. A panic is a mistake of ours: what it
    /// was about is run again at the next start, and the worker goes on.
    pub(crate) fn run(&self, mut runner: Box<dyn Runner>) {
        let takes = Takes {
            at_once: runner.at_once(),
            workers: self.workers,
            lane: self.lane,
        };
        let desk = self.interrupts.desk(runner.interrupter());
        let work = |runner: &mut dyn Runner| {
            loop {
                let times = self.interrupts.times();
                let Some(work) = self.queue.next(takes, &mut || runner.tend()) else {
                    return;
                };
                self.work(runner, &desk, work, times);
            }
        };
        while catch_unwind(AssertUnwindSafe(|| work(&mut *runner))).is_err() {
            tracing::error!("a worker panicked; what it held waits for the next start");
        }
    }

    /// Makes the next run of each piece. Before it was taken, runs had been
    /// ended so many times.
    fn work(&self, runner: &mut dyn Runner, desk: &Desk, work: Work, times: u64) {
        let mut planned = Vec::with_capacity(work.len());
        let mut held = Vec::with_capacity(work.len());
        let taken_us = self.clock.now_us();
        for next in work {
            let Dispatch {
                item,
                ready_us,
                ticket,
            } = next;
            let plan = match item {
                Piece::Event(mut job) => {
                    job.stages = Stages {
                        ready_us,
                        taken_us,
                        ran_us: taken_us,
                    };
                    self.plan(job, ticket)
                        .map(|(plan, job, ticket)| (plan, Piece::Event(job), ticket))
                }
                Piece::Evaluation(evaluation) => self
                    .plan_evaluation(evaluation, ticket)
                    .map(|(plan, it, ticket)| (plan, Piece::Evaluation(it), ticket)),
            };
            if let Some((plan, piece, ticket)) = plan {
                planned.push(plan);
                held.push(Some((piece, ticket)));
            }
        }
        let tasks: Vec<_> = planned.iter().map(Planned::task).collect();
        let begun_us = self.clock.now_us();
        let mut batch = Batch {
            worker: self,
            planned: &planned,
            desk,
            held,
            begun_us,
        };
        if !tasks.is_empty() {
            desk.begin(batch.under_way());
            if self.interrupts.times() != times {
                batch.end_what_is_off();
            }
            runner.run(&tasks, &mut batch);
        }
        drop(batch);
        // An express lane is beside workers that are at work.
        if let Lane::Worker { .. } = self.lane {
            let busy_us = self.clock.now_us().saturating_sub(taken_us);
            self.vitals.busy.add(busy_us);
        }
    }

    /// Finds the next rule to be run on an event, and decides about those
    /// before it.
    fn plan(&self, mut job: Box<Job>, ticket: Ticket) -> Option<(Planned, Box<Job>, Ticket)> {
        let Some(tenant) = self.registry.get(&job.event.tenant) else {
            // Removed, and so are its events in the store.
            self.drop_job(job, ticket);
            return None;
        };
        if job.routes.is_none() {
            job.begin(tenant.rules.route(&job.event.ty));
        }
        while let Some(rule) = job.route() {
            match self.attempt(&tenant, &job, &rule) {
                Attempt::Planned(planned) => return Some((planned, job, ticket)),
                Attempt::Later(cause) => {
                    self.postpone(job, ticket, &cause);
                    return None;
                }
                Attempt::Decided(decision) => job.decide(decision),
                Attempt::Parked { behind } => {
                    let rule = rule.activation.rule.clone();
                    let sleepers = &self.quarantines.sleepers;
                    sleepers.goes_to_sleep(&job.event, &rule, job.seq);
                    job.park(rule, behind);
                }
                Attempt::Exhausted(dimension, limits) => {
                    let stop = self.exhausted(&job.event, dimension, &limits);
                    // The budget is the cascade's, so it is used up for the
                    // event's other rules too.
                    while let Some(rule) = job.route() {
                        job.decide(step::not_run(&rule, stop.clone()));
                    }
                }
            }
        }
        self.finish(job, ticket);
        None
    }

    /// Gets a run ready, if nothing speaks against it.
    fn attempt(&self, tenant: &TenantState, job: &Job, rule: &Arc<ActiveRule>) -> Attempt {
        let event = &job.event;
        if !rule.takes(event.id) {
            return Attempt::Decided(step::skipped(rule, SkipReason::Percent));
        }
        let name = &rule.activation.rule;
        let Some(paused) = tenant.pause_of(name) else {
            return Attempt::Decided(step::skipped(rule, SkipReason::Deactivated));
        };
        if tenant.is_barred(rule) {
            return Attempt::Decided(step::skipped(rule, SkipReason::Quarantined));
        }
        let quarantine = tenant.quarantine_of(rule);
        let held = match (paused, quarantine) {
            (Some(_), _) => Some(self.quarantines.paused(&event.tenant, name)),
            (None, Some(quarantine)) => {
                let (activation, accepted_us) = (&rule.activation, event.accepted_us);
                let quarantines = &self.quarantines;
                Some(quarantines.held(&event.tenant, activation, quarantine, accepted_us))
            }
            (None, None) => None,
        };
        match held {
            None | Some(Held::Probe) => {}
            Some(Held::Park) => return Attempt::Parked { behind: false },
            Some(Held::Stopped(stop)) => return Attempt::Decided(step::not_run(rule, *stop)),
        }
        if self.quarantines.sleepers.is_behind(event, name, job.seq) {
            if held.is_some() {
                self.not_probed(event, rule);
            }
            return Attempt::Parked { behind: true };
        }
        let mut attempt = self.plan_run(tenant, job, rule);
        match (&mut attempt, quarantine) {
            (_, None) => {}
            (Attempt::Planned(planned), Some(_)) => planned.is_probe = true,
            (_, Some(_)) => self.not_probed(event, rule),
        }
        attempt
    }

    /// The same for a rule that is not in quarantine, or is probed.
    fn plan_run(&self, tenant: &TenantState, job: &Job, rule: &Arc<ActiveRule>) -> Attempt {
        let event = &job.event;
        if job.conflicts > CONFLICTS_MAX {
            return Attempt::Decided(step::not_run(rule, step::conflicts(job.conflicts)));
        }
        let limits = tenant.limits.lowered(&rule.activation.limits);
        let (owner, cascade) = (&event.tenant, event.lineage.cascade);
        let arrived = event.lineage.arrived();
        let verdict = self
            .queue
            .with(|state| state.cascades.admit(owner, cascade, arrived, &limits));
        let fuel = match verdict {
            Verdict::Run { fuel } => fuel,
            // Depth is the event's own; another rule may allow more of it.
            Verdict::Exhausted(Dimension::Depth) => {
                let stop = self.exhausted(event, Dimension::Depth, &limits);
                return Attempt::Decided(step::not_run(rule, stop));
            }
            Verdict::Exhausted(dimension) => return Attempt::Exhausted(dimension, limits),
        };
        let not_run = match self.executor.plan(rule, event, limits, fuel) {
            Ok(planned) => return Attempt::Planned(planned),
            Err(not_run) => not_run,
        };
        self.not_run(event);
        match not_run {
            NotRun::Again | NotRun::Interrupted(_) => Attempt::Later("the run was given up".into()),
            NotRun::Later(cause) => Attempt::Later(cause),
            NotRun::Stopped(stop) => Attempt::Decided(step::not_run(rule, *stop)),
        }
    }

    /// Why what is left of a cascade is not run.
    fn exhausted(&self, event: &Event, dimension: Dimension, limits: &Limits) -> Stop {
        let (owner, cascade) = (&event.tenant, event.lineage.cascade);
        self.loops.explain(owner, cascade, dimension);
        self.queue
            .with(|state| state.cascades.stop(owner, cascade, dimension, limits))
    }

    /// Gives back what was drawn for a run that did not take place.
    fn not_run(&self, event: &Event) {
        let draw = Draw {
            executions: 1,
            ..Draw::default()
        };
        let (owner, cascade) = (&event.tenant, event.lineage.cascade);
        self.queue
            .with(|state| state.cascades.give_back(owner, cascade, &draw));
    }

    fn not_probed(&self, event: &Event, rule: &ActiveRule) {
        self.quarantines
            .not_probed(&event.tenant, &rule.activation.rule);
    }

    /// What the verdicts on a run's cascade change about its record.
    fn judge(&self, rule: &ActiveRule, event: &Event, limits: &Limits, run: &mut Execution) {
        if revisit::is_judged(run) {
            let of_rule = rule.activation.loops;
            let policy = of_rule.or_else(|| {
                let tenant = self.registry.get(&event.tenant)?;
                Some(tenant.policy.loops)
            });
            self.loops
                .judge(rule, event, policy.unwrap_or_default(), run);
        }
        let is_of_cascade = |stop: &&Stop| stop.code == StopCode::CascadeFuel;
        if let Some(stop) = run.stop.as_ref().filter(is_of_cascade) {
            let backtrace = stop.backtrace.clone();
            run.stop = Some(Stop {
                backtrace,
                ..self.exhausted(event, Dimension::Fuel, limits)
            });
        }
    }

    /// A rule ended the processes that ran it.
    pub(crate) fn quarantine(&self, tenant: &TenantId, rule: &ActiveRule, stop: &Stop) {
        let put = self.quarantines.put(tenant, rule, stop);
        if let Err(error) = self.executor.runtime.block_on(put) {
            tracing::error!(%tenant, rule = %rule.activation.rule, %error, "a rule that should be in quarantine is not, because the store does not answer");
        }
    }

    /// What a run says about its rule: it may be quarantined, or be let out.
    fn ran(&self, rule: &ActiveRule, run: &Execution) {
        let Some(change) = self.quarantines.ran(rule, run) else {
            return;
        };
        let changed = self.quarantines.set(&run.tenant, rule, change);
        if let Err(error) = self.executor.runtime.block_on(changed) {
            tracing::error!(tenant = %run.tenant, rule = %run.rule, %error, "a rule's quarantine is not durable, because the store does not answer");
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
        self.loops
            .explain_follow_ups(&job.event, &execution, limits);
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
                self.vitals.committing.fetch_add(1, Ordering::Relaxed);
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
            let now_us = self.clock.now_us();
            self.queue.ran(&mut ticket, share, 0, |state| {
                state.cost((owner, &run.rule), (share, 0), now_us);
                state.cascades.used(owner, cascade, fuel);
                state.cascades.give_back(owner, cascade, &draw);
            });
            self.vitals.lock().tallies.took(owner, share, now_us);
            job.conflicted(fuel);
            let done = false;
            self.queue.release([Released { ticket, job, done }]);
        }
    }

    /// The run is over: its share is charged, its follow-up events are drawn
    /// on its cascade's budget.
    fn step(
        &self,
        mut job: Box<Job>,
        mut ticket: Ticket,
        execution: Arc<Execution>,
        limits: &Limits,
        kept: Vec<Kept>,
    ) -> (Step, RunCommit) {
        let completes = job.is_last();
        let (now_us, fuel) = (self.clock.now_us(), execution.usage.fuel);
        job.stages.ran_us = now_us;
        let share = execution.usage.share();
        let disk = self.queue.disk(step::disk_us(&execution));
        let commit = self.queue.ran(&mut ticket, share, disk, |state| {
            let of = (&execution.tenant, &execution.rule);
            state.cost(of, (share, disk), now_us);
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
        let disk = self.queue.disk(step::RUN_US);
        self.queue.ran(&mut ticket, 0, disk, |_| ());
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
        self.vitals.committing.fetch_add(1, Ordering::Relaxed);
        // Waits while the disk is behind.
        if self.steps.blocking_send((step, commit)).is_err() {
            lost();
        }
    }

    /// Tries the same run again after a while.
    fn postpone(&self, job: Box<Job>, mut ticket: Ticket, cause: &str) {
        tracing::error!(tenant = %job.event.tenant, event = %job.event.id, cause, "a run waits");
        ticket.postpone();
        self.queue.ran(&mut ticket, 0, 0, |_| ());
        let queue = Arc::clone(&self.queue);
        self.executor.runtime.spawn(async move {
            tokio::time::sleep(RETRY).await;
            let done = false;
            queue.release([Released { ticket, job, done }]);
        });
    }

    /// Looks at an event again, from its next rule on.
    fn again(&self, job: Box<Job>, mut ticket: Ticket) {
        self.queue.ran(&mut ticket, 0, 0, |_| ());
        let done = false;
        self.queue.release([Released { ticket, job, done }]);
    }

    /// A run was ended, after so much fuel: its tenant pays for that, its cascade
    /// does not. The event is where it was.
    fn interrupted(&self, job: Box<Job>, mut ticket: Ticket, fuel: u64) {
        self.queue.ran(&mut ticket, fuel, 0, |_| ());
        let done = false;
        self.queue.release([Released { ticket, job, done }]);
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
