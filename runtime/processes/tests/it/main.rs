//! Real worker processes: what they answer, and what becomes of the runs of
//! those that die.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod data;
mod deaths;
mod interrupts;
mod same;
mod world;
