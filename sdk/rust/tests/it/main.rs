//! What the SDK promises to a rule's author.

mod refused;
mod rule;
mod schema;
mod wit;
