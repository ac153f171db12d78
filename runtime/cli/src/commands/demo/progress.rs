//! What people see while it goes on.

use super::pause;
use super::recorder::Recorder;
use super::sender::Sender;
use crate::console::{self, Grouped};

const SECOND_MS: u64 = 1000;

/// Says once a second how it goes.
pub(super) async fn watch(phase: &str, seconds: u64, recorder: &Recorder, sender: &Sender) {
    for second in 1..=seconds {
        pause(SECOND_MS).await;
        let counts = recorder.all_counts();
        console::say(format_args!(
            "  {phase:5} {second:3} of {seconds} s: {:>7} events accepted, {:>7} done, {:>8} executions, {:>6} of them stopped",
            Grouped(sender.accepted()),
            Grouped(counts.done),
            Grouped(counts.executions),
            Grouped(counts.stopped),
        ));
    }
}
