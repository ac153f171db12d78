//! A run's log, bounded.

use ringfence_model::{Log, LogLevel, LogLine};

/// Lines kept, whatever their length: empty ones cost the host too.
pub(crate) const LINES_MAX: usize = 1024;

/// What is kept of the last error for a trap's message, in bytes.
const LAST_ERROR_BYTES_MAX: usize = 1024;

/// Collects what a run logs.
pub(crate) struct LogBuffer {
    log: Log,
    limit: u64,
    written: u64,
    kept: u64,
    last_error: Option<String>,
    /// Whether that was printed, and what is printed next belongs to it.
    printed: bool,
}

/// What is left of it after the run.
pub(crate) struct Logged {
    /// The lines kept.
    pub(crate) log: Log,
    /// Bytes written, before the log was cut.
    pub(crate) written: u64,
    /// The last line at level error, or the end of what was printed as an
    /// error; also where the log no longer has it.
    pub(crate) last_error: Option<String>,
}

impl LogBuffer {
    /// For at most so many bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            log: Log::default(),
            limit,
            written: 0,
            kept: 0,
            last_error: None,
            printed: false,
        }
    }

    /// How much of a line's text is worth handing to [`Self::write`], in
    /// bytes.
    pub(crate) fn room(&self, level: LogLevel) -> usize {
        let room = match self.log.truncated {
            true => 0,
            false => usize::try_from(self.limit - self.kept).unwrap_or(usize::MAX),
        };
        match level {
            LogLevel::Error => room.max(LAST_ERROR_BYTES_MAX),
            _ => room,
        }
    }

    /// Adds a line that a program printed, like [`Self::write`]. Of errors,
    /// which take several lines then, the end is kept, and not the last line.
    pub(crate) fn print(&mut self, level: LogLevel, message: &str, written: usize) {
        let before = match level {
            LogLevel::Error if self.printed => self.last_error.take(),
            _ => None,
        };
        self.write(level, message, written);
        if level == LogLevel::Error {
            self.printed = true;
            if let (Some(mut text), Some(last)) = (before, &self.last_error) {
                text.push('\n');
                text.push_str(last);
                let start =
                    text.ceil_char_boundary(text.len() - LAST_ERROR_BYTES_MAX.min(text.len()));
                self.last_error = Some(text.split_off(start));
            }
        }
    }

    /// Adds a line, as much of it as there is room for. `message` is the text,
    /// or its beginning of at least [`Self::room`] bytes; `written` is the
    /// whole text's length.
    pub(crate) fn write(&mut self, level: LogLevel, message: &str, written: usize) {
        if level == LogLevel::Error {
            self.last_error = Some(cut(message, LAST_ERROR_BYTES_MAX).to_owned());
            self.printed = false;
        }
        self.written += written as u64;
        if self.log.truncated {
            return;
        }
        let room = usize::try_from(self.limit - self.kept).unwrap_or(usize::MAX);
        let kept = cut(message, room);
        self.log.truncated = kept.len() < written || self.log.lines.len() == LINES_MAX;
        if self.log.lines.len() < LINES_MAX && (!kept.is_empty() || written == 0) {
            self.kept += kept.len() as u64;
            self.log.lines.push(LogLine {
                level,
                message: kept.to_owned(),
            });
        }
    }

    /// What the host holds of it, in bytes.
    pub(crate) fn held(&self) -> u64 {
        let last_error = self.last_error.as_ref().map_or(0, String::len);
        let lines = self.log.lines.len() * size_of::<LogLine>();
        self.kept + (lines + last_error) as u64
    }

    /// Ends it.
    pub(crate) fn finish(self) -> Logged {
        Logged {
            log: self.log,
            written: self.written,
            last_error: self.last_error,
        }
    }
}

/// The text's beginning, at most so many bytes, whole characters only.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(buffer: &mut LogBuffer, level: LogLevel, text: &str) {
        let message = cut(text, buffer.room(level)).to_owned();
        buffer.write(level, &message, text.len());
    }

    #[test]
    fn a_log_is_cut_between_characters_and_says_so() {
        let mut buffer = LogBuffer::new(4);
        write(&mut buffer, LogLevel::Info, "ab");
        write(&mut buffer, LogLevel::Error, "cüd");
        write(&mut buffer, LogLevel::Info, "x");
        let logged = buffer.finish();
        let lines: Vec<_> = logged.log.lines.iter().map(|l| &*l.message).collect();
        assert_eq!(lines, ["ab", "c"]);
        assert!(logged.log.truncated);
        assert_eq!(logged.written, 7);
        assert_eq!(logged.last_error.as_deref(), Some("cüd"));
    }

    #[test]
    fn empty_lines_are_bounded_too() {
        let mut buffer = LogBuffer::new(10);
        for _ in 0..LINES_MAX + 5 {
            write(&mut buffer, LogLevel::Debug, "");
        }
        let logged = buffer.finish();
        assert_eq!(logged.log.lines.len(), LINES_MAX);
        assert!(logged.log.truncated);
    }

    #[test]
    fn of_printed_errors_the_end_is_kept() {
        let mut buffer = LogBuffer::new(10);
        write(&mut buffer, LogLevel::Error, "logged");
        for line in ["Traceback:", &"x".repeat(1015), "Error: ü"] {
            let message = cut(line, buffer.room(LogLevel::Error)).to_owned();
            buffer.print(LogLevel::Error, &message, line.len());
            buffer.print(LogLevel::Info, "", 0);
        }
        let last = buffer.finish().last_error.unwrap();
        assert_eq!(last.len(), LAST_ERROR_BYTES_MAX);
        assert!(
            last.starts_with("x") && last.ends_with("x\nError: ü"),
            "{last}"
        );
    }

    #[test]
    fn exactly_the_limit_is_not_cut() {
        let mut buffer = LogBuffer::new(3);
        write(&mut buffer, LogLevel::Info, "abc");
        assert!(!buffer.finish().log.truncated);
    }
}
