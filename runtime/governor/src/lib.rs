//! Every decision about what may run and when, as pure state machines: time
//! and usage come in as parameters, decisions go out as values. No I/O, no
//! clock, no async.

mod admission;
mod cascade;
mod routing;
mod scheduler;

pub use admission::{Rate, RateLimiter, TooFast};
pub use cascade::{Cascades, Verdict};
pub use routing::{ActiveRule, RuleSet};
pub use scheduler::{Dispatch, Scheduler, Share, Ticket};
