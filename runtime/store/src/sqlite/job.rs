//! A request to the writer, with the way to answer it.

use tokio::sync::oneshot;

use super::fault::Work;
use super::unit::Unit;
use crate::{Result, StoreError};

/// What became of a job's work.
pub(super) enum Ran {
    /// It is done, or was refused before it wrote anything.
    Cleanly,
    /// It failed and has written something: the transaction must go.
    Halfway(StoreError),
}

/// Work that can be done again if its transaction was rolled back.
pub(super) trait Job: Send {
    /// Does the work.
    fn run(&mut self, unit: &mut Unit<'_>) -> Ran;
    /// Takes note that what was done has been rolled back.
    fn fail(&mut self, error: &StoreError);
    /// Answers.
    fn answer(self: Box<Self>);
}

/// A job that answers a `T`.
pub(super) struct Call<T, F> {
    doing: &'static str,
    work: F,
    result: Result<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Call<T, F>
where
    F: FnMut(&mut Unit<'_>) -> Work<T>,
{
    pub(super) fn new(doing: &'static str, work: F, reply: oneshot::Sender<Result<T>>) -> Self {
        Self {
            doing,
            work,
            result: Err(StoreError::Closed),
            reply,
        }
    }
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: FnMut(&mut Unit<'_>) -> Work<T> + Send,
{
    fn run(&mut self, unit: &mut Unit<'_>) -> Ran {
        let before = unit.connection.total_changes();
        self.result = (self.work)(unit).map_err(|fault| fault.during(self.doing));
        match &self.result {
            Err(error) if touched(unit, before) => Ran::Halfway(error.clone()),
            _ => Ran::Cleanly,
        }
    }

    fn fail(&mut self, error: &StoreError) {
        // What was refused stays refused, however the others fared.
        if self.result.is_ok() {
            self.result = Err(error.clone());
        }
    }

    fn answer(self: Box<Self>) {
        // Nobody waits if the asker was cancelled; the work is done all the
        // same.
        let _ = self.reply.send(self.result);
    }
}

/// Whether work has written something, or has cost the transaction: SQLite
/// ends one on its own when the disk is full.
fn touched(unit: &Unit<'_>, changes_before: u64) -> bool {
    unit.connection.total_changes() != changes_before || unit.connection.is_autocommit()
}
