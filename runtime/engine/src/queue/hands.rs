//! How work is handed to workers, and comes back.

use std::time::Duration;

use parking_lot::MutexGuard;
use ringfence_governor::{Headroom, Lane, Ticket};

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
        let mut is_timed_out = false;
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
                self.wake_for_cheap(&state);
                return Some(work);
            }
            // Not before it has looked: what came just now may have been for it.
            if std::mem::take(&mut is_timed_out) {
                MutexGuard::unlocked(&mut state, &mut *idle);
                continue;
            }
            is_timed_out = match takes.lane {
                Lane::Worker { .. } => self.work.wait_for(&mut state, IDLE).timed_out(),
                Lane::Express { .. } => {
                    state.express_waiting += 1;
                    let waited = self.express.wait_for(&mut state, IDLE);
                    state.express_waiting -= 1;
                    waited.timed_out()
                }
            };
        }
    }

    /// How many large runs may be made at one moment.
    pub(crate) fn large_max(&self) -> u64 {
        let large_max = self.state.lock().scheduler.large_max() as u64;
        large_max.min(self.workers.into())
    }

    /// Leaves the server those of so many cores that it needs, after it has used so
    /// much CPU time.
    pub(crate) fn leave(&self, headroom: &mut Headroom, cpu_us: u64, cores: u32, now_us: u64) {
        let large_max = headroom.large_max(cpu_us, (self.workers, cores), now_us);
        let state = &mut *self.state.lock();
        if state.scheduler.set_large_max(large_max) {
            self.wake_all(state);
        }
    }

    /// There may be work for one more worker.
    pub(super) fn wake_one(&self, state: &State) {
        if !self.wake_for_cheap(state) {
            self.work.notify_one();
        }
    }

    /// There may be work for all workers.
    pub(super) fn wake_all(&self, state: &State) {
        if !self.wake_for_cheap(state) {
            self.work.notify_all();
        }
    }

    /// While workers may take cheap work only, or are all at work, an express lane
    /// takes it; a worker helps where none is free. Answers whether that is so.
    fn wake_for_cheap(&self, state: &State) -> bool {
        let is_express = state.scheduler.is_express(self.workers);
        if is_express && state.express_waiting > 0 {
            self.express.notify_one();
        } else if is_express {
            self.work.notify_one();
        }
        is_express
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
