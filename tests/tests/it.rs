//! Whole-system tests: a real server, real guests, real sockets, real kills.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect fails there"
)]
#![allow(clippy::print_stdout, reason = "shown when a test fails")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "tables read better without borrows"
)]

mod it {
    mod anomalies;
    mod cascades;
    mod cli;
    mod clients;
    mod compiling;
    mod crash;
    mod evaluate;
    mod github;
    mod graph;
    mod headroom;
    mod hostile;
    mod incident;
    mod isolation;
    mod journey;
    mod limits;
    mod lineage;
    mod loops;
    mod memory;
    mod openapi;
    mod overload;
    mod pausing;
    mod quarantine;
    mod refusals;
    mod repo;
    mod rules;
    mod shutdown;
    mod state;
    mod uploads;
    mod workers;
}
