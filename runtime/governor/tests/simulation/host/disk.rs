//! What the simulated host's disk does: many steps become durable together.

use super::{Happening, Host, Step};
use crate::load::Sends;

/// What a commit takes, and how many steps are in one.
const COMMIT_NS: u64 = 1_000_000;
const COMMIT_MAX: usize = 512;

impl Host {
    pub(super) fn commit(&mut self, step: Step) {
        self.steps.push_back(step);
        self.begin_commit();
    }

    fn begin_commit(&mut self) {
        if self.committing.is_empty() && !self.steps.is_empty() {
            let steps = self.steps.len().min(COMMIT_MAX);
            self.committing = self.steps.drain(..steps).collect();
            self.plan_at(self.now_ns + COMMIT_NS, Happening::Committed);
        }
    }

    pub(super) fn committed(&mut self) {
        let mut steps = std::mem::take(&mut self.committing);
        for step in &mut steps {
            for follow_up in step.follow_ups.drain(..) {
                self.feed(follow_up);
            }
        }
        for step in steps {
            self.release(step);
        }
        self.begin_commit();
    }

    fn release(&mut self, step: Step) {
        let Step {
            job,
            ticket,
            completes,
            ..
        } = step;
        let (tenant, cascade) = (job.tenant, job.cascade);
        let of = &mut self.of[tenant as usize];
        if let Some(begun) = job.subject.and_then(|subject| of.begun.get_mut(&subject)) {
            begun.1 = false;
        }
        let now_us = self.now_us();
        if !completes {
            self.scheduler.release(ticket, Some(job), now_us);
            return;
        }
        self.scheduler.release(ticket, None, now_us);
        self.report.tenants[tenant as usize].done += 1;
        self.unload(tenant, cascade);
        let sends = self.tenants[tenant as usize].sends;
        if matches!(sends, Sends::Backlog(_)) && !self.closed {
            self.accept(tenant);
        }
    }
}
