//! The loop that carries an event along the line: lease, admit, run, commit.
//! Composes governor, sandbox and store.
//!
//! An event that the store made durable is fed to the [`queue`]; a [`worker`]
//! takes what the governor says is next, runs one rule on it and describes
//! what is to become durable; the [`committer`] makes many such steps durable
//! at once and lets the events' subjects go on. A crash between any two steps
//! repeats work whose ids are derived, and so changes nothing.

mod accept;
mod ahead;
mod anomalies;
mod batch;
mod causes;
mod clock;
mod committer;
mod config;
mod engine;
mod error;
mod evaluate;
mod evaluating;
mod evaluation;
mod executor;
mod giving_up;
mod graph;
mod interrupts;
mod job;
mod loops;
mod observer;
mod overload;
mod pager;
mod pausing;
mod piece;
mod quarantine;
mod queue;
mod registry;
mod retention;
mod rules;
mod signs;
mod sleepers;
mod step;
mod tally;
mod times;
mod unsaved;
mod uploads;
mod utilisation;
mod vitals;
mod window;
mod worker;

pub use accept::Receipt;
pub use anomalies::Alert;
pub use clock::{Clock, SystemClock};
pub use config::EngineConfig;
pub use engine::{Engine, Stats};
pub use error::EngineError;
pub use evaluate::EvaluationPlace;
pub use evaluation::{Evaluated, SoFar};
pub use graph::{Activated, ClosedCycles};
pub use observer::{EventDone, Observer};
pub use pausing::{Halted, Pauses};
pub use quarantine::ParkingConfig;
pub use queue::TenantAllowance;
pub use ringfence_governor::explain::shares;
pub use ringfence_governor::{
    ActiveRule, Allowance, BreakerConfig, Causes, Crowded, Cycle, Cycles, EdgePulse, GraphRule,
    Hop, Level, NoPlace, Order, OverloadConfig, Pressure, PulseConfig, PulseView, Rate, RateConfig,
    RuleGraph, RulePulse, TurnedAway, UploadBounds, Way,
};
pub use ringfence_sandbox::CodeCounts;
pub use rules::{NewActivation, TenantChange};
pub use tally::{Leader, Tally, TallyOfAll};
pub use times::{Quantiles, TimesView};
pub use uploads::UploadPlace;
pub use vitals::VitalSigns;
