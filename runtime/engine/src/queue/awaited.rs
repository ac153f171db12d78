//! Evaluations among the work: somebody waits for each.

use std::sync::Arc;

use ringfence_governor::Ticket;
use ringfence_model::TenantId;

use super::Queue;
use crate::EngineError;
use crate::evaluation::{Asked, Evaluation};
use crate::piece::Piece;

impl Queue {
    /// Adds an evaluation.
    pub(crate) fn evaluate(
        &self,
        tenant: &TenantId,
        evaluation: Box<Evaluation>,
    ) -> Result<(), EngineError> {
        let now_us = self.clock.now_us();
        let state = &mut *self.state.lock();
        if state.closed {
            return Err(EngineError::Draining);
        }
        if state.scheduler.is_paused(tenant) {
            return Err(EngineError::Paused(Some(tenant.clone())));
        }
        let piece = Piece::Evaluation(evaluation);
        let pushed = state.scheduler.push_awaited(tenant, now_us, piece);
        pushed.map_err(|_| EngineError::NoTenant(tenant.clone()))?;
        self.wake_one(state);
        Ok(())
    }

    /// Nobody waits for an evaluation any more.
    pub(crate) fn withdraw(&self, tenant: &TenantId, asked: &Arc<Asked>) {
        let is_it = |piece: &Piece| piece.is_asked(asked);
        let withdrawn = {
            let state = &mut *self.state.lock();
            let withdrawn = state.scheduler.withdraw(tenant, is_it);
            if withdrawn.is_some() {
                // What is behind it may fit where it did not.
                self.wake_one(state);
            }
            withdrawn
        };
        // It is dropped without the lock.
        drop(withdrawn);
    }

    /// Lets an evaluation go on (`Some`: there is more to do) or go.
    /// It goes, too, where its tenant is paused.
    pub(crate) fn release_evaluation(&self, ticket: Ticket, again: Option<Box<Evaluation>>) {
        let now_us = self.clock.now_us();
        let dropped = {
            let state = &mut *self.state.lock();
            let scheduler = &state.scheduler;
            let is_off = again
                .as_ref()
                .is_some_and(|it| scheduler.is_paused(&it.event.tenant));
            let (again, dropped) = if state.closed || is_off {
                (None, again)
            } else {
                (again.map(Piece::Evaluation), None)
            };
            state.scheduler.release(ticket, again, now_us);
            self.wake_all(state);
            dropped
        };
        // Who waits for it is told, which is not for under the lock.
        drop(dropped);
    }
}
