//! Standard output and standard error: lines for the run's log.

use std::mem;

use ringfence_model::LogLevel;

use crate::log::{LogBuffer, cut};
use crate::state::RunState;

/// What standard output is logged as.
pub(super) const STDOUT_LEVEL: LogLevel = LogLevel::Info;
/// What standard error is logged as: panics and uncaught exceptions go there,
/// and the last line explains a trap.
pub(super) const STDERR_LEVEL: LogLevel = LogLevel::Error;

/// An output stream.
#[derive(Clone, Copy)]
pub(super) enum Output {
    Stdout,
    Stderr,
}

/// A line that is not finished yet.
#[derive(Default)]
pub(super) struct Lines {
    /// Its beginning: as much as the log has room for.
    begun: Vec<u8>,
    /// Its length, in bytes.
    written: usize,
}

impl Output {
    /// Prints these bytes.
    pub(super) fn write(self, state: &mut RunState, bytes: &[u8]) {
        let wasi = state.wasi.get_or_insert_default();
        match self {
            Self::Stdout => wasi.stdout.write(STDOUT_LEVEL, bytes, &mut state.log),
            Self::Stderr => wasi.stderr.write(STDERR_LEVEL, bytes, &mut state.log),
        }
    }
}

impl Lines {
    fn write(&mut self, level: LogLevel, bytes: &[u8], log: &mut LogBuffer) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = piece.strip_suffix(b"\n");
            let text = line.unwrap_or(piece);
            // A character that is cut off is not kept, so a few bytes more
            // than there is room for tell the log that it was.
            let room = log.room(level) + char::MAX_LEN_UTF8;
            let room = room.saturating_sub(self.begun.len()).min(text.len());
            self.begun.extend_from_slice(&text[..room]);
            self.written += text.len();
            if line.is_some() {
                self.finish(level, log);
            }
        }
    }

    fn finish(&mut self, level: LogLevel, log: &mut LogBuffer) {
        let begun = mem::take(&mut self.begun);
        let written = mem::take(&mut self.written);
        let cut_off = begun.len() < written;
        let text = String::from_utf8_lossy(&begun);
        // What stands for a byte that is no text is longer than the byte.
        let length = if cut_off { written } else { text.len() };
        let kept = cut(&text, log.room(level));
        log.print(level, kept, length.max(kept.len()));
    }

    /// Writes a line that does not end with the run's last byte.
    pub(super) fn end(&mut self, level: LogLevel, log: &mut LogBuffer) {
        if self.written > 0 {
            self.finish(level, log);
        }
    }
}
