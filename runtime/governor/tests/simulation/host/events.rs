//! How events come to the simulated host, and into its memory.

use ringfence_governor::Rate;
use ringfence_model::{EventId, Ledger};

use super::{BEGIN_US, Host, Job};
use crate::load::Sends;

impl Host {
    pub(super) fn send(&mut self, tenant: u32) {
        if self.closed {
            return;
        }
        if let Sends::PerSecond(rate) = self.tenants[tenant as usize].sends {
            self.send_later(tenant, rate);
        }
        let limits = &self.tenants[tenant as usize].limits;
        let rate = Rate {
            per_second: limits.events_per_second,
            burst: limits.events_burst,
        };
        let now_us = self.now_us();
        let of = &mut self.of[tenant as usize];
        let waiting = (of.in_memory + of.on_disk.len()) as u64;
        if waiting >= limits.waiting_events || of.limiter.admit(1, rate, now_us).is_err() {
            self.report.tenants[tenant as usize].refused += 1;
            return;
        }
        self.accept(tenant);
    }

    /// A root event is durable.
    pub(super) fn accept(&mut self, tenant: u32) {
        let subjects = self.tenants[tenant as usize].subjects;
        let subject = subjects.map(|subjects| self.random.below(subjects));
        let mut root = [0; 16];
        root[..8].copy_from_slice(&(self.seqs + 1).to_be_bytes());
        let job = self.job(tenant, subject, EventId::from_bytes(root), 0);
        self.report.tenants[tenant as usize].accepted += 1;
        self.feed(job);
    }

    pub(super) fn job(
        &self,
        tenant: u32,
        subject: Option<u64>,
        cascade: EventId,
        depth: u32,
    ) -> Box<Job> {
        Box::new(Job {
            seq: 0,
            tenant,
            subject,
            cascade,
            depth,
            rules_left: self.tenants[tenant as usize].runs.rules,
        })
    }

    pub(super) fn feed(&mut self, mut job: Box<Job>) {
        self.seqs += 1;
        job.seq = self.seqs;
        let of = &mut self.of[job.tenant as usize];
        if of.on_disk.is_empty() && of.in_memory < self.config.window {
            return self.load(job, Ledger::default());
        }
        let ledger = self
            .cascades
            .ledger(&self.ids[job.tenant as usize], job.cascade);
        let saved = self.ledgers.entry(job.cascade).or_default();
        saved.0 = ledger.unwrap_or(saved.0);
        saved.1 += 1;
        of.on_disk.push_back(job);
    }

    fn load(&mut self, job: Box<Job>, ledger: Ledger) {
        let id = &self.ids[job.tenant as usize];
        self.of[job.tenant as usize].in_memory += 1;
        self.cascades.enter(id, job.cascade, ledger);
        let subject = job.subject.map(|subject| subject.to_string());
        let depth = job.depth;
        let now_us = BEGIN_US + self.now_ns / 1_000;
        let pushed = self
            .scheduler
            .push_at(id, subject.as_deref(), depth, now_us, job);
        assert!(pushed.is_ok(), "the tenant is there");
    }

    pub(super) fn unload(&mut self, tenant: u32, cascade: EventId) {
        let id = &self.ids[tenant as usize];
        if let Some(saved) = self.ledgers.get_mut(&cascade) {
            saved.0 = self.cascades.ledger(id, cascade).unwrap_or(saved.0);
        }
        self.cascades.leave(id, cascade);
        let of = &mut self.of[tenant as usize];
        of.in_memory -= 1;
        if of.in_memory > self.config.window / 2 {
            return;
        }
        let room = self.config.window - of.in_memory;
        let page: Vec<_> = of.on_disk.drain(..room.min(of.on_disk.len())).collect();
        for job in page {
            let mut ledger = Ledger::default();
            if let Some(saved) = self.ledgers.get_mut(&job.cascade) {
                saved.1 -= 1;
                ledger = saved.0;
                if saved.1 == 0 {
                    self.ledgers.remove(&job.cascade);
                }
            }
            self.load(job, ledger);
        }
    }
}
