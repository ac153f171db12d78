//! Every decision about what may run and when, as pure state machines: time
//! and usage come in as parameters, decisions go out as values. No I/O, no
//! clock, no async.

mod admission;
mod awaited;
mod breaker;
mod canonical;
mod cascade;
mod costs;
mod decayed;
mod drain;
pub mod explain;
mod graph;
mod headroom;
mod inference;
mod lanes;
mod overload;
mod places;
mod pulse;
mod queue;
mod ready;
pub mod revisit;
mod routing;
mod scheduler;
mod space;
mod turns;
mod uploads;

pub use admission::{Allowance, Gate, Rate, RateLimiter, TooFast};
pub use breaker::{Admission, BreakerConfig, Breakers, Change, Sign};
pub use cascade::{Cascades, Verdict, arrival};
pub use costs::{Costs, Room as BatchRoom};
pub use decayed::Decayed;
pub use drain::Drain;
pub use graph::{Causes, Cycle, Cycles, GraphRule, Hop, RuleGraph, Way};
pub use headroom::Headroom;
pub use inference::{Inference, InferenceBounds};
pub use lanes::{Lane, Order};
pub use overload::{Level, Load, Overload, OverloadConfig, Pressure, Signs, TurnedAway};
pub use places::{NoPlace, Places};
pub use pulse::{
    EdgePulse, Pulse, PulseChange, PulseConfig, PulseView, RateChange, RateConfig, Rates, RulePulse,
};
pub use queue::Share;
pub use routing::{ActiveRule, RuleSet};
pub use scheduler::{Batch, Dispatch, Needs, Scheduler, Ticket, run_cost};
pub use space::Space;
pub use uploads::{Crowded, UploadBounds, UploadId, Uploads};
