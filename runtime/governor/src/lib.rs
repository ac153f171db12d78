//! Every decision about what may run and when, as pure state machines: time
//! and usage come in as parameters, decisions go out as values. No I/O, no
//! clock, no async.

mod admission;
mod breaker;
mod canonical;
mod cascade;
mod costs;
pub mod explain;
mod graph;
mod inference;
mod pulse;
mod queue;
mod ready;
pub mod revisit;
mod routing;
mod scheduler;
mod uploads;

pub use admission::{Rate, RateLimiter, TooFast};
pub use breaker::{Admission, BreakerConfig, Breakers, Change, Sign};
pub use cascade::{Cascades, Verdict, arrival};
pub use costs::{Costs, Room as BatchRoom};
pub use graph::{Causes, Cycle, Cycles, GraphRule, Hop, RuleGraph, Way};
pub use inference::{Inference, InferenceBounds};
pub use pulse::{
    EdgePulse, Pulse, PulseChange, PulseConfig, PulseView, RateChange, RateConfig, Rates, RulePulse,
};
pub use queue::Share;
pub use routing::{ActiveRule, RuleSet};
pub use scheduler::{Batch, Claim, ClaimId, Dispatch, Needs, Scheduler, Ticket};
pub use uploads::{Crowded, UploadBounds, UploadId, Uploads};
