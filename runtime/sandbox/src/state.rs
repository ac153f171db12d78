//! What the host keeps for one run.

use std::mem;
use std::sync::Arc;

use cap_std::fs::Dir;
use ringfence_model::{EventId, Limits, Recalled, RuleName};
use wasmtime::ResourceLimiter;

use crate::fuel::{Debt, HOST_CALL_FUEL};
use crate::interrupt::Signal;
use crate::log::LogBuffer;
use crate::memory::{MemoryMeter, OutOfMemory};
use crate::random::Random;
use crate::ticker::Ticks;
use crate::wasi::{TenantData, Wasi};
use crate::{Recall, RecallError, Run, rewrite};

/// What one call may hand to the host beyond the output limit, in bytes: a
/// log message that is going to be cut, and what the effects take besides
/// their texts.
const LIFT_BYTES: u64 = 1024 * 1024;

/// One run's meters, and what its host functions answer from.
pub(crate) struct RunState {
    /// Memory held.
    pub(crate) memory: MemoryMeter,
    /// Fuel owed beyond what the engine has counted.
    pub(crate) debt: Debt,
    /// Whether the guest has called the host and waits for it. Without it, a
    /// memory or table that grows is being made.
    pub(crate) crossing: bool,
    /// What a shadow's growth has cost, which only we made the guest do; see
    /// `rewrite`.
    shadow_fuel: u64,
    /// What one call may hand to the host, in bytes.
    lift_bytes: u64,
    /// What is counted of the log, in bytes.
    log_held: u64,
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
    /// When it is to end; none for what has no deadline of its own.
    pub(crate) watch: Option<Watch>,
    seed: (EventId, Option<RuleName>),
    random: Option<Random>,
}

impl RunState {
    /// For a run on an event, with the folder of the tenants' data.
    pub(crate) fn of(run: &Run<'_>, tenant_data: Option<&Arc<Dir>>) -> Self {
        Self {
            memory: MemoryMeter::new(run.limits.memory_bytes),
            debt: Debt::default(),
            crossing: false,
            shadow_fuel: 0,
            lift_bytes: lift_bytes(run.limits),
            log_held: 0,
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
            watch: None,
            seed: (run.event.id, Some(run.rule.clone())),
            random: None,
        }
    }

    /// For `describe`, which has no event: the clock stands at 0, nothing is
    /// remembered, there are no data, and randomness is always the same.
    pub(crate) fn of_describe(limits: &Limits, nothing: Arc<dyn Recall>) -> Self {
        Self {
            memory: MemoryMeter::new(limits.memory_bytes),
            debt: Debt::default(),
            crossing: false,
            shadow_fuel: 0,
            lift_bytes: lift_bytes(limits),
            log_held: 0,
            log: LogBuffer::new(limits.log_bytes),
            recall: nothing,
            recalled: Vec::new(),
            recall_error: None,
            now_ms: 0,
            asked_now: false,
            wasi: None,
            data: None,
            watch: None,
            seed: (EventId::from_bytes([0; 16]), None),
            random: None,
        }
    }

    /// What one call may hand to the host now, in bytes: nothing is taken out
    /// of the guest that there is no room for.
    pub(crate) fn liftable(&self) -> u64 {
        self.lift_bytes.min(self.memory.room())
    }

    /// Counts what the log holds more than when this was asked last.
    ///
    /// # Errors
    /// When it is more than there is room for.
    pub(crate) fn hold_log(&mut self) -> Result<(), OutOfMemory> {
        let more = self.log.held().saturating_sub(self.log_held);
        self.log_held += more;
        self.memory.hold(more)
    }

    fn owe_for_growth(&mut self, grows: bool, held_before: u64) {
        let bytes = self.memory.peak() - held_before;
        match (grows, self.crossing) {
            (true, true) => self.debt.grew(bytes),
            (true, false) => self.debt.begins(bytes),
            (false, _) => {}
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

/// When a run is to end.
pub(crate) struct Watch {
    pub(crate) ticks: Ticks,
    /// Its deadline.
    pub(crate) until: u64,
    /// Whether it is to end before.
    pub(crate) signal: Option<Signal>,
}

fn lift_bytes(limits: &Limits) -> u64 {
    limits.output_bytes.saturating_add(LIFT_BYTES)
}

/// Growth is priced by what is held more.
impl ResourceLimiter for RunState {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let before = self.memory.peak();
        let grows = self.memory.memory_growing(current, desired, maximum)?;
        self.owe_for_growth(grows, before);
        if self.crossing && self.memory.has_reserve() && desired != current {
            let shadow = mem::take(&mut self.shadow_fuel);
            self.debt.refund(rewrite::EXTRA_FUEL + shadow);
        }
        Ok(grows)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let before = self.memory.peak();
        let grows = self.memory.table_growing(current, desired, maximum)?;
        self.owe_for_growth(grows, before);
        if self.memory.is_shadow(maximum) && desired != current {
            let elements = (desired - current) as u64;
            match grows {
                true => self.debt.refund(rewrite::EXTRA_FUEL + elements),
                // The memory grows next.
                false => self.shadow_fuel = HOST_CALL_FUEL + elements,
            }
        }
        Ok(grows)
    }

    fn instances(&self) -> usize {
        self.memory.instances()
    }

    fn tables(&self) -> usize {
        self.memory.tables()
    }

    fn memories(&self) -> usize {
        self.memory.memories()
    }
}
