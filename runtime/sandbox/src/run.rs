//! What a run is given, and what it leaves.

use std::sync::Arc;

use ringfence_model::{
    Effect, Event, Json, Limits, Log, Meter, Recalled, RuleName, RunLimits, Stop, TenantId, Usage,
};

use crate::Recall;

/// One run: which event, for whom, with what, within which limits.
pub struct Run<'a> {
    /// The event.
    pub event: &'a Event,
    /// Whose rule.
    pub tenant: &'a TenantId,
    /// Which rule.
    pub rule: &'a RuleName,
    /// The activation's configuration.
    pub config: &'a Json,
    /// The limits.
    pub limits: &'a Limits,
    /// Fuel that this run may use; at most `limits.fuel`, less where its
    /// cascade has less left.
    pub fuel: u64,
    /// Its remembered values. Shared, not borrowed, because the instance
    /// that asks for them cannot borrow.
    pub recall: &'a Arc<dyn Recall>,
}

/// How a run went.
#[derive(Debug)]
pub struct RunReport {
    /// Its effects (within limits, declared and well-formed) or why it was
    /// stopped.
    pub outcome: Result<Vec<Effect>, Stop>,
    /// What it used.
    pub usage: Usage,
    /// What it might have used.
    pub limits: RunLimits,
    /// The remembered values that it asked for, each key once.
    pub recalled: Vec<Recalled>,
    /// Whether it asked for the clock.
    pub asked_now: bool,
    /// Whether it asked for randomness.
    pub asked_random: bool,
    /// What it logged.
    pub log: Log,
}

impl RunReport {
    /// Of which limits it used 80 % or more without being stopped.
    pub fn near_limits(&self) -> Vec<Meter> {
        match &self.outcome {
            Ok(_) => self.limits.near(&self.usage),
            Err(_) => Vec::new(),
        }
    }
}
