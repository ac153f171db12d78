//! What people see: data on stdout, everything else on stderr. Colour only
//! on a terminal, and not with `NO_COLOR`; `anstream` sees to that.

use std::fmt::{self, Display};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, Error, Result};
use ringfence_model::{Meter, RunLimits, Usage, grouped};

use crate::error::hints;

/// What went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What did not.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What to do next.
pub(crate) const NOTE: Style = AnsiColor::Cyan.on_default().bold();
/// What matters.
pub(crate) const STRONG: Style = Style::new().bold();
/// What matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// A line of data.
pub(crate) fn print(text: impl Display) -> Result<()> {
    writeln!(anstream::stdout().lock(), "{text}").context("cannot write to stdout")
}

/// A value for programs.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, value)
        .map_err(io::Error::from)
        .and_then(|()| writeln!(stdout))
        .context("cannot write to stdout")
}

/// A line for people.
pub(crate) fn say(text: impl Display) {
    // If stderr is gone, nobody is there to be told so.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// A line for people about something that is not wrong yet.
pub(crate) fn warn(text: impl Display) {
    say(format_args!("{NOTE}note:{NOTE:#} {text}"));
}

/// What a run came near to, for people: `fuel: 8,500,000 of 10,000,000`.
pub(crate) fn near(meter: Meter, usage: &Usage, limits: &RunLimits) -> String {
    let (used, limit) = meter.reading(usage, limits);
    let text: fn(u64) -> String = match meter {
        Meter::Fuel | Meter::Effects => |n| Grouped(n).to_string(),
        Meter::DeadlineMs => |n| Millis(n).to_string(),
        Meter::MemoryBytes | Meter::OutputBytes | Meter::LogBytes => |n| Size(n).to_string(),
    };
    format!(
        "near its limit `{}`: {} of {} ({} %)",
        meter.limit_name(),
        text(used),
        text(limit),
        meter.percent(usage, limits)
    )
}

/// Why the command could not do its work, and what to do next.
pub(crate) fn explain(error: &Error) {
    say(format_args!("{BAD}error:{BAD:#} {error}"));
    // Some libraries' errors repeat their cause.
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if cause != said {
            say(format_args!("  because: {cause}"));
        }
        said = cause;
    }
    for hint in hints(error) {
        say(format_args!("{NOTE}hint:{NOTE:#} {hint}"));
    }
}

/// A number with commas between groups of three digits.
pub(crate) struct Grouped(pub(crate) u64);

impl Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&grouped(self.0))
    }
}

/// A size in the unit that reads best.
pub(crate) struct Size(pub(crate) u64);

impl Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KIB: u64 = 1024;
        const MIB: u64 = 1024 * KIB;
        let (bytes, exact) = (self.0, self.0 as f64);
        let text = match bytes {
            MIB.. if bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
            MIB.. => format!("{:.1} MiB", exact / MIB as f64),
            KIB.. if bytes.is_multiple_of(KIB) => format!("{} KiB", bytes / KIB),
            KIB.. => format!("{:.1} KiB", exact / KIB as f64),
            _ => format!("{bytes} B"),
        };
        f.pad(&text)
    }
}

/// A time in milliseconds.
pub(crate) struct Millis(pub(crate) u64);

impl Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0 as f64 / 1000.0;
        let decimals = match self.0 {
            0..1_000 => 3,
            1_000..100_000 => 1,
            _ => 0,
        };
        f.pad(&format!("{millis:.decimals$} ms"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(Grouped(number).to_string(), text);
        }
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (120_505, "117.7 KiB"),
            (32 << 20, "32 MiB"),
            (1_100_000, "1.0 MiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
        for (micros, text) in [
            (0, "0.000 ms"),
            (57, "0.057 ms"),
            (1_234, "1.2 ms"),
            (250_000, "250 ms"),
        ] {
            assert_eq!(Millis(micros).to_string(), text);
        }
    }
}
