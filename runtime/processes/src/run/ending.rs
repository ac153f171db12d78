//! How a worker ended, and what that says about the run that it made.

use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::child::Death;

/// What the end of a worker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// It did that itself: a fault, an exit, a hang, or it said what cannot be.
    Itself,
    /// Somebody ended it, who may be a kernel that is short of memory.
    Somebody,
    /// This process could not talk to it.
    Server,
}

/// How a worker ended.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    pub(super) cause: Cause,
    /// In words.
    pub(super) how: String,
}

impl Ending {
    /// Of a worker that was given up because of this error, and then died so.
    pub(super) fn of(error: &io::Error, death: io::Result<Death>, timeout: Duration) -> Self {
        let (signal, how) = match death {
            Ok(death) => (death.signal(), death.to_string()),
            Err(error) => (None, format!("it is not known how: {error}")),
        };
        let (cause, how) = match error.kind() {
            ErrorKind::TimedOut => (
                Cause::Itself,
                format!("it was killed, because it did not answer within {timeout:?}"),
            ),
            // It had ended before it was given up.
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
                (of_signal(signal), how)
            }
            _ if error.raw_os_error().is_some() => (Cause::Server, format!("{error}; {how}")),
            _ => (Cause::Itself, format!("it was ended: {error}; {how}")),
        };
        Self { cause, how }
    }
}

/// Faults and what a process does to itself; everything else was sent to it.
fn of_signal(signal: Option<i32>) -> Cause {
    match signal {
        None
        | Some(
            libc::SIGSEGV
            | libc::SIGBUS
            | libc::SIGILL
            | libc::SIGFPE
            | libc::SIGABRT
            | libc::SIGSYS
            | libc::SIGTRAP,
        ) => Cause::Itself,
        Some(_) => Cause::Somebody,
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.how)
    }
}
