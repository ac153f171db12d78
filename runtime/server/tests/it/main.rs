//! What the server promises, over real sockets: with the real engine, store
//! and sandbox behind it.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod alerts;
mod anomalies;
mod bad_input;
mod connections;
mod document;
mod effects;
mod graph;
mod guest;
mod inference;
mod journey;
mod lineage;
mod metrics;
mod rules;
mod tenants;
mod world;
