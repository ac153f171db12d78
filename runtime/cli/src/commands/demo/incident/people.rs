//! The people who work with the desk: a steady stream that does not wait for
//! answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::desk::Desk;

/// Edits of one tenant that wait for their answer; the stream then waits, too.
const UNANSWERED_MAX: usize = 16;

/// Edits at this rate per second, until told to stop.
pub(super) async fn edit(desk: Arc<Desk>, rate: u64, stop: Arc<AtomicBool>) -> Result<()> {
    let mut ticks = interval(Duration::from_micros(1_000_000 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut unanswered: JoinSet<Result<()>> = JoinSet::new();
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        while unanswered.len() >= UNANSWERED_MAX {
            unanswered.join_next().await.transpose()?.transpose()?;
        }
        while let Some(answered) = unanswered.try_join_next() {
            answered??;
        }
        let desk = desk.clone();
        unanswered.spawn(async move { desk.edit().await });
    }
    while let Some(answered) = unanswered.join_next().await {
        answered??;
    }
    Ok(())
}
