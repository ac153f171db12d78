//! What the simulated host's workers do.

use ringfence_governor::{BatchRoom, Dispatch, Needs, Verdict};
use ringfence_model::FUEL_PER_MICROSECOND;

use super::{Host, Job, Planned, SECOND_NS, Step};
use crate::load::OVERHEAD_US;

/// Runs in one batch.
const AT_ONCE: usize = 32;
/// What an event is charged for in its cascade, in bytes.
const EVENT_BYTES: u64 = 400;

impl Host {
    /// As the engine's workers take it.
    pub(super) fn give_work(&mut self) {
        for at in 0..self.workers.len() {
            if self.scheduler.ready() == 0 {
                return;
            }
            // What its cascade's budget does not allow is no work.
            while self.workers[at].work.is_empty() {
                let batch = self.batch(at);
                if batch.is_empty() {
                    break;
                }
                for next in batch {
                    self.plan(at, next);
                }
                self.begin_run(at);
            }
        }
    }

    fn batch(&mut self, worker: usize) -> Vec<Dispatch<Box<Job>>> {
        let part = self.scheduler.ready().div_ceil(self.config.workers);
        let mut room = BatchRoom::new(part.clamp(1, AT_ONCE));
        let mut batch = self.scheduler.begin_batch(self.config.lane(worker));
        let mut work: Vec<Dispatch<Box<Job>>> = Vec::new();
        loop {
            let mut expected = None;
            let next = self.scheduler.dispatch_into(&mut batch, |job| {
                let at = job.tenant as usize;
                let rule = &self.rules[job.rules_left as usize];
                expected = self.costs.expected(&self.ids[at], rule);
                let is_of_one = |other: &Dispatch<Box<Job>>| other.item.cascade == job.cascade;
                Needs {
                    memory: self.tenants[at].limits.memory_bytes,
                    expected,
                    wanted: room.fits(expected) && !work.iter().any(is_of_one),
                }
            });
            let Some(next) = next else {
                return work;
            };
            room.take(expected);
            work.push(next);
        }
    }

    /// Decides about a run, and gives it to a worker.
    fn plan(&mut self, worker: usize, next: Dispatch<Box<Job>>) {
        let Dispatch {
            item: mut job,
            ready_us,
            mut ticket,
        } = next;
        self.check_order(&job);
        let at = job.tenant as usize;
        let limits = &self.tenants[at].limits;
        match self
            .cascades
            .admit(&self.ids[at], job.cascade, None, limits)
        {
            Verdict::Run { fuel } => {
                let mean_us = self.tenants[at].runs.mean_us;
                let asks = mean_us.map_or(u64::MAX, |mean_us| {
                    (self.random.exponential(mean_us) * FUEL_PER_MICROSECOND as f64) as u64
                });
                let fuel = fuel.min(asks);
                self.workers[worker].work.push_back(Planned {
                    job,
                    ticket,
                    ready_us,
                    fuel,
                });
            }
            Verdict::Exhausted(_) => {
                self.scheduler.ran(&mut ticket, 0, 0);
                job.rules_left = 0;
                self.commit(Step {
                    job,
                    ticket,
                    completes: true,
                    follow_ups: Vec::new(),
                });
            }
        }
    }

    /// What is about one subject is done one after the other, in the order in
    /// which it was accepted.
    fn check_order(&mut self, job: &Job) {
        let Some(subject) = job.subject else { return };
        let begun = &mut self.of[job.tenant as usize].begun;
        let (latest, runs) = begun.entry(subject).or_default();
        if *runs || *latest > job.seq {
            self.report.out_of_order += 1;
        }
        (*latest, *runs) = (job.seq, true);
    }

    fn begin_run(&mut self, worker: usize) {
        let now_us = self.now_us();
        let worker = &mut self.workers[worker];
        let Some(Planned {
            job,
            ready_us,
            fuel,
            ..
        }) = worker.work.front()
        else {
            return;
        };
        let us = *fuel as f64 / FUEL_PER_MICROSECOND as f64 + OVERHEAD_US;
        worker.left_ns = us * 1e3;
        let of = &mut self.report.tenants[job.tenant as usize];
        of.waits_us.push(now_us - ready_us);
    }

    pub(super) fn end_run(&mut self, worker: usize) {
        let Some(planned) = self.workers[worker].work.pop_front() else {
            return;
        };
        let Planned {
            mut job,
            mut ticket,
            fuel,
            ..
        } = planned;
        let at = job.tenant as usize;
        let (id, limits) = (&self.ids[at], &self.tenants[at].limits);
        self.cascades.used(id, job.cascade, fuel);
        self.costs
            .ran(id, &self.rules[job.rules_left as usize], fuel);
        let mut follow_ups = Vec::new();
        for _ in 0..self.tenants[at].runs.follow_ups {
            let depth = job.depth + 1;
            let refused = self
                .cascades
                .follow_up(id, job.cascade, depth, EVENT_BYTES, limits);
            if refused.is_none() {
                follow_ups.push(self.job(job.tenant, job.subject, job.cascade, depth));
            }
        }
        let effects = follow_ups.len() as u64;
        self.scheduler.ran(&mut ticket, fuel, 0);
        let second = (self.now_ns / SECOND_NS) as usize;
        let of = &mut self.report.tenants[at];
        let took = fuel + (OVERHEAD_US as u64) * FUEL_PER_MICROSECOND;
        if let Some(of_second) = of.took.get_mut(second) {
            *of_second += took;
        }
        let now_us = self.now_ns / 1_000;
        if let Some(ran_us) = of.ran_us.replace(now_us) {
            of.gap_us = of.gap_us.max(now_us - ran_us);
        }
        of.runs += 1;
        of.follow_ups += effects;
        self.report.note([self.now_ns, at as u64, job.seq]);
        job.rules_left -= 1;
        let completes = job.rules_left == 0;
        self.commit(Step {
            job,
            ticket,
            completes,
            follow_ups,
        });
        self.begin_run(worker);
    }
}
