//! The engine on a real store, a real sandbox and real rules: what it
//! promises whatever the host's bounds are.
//!
//! Needs the example rules: `make guests`.

#![allow(clippy::unwrap_used)] // a test that meets what it does not expect fails there

mod bounds;
mod dampening;
mod evaluate;
mod fair;
mod host;
mod lineage;
mod memory;
mod overload;
mod quarantine;
mod recovery;
mod windows;
