//! What a rule's author imports.
//!
//! A rule is one function. It gets an event's data, typed through `serde`,
//! and a [`Context`], through which it reads what a rule may read and asks
//! for what is to be done:
//!
//! ```
//! use ringfence::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct Conversation {
//!     priority: String,
//! }
//!
//! /// Moves urgent conversations to the escalations team.
//! #[rule(on = "conversation.created", acts = "conversation.update")]
//! fn escalate(conversation: Conversation, ctx: &mut Context) -> Result<()> {
//!     if conversation.priority == "urgent" {
//!         ctx.act("conversation.update", &json!({"team": "escalations"}))?;
//!     }
//!     Ok(())
//! }
//!
//! # fn main() {
//! let run = Harness::<escalate>::new().data(json!({"priority": "urgent"})).run();
//! assert_eq!(run.actions(), [("conversation.update", json!({"team": "escalations"}))]);
//! # }
//! ```
//!
//! Nothing happens during a run: what it asks for takes place after it, all
//! or nothing. A run sees its event, its configuration, its remembered state,
//! and the clock and randomness that it asks for, and nothing else; so any
//! run can be repeated exactly.
//!
//! [`rule`] describes the attribute, [`testing`] how rules are tested without
//! WebAssembly. In a rule's crate, set `crate-type = ["cdylib"]`; `ringfence
//! build` makes the component.

// The attribute's expansion names this crate; so do this crate's own tests.
extern crate self as ringfence;

mod context;
mod effect;
mod error;
mod event;
mod glue;
mod manifest;
pub mod prelude;
mod schema;

#[cfg(target_arch = "wasm32")]
mod arena;
#[cfg(any(target_arch = "wasm32", test))]
mod blocks;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use context::{Context, Level};
pub use effect::{Action, Effect, Entry, NewEvent};
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, Invocation};
pub use manifest::{Manifest, Rule, Trigger};
pub use ringfence_macros::{Schema, rule};
pub use schema::Schema;
pub use serde;
pub use serde_json;

/// For the attribute's expansion only.
#[doc(hidden)]
pub mod __private {
    pub use crate::glue::{Outcome, config, data};
    pub use crate::schema::{document, open};
}
