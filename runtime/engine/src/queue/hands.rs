//! How work is handed to workers, and comes back.

use std::time::Duration;

use parking_lot::MutexGuard;
use ringfence_governor::{Lane, Ticket};

use super::{Queue, State};
use crate::batch::{Takes, Work, batch};
use crate::job::Job;
use crate::piece::Piece;

/// How often a worker without work looks around.
const IDLE: Duration = Duration::from_millis(50);

/// An event whose step is durable or must be repeated.
#[derive(Debug)]
pub(crate) struct Released {
    pub(crate) ticket: Ticket,
    pub(crate) job: Box<Job>,
    /// Whether the event has nothing left to do.
    pub(crate) done: bool,
}

impl Queue {
    /// Waits for work, and calls `idle` now and then while there is none. None
    /// when the queue is closed.
    pub(crate) fn next(&self, takes: Takes, idle: &mut dyn FnMut()) -> Option<Work> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            let State {
                scheduler, costs, ..
            } = &mut *state;
            let work = batch(scheduler, costs, &self.registry, takes);
            if !work.is_empty() {
                state.running += work.len() as u64;
                let now_us = self.clock.now_us();
                state.dispatched(&work, now_us);
                self.wake_express(&state);
                return Some(work);
            }
            let more = match takes.lane {
                Lane::Worker { .. } => &self.work,
                Lane::Express { .. } => &self.express,
            };
            if more.wait_for(&mut state, IDLE).timed_out() {
                MutexGuard::unlocked(&mut state, &mut *idle);
            }
        }
    }

    /// There may be work for one more worker.
    pub(super) fn wake_one(&self, state: &State) {
        self.work.notify_one();
        self.wake_express(state);
    }

    /// There may be work for all workers.
    pub(super) fn wake_all(&self, state: &State) {
        self.work.notify_all();
        self.wake_express(state);
    }

    /// An express lane sleeps while workers can do all.
    fn wake_express(&self, state: &State) {
        if state.scheduler.is_express(self.workers) {
            self.express.notify_one();
        }
    }

    /// The run that had this ticket used this much fuel, and so much of the disk
    /// ([`Queue::disk`]); then decides further under the same lock.
    pub(crate) fn ran<R>(
        &self,
        ticket: &mut Ticket,
        fuel: u64,
        disk: u64,
        decide: impl FnOnce(&mut State) -> R,
    ) -> R {
        let state = &mut *self.state.lock();
        state.running -= 1;
        state.scheduler.ran(ticket, fuel, disk);
        // A tenant at its bound of concurrent runs may have one again.
        self.wake_one(state);
        decide(state)
    }

    /// Lets events go on (`Some`: there is more to do) or go.
    pub(crate) fn release(&self, released: impl IntoIterator<Item = Released>) {
        let now_us = self.clock.now_us();
        let state = &mut *self.state.lock();
        for Released { ticket, job, done } in released {
            let tenant = job.event.tenant.clone();
            let window = state.windows.get(&tenant);
            let is_gone = window.is_none_or(|window| window.lifetime != job.window);
            if done || is_gone {
                state.scheduler.release(ticket, None, now_us);
                state.unload(&tenant, &job, now_us);
                if let Some(window) = state.windows.get_mut(&tenant) {
                    window.ask_for_page(&self.pages, self.bounds, &tenant, &state.space);
                }
            } else {
                state
                    .scheduler
                    .release(ticket, Some(Piece::Event(job)), now_us);
            }
        }
        self.wake_all(state);
    }
}
