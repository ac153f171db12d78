//! What becomes of the runs of a batch, as they end.

use std::sync::Arc;

use ringfence_governor::Ticket;
use ringfence_sandbox::{Progress, RunError, RunReport};

use super::Worker;
use crate::executor::{NotRun, Planned};
use crate::interrupts::{Desk, Ended, UnderWay};
use crate::piece::Piece;
use crate::step;

/// Takes the results of a batch.
pub(super) struct Batch<'a> {
    pub(super) worker: &'a Worker,
    pub(super) planned: &'a [Planned],
    pub(super) desk: &'a Desk,
    /// Until they are told.
    pub(super) held: Vec<Option<(Piece, Ticket)>>,
    pub(super) begun_us: u64,
}

/// After a panic: what was not told is given back, and tried again.
impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for (planned, held) in self.planned.iter().zip(&mut self.held) {
            let Some((piece, ticket)) = held.take() else {
                continue;
            };
            let cause = "its worker gave it up";
            let job = match piece {
                Piece::Event(job) => job,
                Piece::Evaluation(evaluation) => {
                    self.worker.give_up(*evaluation, ticket, cause.into());
                    continue;
                }
            };
            self.worker.not_run(&planned.event);
            if planned.is_probe {
                self.worker.not_probed(&planned.event, &planned.rule);
            }
            self.worker.postpone(job, ticket, cause);
        }
        self.desk.clear();
    }
}

impl Batch<'_> {
    /// The runs, for who may end them.
    pub(super) fn under_way(&self) -> impl Iterator<Item = UnderWay> {
        let runs = self.planned.iter().zip(&self.held);
        runs.map(|(planned, held)| UnderWay {
            event: Arc::clone(&planned.event),
            rule: Arc::clone(&planned.rule),
            asked: match held {
                Some((Piece::Evaluation(it), _)) => Some(Arc::clone(&it.asked)),
                Some((Piece::Event(_), _)) | None => None,
            },
        })
    }

    /// Something was to run no more while these were got ready.
    pub(super) fn end_what_is_off(&mut self) {
        for index in 0..self.planned.len() {
            if !self.is_wanted(index) {
                self.desk.end(index);
            }
        }
    }
}

impl Progress for Batch<'_> {
    fn ended(&mut self, index: usize, result: Result<RunReport, RunError>) {
        let ended = Ended::of(&result);
        let tell = |batch: &Self| batch.desk.ended(&batch.worker.interrupts, index, ended);
        if ended == Ended::default() {
            // It came to its own end. What becomes of that may take what who
            // waits for it holds.
            tell(self);
            return self.take(index, result);
        }
        self.desk.over(index);
        self.take(index, result);
        tell(self);
    }

    fn is_wanted(&mut self, index: usize) -> bool {
        let planned = &self.planned[index];
        if let Some(Some((Piece::Evaluation(evaluation), _))) = self.held.get(index)
            && !evaluation.is_wanted(self.worker.clock.now_us())
        {
            return false;
        }
        let registry = &self.worker.registry;
        !self.desk.is_to_end(index) && registry.runs(&planned.event.tenant, &planned.rule)
    }
}

impl Batch<'_> {
    /// What is done with a run that ended, or did not take place.
    fn take(&mut self, index: usize, result: Result<RunReport, RunError>) {
        let Some((piece, ticket)) = self.held[index].take() else {
            return;
        };
        let (worker, planned) = (self.worker, &self.planned[index]);
        let mut job = match piece {
            Piece::Event(job) => job,
            Piece::Evaluation(it) => return worker.evaluated(planned, it, ticket, result),
        };
        let (rule, event) = (&*planned.rule, &planned.event);
        let has_crashed = matches!(result, Err(RunError::Crashed(_)));
        let not_run = match planned.result(result) {
            Ok(report) => {
                if let Err(stop) = &report.outcome
                    && has_crashed
                {
                    worker.quarantine(&event.tenant, rule, stop);
                }
                let ended_us = worker.clock.now_us();
                let started_us = ended_us.saturating_sub(report.usage.wall_us);
                let started_us = started_us.max(self.begun_us);
                let mut execution = step::record(rule, event, report, started_us);
                worker.judge(rule, event, &planned.limits, &mut execution);
                worker.ran(rule, &execution);
                return worker.commit(job, ticket, Arc::new(execution), &planned.limits);
            }
            Err(not_run) => not_run,
        };
        worker.not_run(event);
        if planned.is_probe {
            worker.not_probed(event, rule);
        }
        match not_run {
            NotRun::Later(cause) => worker.postpone(job, ticket, &cause),
            NotRun::Again => worker.again(job, ticket),
            NotRun::Interrupted(fuel) => worker.interrupted(job, ticket, fuel),
            NotRun::Stopped(stop) => {
                job.decide(step::not_run(rule, *stop));
                worker.again(job, ticket);
            }
        }
    }
}
