//! Sends the answers of runs that ended while another run takes its time.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, TryLockError};
use std::thread;
use std::time::Duration;

use super::worker::Link;

/// How long an answer may wait for others to be sent with it.
const PATIENCE: Duration = Duration::from_millis(1);

/// It needs little: it only sends what is there.
const STACK_BYTES: usize = 128 * 1024;

/// A thread that sends what waits too long. It is started before the process
/// may start no more, and told then where.
pub(super) struct Courier(SyncSender<Arc<Link>>);

impl Courier {
    /// Waits until the thread is there: starting takes memory and system calls,
    /// which the process gives up next.
    pub(super) fn start() -> io::Result<Self> {
        let (calls, called) = sync_channel(1);
        let (started, is_started) = sync_channel(1);
        thread::Builder::new()
            .name("courier".into())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let _ = started.send(());
                deliver(&called);
            })?;
        is_started.recv().map_err(io::Error::other)?;
        Ok(Self(calls))
    }

    /// There are answers that must not wait for what comes now.
    pub(super) fn call(&self, link: &Arc<Link>) {
        // If it was called already, it will look.
        let _ = self.0.try_send(Arc::clone(link));
    }
}

fn deliver(called: &Receiver<Arc<Link>>) {
    loop {
        let Ok(link) = called.recv() else {
            return;
        };
        thread::sleep(PATIENCE);
        // Called meanwhile: it is about the same answers.
        let _ = called.try_recv();
        match link.try_channel() {
            // An error is met again by who reads next.
            Ok(mut channel) if channel.unsent() > 0 => drop(channel.flush()),
            // Who has it sends what is there before waiting.
            Ok(_) | Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => {}
        }
    }
}
