//! The loop that carries an event along the line: lease, admit, run, commit.
//! Composes governor, sandbox and store.

mod api;

pub use api::{
    Clock, Engine, EngineConfig, EngineError, Evaluated, EventDone, NewActivation, Observer, Stats,
    SystemClock,
};
