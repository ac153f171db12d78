//! Whole-system tests: a real server, real guests, real sockets, real kills.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect fails there"
)]
