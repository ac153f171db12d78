//! The ledger of a cascade: what everything that one root event set off has
//! used together.

use serde::{Deserialize, Serialize};

use crate::{Limits, Stop, StopCode};

/// What a cascade has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The greatest depth of an event.
    pub depth: u64,
    /// Executions.
    pub executions: u64,
    /// Fuel.
    pub fuel: u64,
    /// Follow-up events.
    pub events: u64,
    /// Their size, in bytes.
    pub bytes: u64,
}

/// What one commit adds to a ledger; `depth` is a maximum, the rest are sums.
pub type Draw = Ledger;

/// One of the things that a cascade's budget bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dimension {
    /// How far a leaf may be from the root.
    Depth,
    /// How many executions.
    Executions,
    /// How much fuel.
    Fuel,
    /// How many follow-up events.
    Events,
    /// How many bytes of follow-up events.
    Bytes,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Depth,
        Self::Executions,
        Self::Fuel,
        Self::Events,
        Self::Bytes,
    ];

    /// The budget in these limits.
    pub const fn budget(self, limits: &Limits) -> u64 {
        match self {
            Self::Depth => limits.cascade_depth,
            Self::Executions => limits.cascade_executions,
            Self::Fuel => limits.cascade_fuel,
            Self::Events => limits.cascade_events,
            Self::Bytes => limits.cascade_bytes,
        }
    }

    /// The stop's code when it is used up.
    pub const fn code(self) -> StopCode {
        match self {
            Self::Depth => StopCode::CascadeDepth,
            Self::Executions => StopCode::CascadeExecutions,
            Self::Fuel => StopCode::CascadeFuel,
            Self::Events => StopCode::CascadeEvents,
            Self::Bytes => StopCode::CascadeBytes,
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Depth => "levels of depth",
            Self::Executions => "executions",
            Self::Fuel => "fuel",
            Self::Events => "follow-up events",
            Self::Bytes => "bytes of follow-up events",
        }
    }

    /// The limit's name, as in `Limits`.
    pub const fn limit_name(self) -> &'static str {
        match self {
            Self::Depth => "cascade_depth",
            Self::Executions => "cascade_executions",
            Self::Fuel => "cascade_fuel",
            Self::Events => "cascade_events",
            Self::Bytes => "cascade_bytes",
        }
    }

    /// The stop when `usage` would exceed the budget.
    pub fn stop(self, limits: &Limits, usage: u64) -> Stop {
        let (budget, noun) = (self.budget(limits), self.noun());
        Stop::new(
            self.code(),
            format!("The cascade has used up its budget of {budget} {noun}."),
        )
        .at(budget, usage)
        .hint(format!(
            "Look at the cascade's tree for rules that set each other off. If the work is \
             legitimate, ask the operator to raise `{}`.",
            self.limit_name()
        ))
    }
}

impl Ledger {
    /// What was used of one dimension.
    pub const fn used(&self, dimension: Dimension) -> u64 {
        match dimension {
            Dimension::Depth => self.depth,
            Dimension::Executions => self.executions,
            Dimension::Fuel => self.fuel,
            Dimension::Events => self.events,
            Dimension::Bytes => self.bytes,
        }
    }

    /// This ledger after a draw on it.
    #[must_use]
    pub fn after(&self, draw: &Draw) -> Self {
        Self {
            depth: self.depth.max(draw.depth),
            executions: self.executions.saturating_add(draw.executions),
            fuel: self.fuel.saturating_add(draw.fuel),
            events: self.events.saturating_add(draw.events),
            bytes: self.bytes.saturating_add(draw.bytes),
        }
    }
}
