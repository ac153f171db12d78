//! Evaluation: what a tenant's rules would do with an event, now.
//!
//! Somebody waits for the answer, and nothing else comes of it. It is work of
//! its tenant like its events: of the same share, and done by the same
//! workers. See [`crate::evaluating`] for their part.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use ringfence_governor::Places;
use ringfence_model::{Event, TenantId};
use ringfence_store::StoreError;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::engine::check;
use crate::evaluation::{Answer, Asked, Evaluated, Evaluation};
use crate::interrupts::{Interrupts, Which};
use crate::queue::Queue;
use crate::{Engine, EngineError};

const MICROS_PER_MILLISECOND: u64 = 1_000;

/// The place of an evaluation, from before its event is read until it is
/// answered. Given back when this is dropped.
#[derive(Debug)]
pub struct EvaluationPlace {
    places: Arc<Mutex<Places>>,
    tenant: TenantId,
}

impl Drop for EvaluationPlace {
    fn drop(&mut self) {
        self.places.lock().leave(&self.tenant);
    }
}

/// Somebody waits for an evaluation. When this is dropped, nobody does: what
/// waits is withdrawn, and its run that is under way is ended.
struct Waiting {
    queue: Arc<Queue>,
    interrupts: Arc<Interrupts>,
    tenant: TenantId,
    asked: Arc<Asked>,
    answered: bool,
}

impl Waiting {
    /// An error says that there will be no answer.
    async fn answer(
        &mut self,
        answered: oneshot::Receiver<Answer>,
    ) -> Result<Answer, oneshot::error::RecvError> {
        let answer = answered.await;
        self.answered = true;
        answer
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.answered {
            self.asked.cancel();
            self.queue.withdraw(&self.tenant, &self.asked);
            let of_it = Which::Evaluation(&self.asked);
            // Nobody waits for its end.
            drop(self.interrupts.start(of_it));
        }
    }
}

impl Engine {
    /// Gives an evaluation a place, or refuses it: at once, so that who is
    /// refused costs next to nothing. To be asked before its event is read.
    pub fn evaluation_place(&self, tenant: &TenantId) -> Result<EvaluationPlace, EngineError> {
        let limit = self.of_running(tenant)?.limits.evaluations_waiting;
        self.refuse_if_paused(tenant)?;
        self.admits_work(tenant)?;
        let places = Arc::clone(&self.inner.evaluations);
        let entered = places.lock().enter(tenant, limit);
        entered.map_err(EngineError::EvaluationsWaiting)?;
        Ok(EvaluationPlace {
            places,
            tenant: tenant.clone(),
        })
    }

    /// Runs the matching rules on an event and answers what they would do, in
    /// the order of their names, within the tenant's `evaluate_ms`. Nothing is
    /// kept. Dropping it ends it: what has not begun is not run.
    pub async fn evaluate(
        &self,
        place: EvaluationPlace,
        event: Event,
    ) -> Result<Vec<Evaluated>, EngineError> {
        let tenant = &place.tenant;
        let state = self.inner.registry.get(tenant);
        let state = state.ok_or_else(|| EngineError::NoTenant(tenant.clone()))?;
        check(0, &event, &state.limits)?;
        let mut rules = state.rules.route(&event.ty);
        rules.retain(|rule| rule.takes(event.id));
        if rules.is_empty() {
            return Ok(Vec::new());
        }
        let limit_ms = state.limits.evaluate_ms;
        drop(state);
        let (answer, answered) = oneshot::channel();
        let asked = Arc::new(Asked::new(rules));
        let until_us = self.clock().now_us() + limit_ms * MICROS_PER_MILLISECOND;
        let (event, of_work) = (Arc::new(event), Arc::clone(&asked));
        let evaluation = Box::new(Evaluation::new(event, of_work, until_us, answer));
        self.inner.queue.evaluate(tenant, evaluation)?;
        let mut waiting = Waiting {
            queue: Arc::clone(&self.inner.queue),
            interrupts: Arc::clone(&self.inner.interrupts),
            tenant: tenant.clone(),
            asked: Arc::clone(&asked),
            answered: false,
        };
        match timeout(Duration::from_millis(limit_ms), waiting.answer(answered)).await {
            Ok(Ok(answer)) => answer.map_err(failed),
            Ok(Err(_)) => Err(self.unanswered(tenant)),
            Err(_) => Err(EngineError::EvaluateDeadline {
                limit_ms,
                so_far: asked.so_far(),
            }),
        }
    }

    /// Why an evaluation was dropped while somebody waited for it.
    fn unanswered(&self, tenant: &TenantId) -> EngineError {
        if self.inner.draining.load(Ordering::Relaxed) {
            return EngineError::Draining;
        }
        if let Err(paused) = self.refuse_if_paused(tenant) {
            return paused;
        }
        match self.inner.registry.get(tenant) {
            None => EngineError::NoTenant(tenant.clone()),
            Some(_) => failed("it was given up".into()),
        }
    }
}

fn failed(cause: String) -> EngineError {
    EngineError::Store(StoreError::Storage {
        doing: "evaluating an event",
        cause,
    })
}
