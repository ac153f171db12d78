//! Looks at the looping tenant and at the host, several times a second.

use std::sync::Arc;

use anyhow::Result;
use ringfence_engine::Clock;

use super::super::pause;
use super::super::recorder::Recorder;
use super::super::server::Server;
use super::api::Anomaly;
use super::cast::{Member, PAIR};
use super::desk::Desk;
use super::{memory, say};
use crate::console::{Grouped, Size};

/// Between two looks, in milliseconds.
const LOOK_MS: u64 = 100;
/// Looks per second.
const LOOKS: u64 = 1000 / LOOK_MS;
/// For how long nothing may happen before it is calm, in microseconds.
const QUIET_US: u64 = 1_000_000;

/// Looks, and remembers what was seen.
pub(super) struct Watch {
    server: Arc<Server>,
    recorder: Arc<Recorder>,
    clock: Arc<dyn Clock>,
    desks: Vec<Arc<Desk>>,
    looping: Arc<Member>,
    looks: u64,
    onset_us: Option<u64>,
    /// What was seen.
    pub(super) seen: Seen,
    /// The looping tenant's executions at the last look, and since when they
    /// are no more.
    quiet: (u64, u64),
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Resident memory when the loop began, in bytes.
    pub(super) memory_before: u64,
    /// The largest since.
    pub(super) memory_largest: u64,
    /// The looping tenant's events that waited, at most.
    pub(super) waiting_looping: u64,
    /// All tenants'.
    pub(super) waiting_all: u64,
    /// The first anomaly, and when its record was there, in microseconds since
    /// 1970.
    pub(super) anomaly: Option<(u64, Anomaly)>,
    /// Since when nothing happened any more.
    pub(super) calm_us: Option<u64>,
}

impl Watch {
    pub(super) fn new(
        server: Arc<Server>,
        recorder: Arc<Recorder>,
        clock: Arc<dyn Clock>,
        desks: Vec<Arc<Desk>>,
        looping: Arc<Member>,
    ) -> Self {
        Self {
            server,
            recorder,
            clock,
            desks,
            looping,
            looks: 0,
            onset_us: None,
            seen: Seen::default(),
            quiet: (0, 0),
        }
    }

    /// The loop begins.
    pub(super) fn onset(&mut self) -> Result<u64> {
        let now_us = self.clock.now_us();
        self.onset_us = Some(now_us);
        self.seen.memory_before = memory::resident_bytes()?;
        self.seen.memory_largest = self.seen.memory_before;
        Ok(now_us)
    }

    /// One look, and a pause before it.
    pub(super) async fn look(&mut self) -> Result<()> {
        pause(LOOK_MS).await;
        self.looks += 1;
        let executions = self.recorder.counts(&self.looping.name).executions;
        let waiting = self.looping.api.counts().await?.waiting;
        if self.onset_us.is_some() {
            self.after_onset(executions, waiting).await?;
        }
        if self.looks.is_multiple_of(LOOKS) {
            self.tell(executions, waiting)?;
        }
        Ok(())
    }

    async fn after_onset(&mut self, executions: u64, waiting: u64) -> Result<()> {
        let now_us = self.clock.now_us();
        let seen = &mut self.seen;
        seen.memory_largest = seen.memory_largest.max(memory::resident_bytes()?);
        seen.waiting_looping = seen.waiting_looping.max(waiting);
        seen.waiting_all = seen.waiting_all.max(self.server.waiting());
        if seen.anomaly.is_none() {
            let anomaly = self.looping.api.first_anomaly().await?;
            seen.anomaly = anomaly.map(|anomaly| (self.clock.now_us(), anomaly));
        }
        let is_quiet = executions == self.quiet.0
            && (waiting == 0 || waiting <= self.looping.api.parked(&PAIR).await?);
        if !is_quiet {
            self.quiet = (executions, now_us);
            self.seen.calm_us = None;
        } else if now_us - self.quiet.1 >= QUIET_US {
            self.seen.calm_us = Some(self.quiet.1);
        }
        Ok(())
    }

    fn tell(&self, executions: u64, waiting: u64) -> Result<()> {
        let accepted: u64 = self.desks.iter().map(|desk| desk.accepted()).sum();
        let phase = if self.onset_us.is_some() {
            "loop"
        } else {
            "calm"
        };
        say(format_args!(
            "  {phase} {:3} s: {:>7} events accepted, {:>8} executions; of {}: {:>7} executions, {:>6} events wait; memory {}",
            self.looks / LOOKS,
            Grouped(accepted),
            Grouped(self.recorder.all_counts().executions),
            self.looping.name,
            Grouped(executions),
            Grouped(waiting),
            Size(memory::resident_bytes()?),
        ));
        Ok(())
    }
}
