//! What the host keeps for one run.

use std::sync::Arc;

use cap_std::fs::Dir;
use ringfence_model::{EventId, Limits, Recalled, RuleName};

use crate::log::LogBuffer;
use crate::memory::MemoryMeter;
use crate::random::Random;
use crate::wasi::{TenantData, Wasi};
use crate::{Recall, RecallError, Run};

/// One run's meters, and what its host functions answer from.
pub(crate) struct RunState {
    /// Memory held.
    pub(crate) memory: MemoryMeter,
    /// What it logged.
    pub(crate) log: LogBuffer,
    /// Its remembered values.
    pub(crate) recall: Arc<dyn Recall>,
    /// What it asked them for, each key once.
    pub(crate) recalled: Vec<Recalled>,
    /// Why it must be repeated.
    pub(crate) recall_error: Option<RecallError>,
    /// Milliseconds since 1970.
    pub(crate) now_ms: u64,
    /// Whether it asked for them.
    pub(crate) asked_now: bool,
    /// What the stand-ins for WASI keep, if they were asked anything.
    pub(crate) wasi: Option<Box<Wasi>>,
    /// Where its tenant's data are.
    pub(crate) data: Option<TenantData>,
    seed: (EventId, Option<RuleName>),
    random: Option<Random>,
}

impl RunState {
    /// For a run on an event, with the folder of the tenants' data.
    pub(crate) fn of(run: &Run<'_>, tenant_data: Option<&Arc<Dir>>) -> Self {
        Self {
            memory: MemoryMeter::new(run.limits.memory_bytes),
            log: LogBuffer::new(run.limits.log_bytes),
            recall: Arc::clone(run.recall),
            recalled: Vec::new(),
            recall_error: None,
            now_ms: run.event.accepted_us / 1000,
            asked_now: false,
            wasi: None,
            data: tenant_data.map(|folders| TenantData {
                folders: Arc::clone(folders),
                tenant: run.tenant.clone(),
            }),
            seed: (run.event.id, Some(run.rule.clone())),
            random: None,
        }
    }

    /// For `describe`, which has no event: the clock stands at 0, nothing is
    /// remembered, there are no data, and randomness is always the same.
    pub(crate) fn of_describe(limits: &Limits, nothing: Arc<dyn Recall>) -> Self {
        Self {
            memory: MemoryMeter::new(limits.memory_bytes),
            log: LogBuffer::new(limits.log_bytes),
            recall: nothing,
            recalled: Vec::new(),
            recall_error: None,
            now_ms: 0,
            asked_now: false,
            wasi: None,
            data: None,
            seed: (EventId::from_bytes([0; 16]), None),
            random: None,
        }
    }

    /// The run's next random number.
    pub(crate) fn random(&mut self) -> u32 {
        self.stream().next()
    }

    /// The bytes of the next ones.
    pub(crate) fn fill_random(&mut self, bytes: &mut [u8]) {
        self.stream().fill(bytes);
    }

    fn stream(&mut self) -> &mut Random {
        let (event, rule) = &self.seed;
        self.random
            .get_or_insert_with(|| Random::seeded(*event, rule.as_ref()))
    }

    /// Puts what was printed last into the log.
    pub(crate) fn end_output(&mut self) {
        if let Some(wasi) = &mut self.wasi {
            wasi.end(&mut self.log);
        }
    }

    /// Whether it asked for one.
    pub(crate) fn asked_random(&self) -> bool {
        self.random.is_some()
    }
}
