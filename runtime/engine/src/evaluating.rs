//! What workers do with evaluations. Each run of one is a turn of its own, so
//! a long evaluation keeps nobody from a worker for longer than one run.

use std::sync::Arc;

use ringfence_governor::Ticket;
use ringfence_model::{RuleName, RunLimits, Stop, StopCode};
use ringfence_sandbox::{RunError, RunReport};

use crate::evaluation::Evaluation;
use crate::executor::{NotRun, Planned};
use crate::registry::TenantState;
use crate::worker::Worker;

impl Worker {
    /// Finds the next rule to be run for an evaluation, and decides about
    /// those before it.
    pub(crate) fn plan_evaluation(
        &self,
        mut evaluation: Box<Evaluation>,
        ticket: Ticket,
    ) -> Option<(Planned, Box<Evaluation>, Ticket)> {
        let Some(tenant) = self.registry.get(&evaluation.event.tenant) else {
            self.leave(ticket);
            return None;
        };
        if !evaluation.is_wanted(self.clock.now_us()) {
            self.leave(ticket);
            return None;
        }
        while let Some(rule) = evaluation.left().first().cloned() {
            let limits = tenant.limits.lowered(&rule.activation.limits);
            let none = RunLimits::of(&limits, 0);
            if let Some(stop) = off(&tenant, &rule.activation.rule) {
                evaluation.stopped(&rule, stop, none);
                continue;
            }
            if let Some(quarantine) = tenant.quarantine_of(&rule) {
                evaluation.stopped(&rule, quarantine.stop.clone(), none);
                continue;
            }
            let fuel = match evaluation.budget(&limits) {
                Ok(fuel) => fuel,
                Err(stop) => {
                    evaluation.stopped(&rule, stop, none);
                    continue;
                }
            };
            let might_use = RunLimits::of(&limits, fuel);
            let planned = self.executor.plan(&rule, &evaluation.event, limits, fuel);
            match planned {
                Ok(planned) => {
                    evaluation.begin();
                    return Some((planned, evaluation, ticket));
                }
                Err(NotRun::Stopped(stop)) => evaluation.stopped(&rule, *stop, might_use),
                Err(NotRun::Later(cause)) => {
                    self.give_up(*evaluation, ticket, cause);
                    return None;
                }
                Err(NotRun::Again | NotRun::Interrupted(_)) => {
                    self.go_on(evaluation, ticket, 0);
                    return None;
                }
            }
        }
        self.leave(ticket);
        evaluation.finish();
        None
    }

    /// A run for an evaluation ended, or did not take place.
    pub(crate) fn evaluated(
        &self,
        planned: &Planned,
        mut evaluation: Box<Evaluation>,
        mut ticket: Ticket,
        result: Result<RunReport, RunError>,
    ) {
        let (rule, event) = (&planned.rule, Arc::clone(&evaluation.event));
        let has_crashed = matches!(result, Err(RunError::Crashed(_)));
        match planned.result(result) {
            Ok(report) => {
                if let Err(stop) = &report.outcome
                    && has_crashed
                {
                    self.quarantine(&event.tenant, rule, stop);
                }
                let stop = report.outcome.as_ref().err().map(|stop| stop.code);
                self.observer.evaluated(&event.tenant, &report.usage, stop);
                let share = report.usage.share();
                let now_us = self.clock.now_us();
                self.queue.ran(&mut ticket, share, 0, |state| {
                    state.cost((&event.tenant, &rule.activation.rule), (share, 0), now_us);
                });
                let mut vitals = self.vitals.lock();
                vitals.tallies.took(&event.tenant, share, now_us);
                drop(vitals);
                evaluation.ran(rule, report);
                if evaluation.left().is_empty() {
                    self.queue.release_evaluation(ticket, None);
                    evaluation.finish();
                } else {
                    let is_wanted = evaluation.is_wanted(self.clock.now_us());
                    let again = is_wanted.then_some(evaluation);
                    self.queue.release_evaluation(ticket, again);
                }
            }
            Err(NotRun::Stopped(stop)) => {
                let none = RunLimits::of(&planned.limits, 0);
                evaluation.stopped(rule, *stop, none);
                self.go_on(evaluation, ticket, 0);
            }
            Err(NotRun::Again) => self.go_on(evaluation, ticket, 0),
            Err(NotRun::Interrupted(fuel)) => self.go_on(evaluation, ticket, fuel),
            Err(NotRun::Later(cause)) => self.give_up(*evaluation, ticket, cause),
        }
    }

    /// Looks at an evaluation again, from its next rule on, after this much fuel
    /// of which nothing came.
    fn go_on(&self, evaluation: Box<Evaluation>, mut ticket: Ticket, fuel: u64) {
        evaluation.not_run();
        self.queue.ran(&mut ticket, fuel, 0, |_| ());
        let is_wanted = evaluation.is_wanted(self.clock.now_us());
        let again = is_wanted.then_some(evaluation);
        self.queue.release_evaluation(ticket, again);
    }

    /// The host cannot do it; who asked may ask again.
    pub(crate) fn give_up(&self, evaluation: Evaluation, ticket: Ticket, cause: String) {
        self.leave(ticket);
        evaluation.fail(cause);
    }

    fn leave(&self, mut ticket: Ticket) {
        self.queue.ran(&mut ticket, 0, 0, |_| ());
        self.queue.release_evaluation(ticket, None);
    }
}

/// Why a rule is not run for who asks: it is paused, or was taken out of force.
fn off(tenant: &TenantState, rule: &RuleName) -> Option<Stop> {
    let stop = |message| Stop::new(StopCode::Paused, message);
    match tenant.pause_of(rule) {
        Some(None) => None,
        Some(Some(_)) => {
            let stop = stop(format!("`{rule}` is paused and was not run."));
            Some(stop.hint("Resume the rule and ask again."))
        }
        None => Some(stop(format!(
            "`{rule}` is not in force any more and was not run."
        ))),
    }
}
