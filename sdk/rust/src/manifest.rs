//! What a rule declares about itself, as the attribute writes it down.

use crate::{Context, Error};

/// What a rule declares. The host enforces it: an effect that it does not
/// name stops the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manifest {
    /// The events that it wants.
    pub triggers: &'static [Trigger],
    /// The event types that it may emit.
    pub emits: &'static [&'static str],
    /// The actions that it may ask for.
    pub acts: &'static [&'static str],
    /// One sentence for people.
    pub summary: &'static str,
}

/// A wanted event type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trigger {
    /// The type; a final `*` stands for any ending.
    pub ty: &'static str,
    /// JSON pointers to data that do not count when two events are compared
    /// to recognize a loop.
    pub ignore: &'static [&'static str],
}

/// A rule. [`crate::rule`] implements it, on a type with the function's name.
pub trait Rule {
    /// What it declares.
    const MANIFEST: Manifest;

    /// A JSON Schema for its configuration, as text; none if it takes none.
    fn config_schema() -> Option<String>;

    /// Handles one event; `data` and `config` are JSON text.
    fn handle(data: &str, config: &str, ctx: &mut Context<'_>) -> Result<(), Error>;
}
