//! Meters: what a run is measured by, and how near it came to its limits.

use serde::{Deserialize, Serialize};

use crate::{Limits, Usage};

/// From this part of a limit on, in percent, a run is near it.
const NEAR_PERCENT: u128 = 80;

/// One of the things that a run is measured by. In JSON, the limit's name in
/// [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// Fuel.
    Fuel,
    /// Wall-clock time.
    DeadlineMs,
    /// Memory.
    MemoryBytes,
    /// The size of its effects.
    OutputBytes,
    /// Their number.
    Effects,
    /// Log.
    LogBytes,
}

/// What one run may use: the limits in force for it, under their names in
/// [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLimits {
    /// Fuel: the rule's limit, or what its cascade had left.
    pub fuel: u64,
    /// Wall-clock time, in milliseconds.
    pub deadline_ms: u64,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// All effects together, in bytes.
    pub output_bytes: u64,
    /// Effects.
    pub effects: u64,
    /// Log, in bytes.
    pub log_bytes: u64,
}

impl Meter {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Fuel,
        Self::DeadlineMs,
        Self::MemoryBytes,
        Self::OutputBytes,
        Self::Effects,
        Self::LogBytes,
    ];

    /// The limit's name, as in [`Limits`] and in JSON.
    pub const fn limit_name(self) -> &'static str {
        match self {
            Self::Fuel => "fuel",
            Self::DeadlineMs => "deadline_ms",
            Self::MemoryBytes => "memory_bytes",
            Self::OutputBytes => "output_bytes",
            Self::Effects => "effects",
            Self::LogBytes => "log_bytes",
        }
    }

    /// What was used and what might be, in the same unit: of time,
    /// microseconds.
    pub const fn reading(self, usage: &Usage, limits: &RunLimits) -> (u64, u64) {
        match self {
            Self::Fuel => (usage.fuel, limits.fuel),
            Self::DeadlineMs => (usage.wall_us, limits.deadline_ms.saturating_mul(1_000)),
            Self::MemoryBytes => (usage.memory_bytes, limits.memory_bytes),
            Self::OutputBytes => (usage.output_bytes, limits.output_bytes),
            Self::Effects => (usage.effects, limits.effects),
            Self::LogBytes => (usage.log_bytes, limits.log_bytes),
        }
    }

    /// How much of the limit was used, in whole percent.
    pub fn percent(self, usage: &Usage, limits: &RunLimits) -> u64 {
        let (used, limit) = self.reading(usage, limits);
        let percent = u128::from(used) * 100 / u128::from(limit.max(1));
        u64::try_from(percent).unwrap_or(u64::MAX)
    }
}

impl RunLimits {
    /// Of a run within these limits that has this much fuel.
    pub const fn of(limits: &Limits, fuel: u64) -> Self {
        Self {
            fuel,
            deadline_ms: limits.deadline_ms,
            memory_bytes: limits.memory_bytes,
            output_bytes: limits.output_bytes,
            effects: limits.effects,
            log_bytes: limits.log_bytes,
        }
    }

    /// The limits of which 80 % or more were used. Nothing used is not near a
    /// limit of nothing.
    pub fn near(&self, usage: &Usage) -> Vec<Meter> {
        let is_near = |meter: &Meter| {
            let (used, limit) = meter.reading(usage, self);
            used > 0 && u128::from(used) * 100 >= u128::from(limit) * NEAR_PERCENT
        };
        Meter::ALL.into_iter().filter(is_near).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_eighty_percent_on_a_run_is_near_a_limit() {
        let limits = RunLimits::of(&Limits::default(), 1_000);
        let used = |fuel| Usage {
            fuel,
            ..Usage::default()
        };
        assert_eq!(limits.near(&used(799)), []);
        assert_eq!(limits.near(&used(800)), [Meter::Fuel]);
        assert_eq!(Meter::Fuel.percent(&used(855), &limits), 85);
        let slow = Usage {
            wall_us: 200_000,
            effects: 64,
            ..Usage::default()
        };
        assert_eq!(limits.near(&slow), [Meter::DeadlineMs, Meter::Effects]);
    }

    #[test]
    fn nothing_is_not_near_nothing() {
        let limits = RunLimits {
            effects: 0,
            log_bytes: 0,
            ..RunLimits::of(&Limits::default(), 0)
        };
        assert_eq!(limits.near(&Usage::default()), []);
        // A log is cut, and may be longer than its limit.
        let logged = Usage {
            log_bytes: 1,
            ..Usage::default()
        };
        assert_eq!(limits.near(&logged), [Meter::LogBytes]);
    }

    #[test]
    fn meters_are_called_like_their_limits() {
        for meter in Meter::ALL {
            let name = meter.limit_name();
            assert_eq!(serde_json::to_value(meter).unwrap(), name);
            assert!(Limits::ALL.iter().any(|limit| limit.name == name), "{name}");
        }
    }
}
