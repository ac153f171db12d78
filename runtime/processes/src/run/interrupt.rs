//! Ending runs of a lane, from other threads of the server.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringfence_sandbox::{Interrupter, Word as _, batch_of, is_to_end, next_batch, with_run};

use super::word::SharedWord;

/// Ends the runs of one lane. What counts is the word that is kept here; the
/// worker is shown it.
#[derive(Debug, Default)]
pub(super) struct OfLane(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    word: u64,
    worker: Option<Way>,
    /// Whether the worker was ended, because a run in it did not.
    forced: bool,
}

/// The way to a worker that lives.
#[derive(Debug)]
struct Way {
    word: Arc<SharedWord>,
    socket: UnixStream,
}

impl OfLane {
    fn state(&self) -> MutexGuard<'_, State> {
        // It is whole whenever it is here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another worker is there.
    pub(super) fn started(&self, word: Arc<SharedWord>, socket: UnixStream) {
        let mut state = self.state();
        state.forced = false;
        state.worker = Some(Way { word, socket });
        state.show();
    }

    /// It is not there any more. Answers whether it was ended, because a run in
    /// it did not.
    pub(super) fn ended(&self) -> bool {
        let mut state = self.state();
        state.worker = None;
        std::mem::take(&mut state.forced)
    }

    /// The number of the batch that is made.
    pub(super) fn batch(&self) -> u32 {
        batch_of(self.state().word)
    }

    /// Whether a run of it is to end.
    pub(super) fn is_raised(&self, index: usize) -> bool {
        is_to_end(self.state().word, index)
    }
}

impl State {
    fn show(&self) {
        if let Some(worker) = &self.worker {
            worker.word.word().store(self.word, Ordering::Release);
        }
    }
}

impl Interrupter for OfLane {
    fn begin(&self) {
        let mut state = self.state();
        state.word = next_batch(state.word);
        state.show();
    }

    fn interrupt(&self, index: usize) {
        let mut state = self.state();
        state.word = with_run(state.word, index);
        state.show();
    }

    /// The lane finds its worker gone, and makes the other runs again.
    fn force(&self) {
        let mut state = self.state();
        if let Some(worker) = &state.worker {
            // It may be gone already, which is as good.
            let _ = worker.socket.shutdown(Shutdown::Both);
            state.forced = true;
        }
    }
}
