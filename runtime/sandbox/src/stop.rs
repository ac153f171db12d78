//! Tells why a run was stopped.

use std::fmt::{self, Write};
use std::time::Duration;

use ringfence_model::{Frame, Limits, Stop, StopCode, excerpt, grouped};
use wasmtime::{FrameInfo, Trap, WasmBacktrace};

use crate::bindings::Failure;
use crate::engine::WASM_STACK_BYTES;
use crate::log::cut;
use crate::memory::OutOfMemory;
use crate::rewrite::is_added;

/// What is kept of a text from the guest within a message, in bytes.
const TEXT_BYTES_MAX: usize = 2048;
/// What is kept of a function's name, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// What is known about a run that ended in an error.
pub(crate) struct Ending<'a> {
    /// Why, by wasmtime.
    pub(crate) error: &'a wasmtime::Error,
    /// The fuel that it had.
    pub(crate) fuel: u64,
    /// Its limits.
    pub(crate) limits: &'a Limits,
    /// How long it took.
    pub(crate) wall: Duration,
    /// The last line that it logged at level error: the SDK logs a panic's
    /// message so.
    pub(crate) last_error: Option<&'a str>,
    /// What one call could hand to the host, in bytes.
    pub(crate) liftable: u64,
}

impl Ending<'_> {
    /// As a stop.
    pub(crate) fn stop(&self) -> Stop {
        let backtrace = backtrace(self.error);
        let place = backtrace
            .first()
            .map(|frame| format!(" It was in `{}`.", frame.function))
            .unwrap_or_default();
        let mut stop = self.without_backtrace(&place);
        stop.backtrace = backtrace;
        stop
    }

    fn without_backtrace(&self, place: &str) -> Stop {
        if let Some(&OutOfMemory { limit, wanted }) = self.error.downcast_ref() {
            return out_of_memory(limit, wanted, place);
        }
        match self.error.downcast_ref() {
            Some(Trap::OutOfFuel) => out_of_fuel(self.fuel, place),
            Some(Trap::Interrupt) => deadline(self.limits.deadline_ms, self.wall, place),
            Some(Trap::StackOverflow) => stack_overflow(place),
            Some(trap) => self.trap(&trap.to_string()),
            None if too_much_lifted(self.error) => self.too_much_lifted(place),
            None => self.trap(&self.error.root_cause().to_string()),
        }
    }

    /// Either limit may have been the nearer one.
    fn too_much_lifted(&self, place: &str) -> Stop {
        let wanted = self.liftable.saturating_add(1);
        match self.liftable > self.limits.output_bytes {
            true => output_too_large(self.limits.output_bytes, wanted),
            false => {
                let limit = self.limits.memory_bytes;
                out_of_memory(limit, limit.saturating_add(1), place)
            }
        }
    }

    fn trap(&self, what: &str) -> Stop {
        let what = sentence(what.trim_start_matches("wasm trap: "));
        let logged = self
            .last_error
            .map(|text| excerpt(text.trim(), TEXT_BYTES_MAX));
        let message = match logged {
            Some(logged) => format!("The rule's code trapped: {what} Before, it logged: {logged}"),
            None => format!("The rule's code trapped: {what}"),
        };
        Stop::new(StopCode::Trap, message).hint(
            "The backtrace names the functions that were active; build without stripping names if it shows numbers. Run the rule on this event with `ringfence run` to look closer.",
        )
    }
}

/// Wasmtime's error for it is private, so it is known by its text; a test
/// holds on to that.
fn too_much_lifted(error: &wasmtime::Error) -> bool {
    error
        .root_cause()
        .to_string()
        .contains("fuel allocated for hostcalls has been exhausted")
}

fn out_of_fuel(fuel: u64, place: &str) -> Stop {
    let fuel_text = grouped(fuel);
    Stop::new(
        StopCode::OutOfFuel,
        format!("Used {fuel_text} of {fuel_text} fuel.{place}"),
    )
    .at(fuel, fuel)
    .hint(
        "Look for a loop that does not end; else do less work per event, or ask for a plan with more fuel.",
    )
}

fn deadline(limit: u64, wall: Duration, place: &str) -> Stop {
    let usage = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
    Stop::new(
        StopCode::Deadline,
        format!(
            "Ran for {} of {} milliseconds.{place}",
            grouped(usage),
            grouped(limit)
        ),
    )
    .at(limit, usage)
    .hint("Do less work per event. If the rule used little fuel, the host was busy: the same event may well succeed later.")
}

fn out_of_memory(limit: u64, wanted: u64, place: &str) -> Stop {
    Stop::new(
        StopCode::OutOfMemory,
        format!(
            "Asked for {} bytes of memory in all; at most {} are allowed.{place}",
            grouped(wanted),
            grouped(limit)
        ),
    )
    .at(limit, wanted)
    .hint("Look for a collection that grows without end; else hold less at once, or build with a smaller initial memory.")
}

fn stack_overflow(place: &str) -> Stop {
    Stop::new(
        StopCode::StackOverflow,
        format!(
            "The call stack used all of its {} bytes.{place}",
            grouped(WASM_STACK_BYTES)
        ),
    )
    .at(WASM_STACK_BYTES, WASM_STACK_BYTES)
    .hint("Look for a recursion that does not end, or turn it into a loop.")
}

/// Effects that are too large.
pub(crate) fn output_too_large(limit: u64, usage: u64) -> Stop {
    Stop::new(
        StopCode::OutputTooLarge,
        format!(
            "The rule returned {} bytes or more; at most {} are allowed for all effects together.",
            grouped(usage),
            grouped(limit)
        ),
    )
    .at(limit, usage)
    .hint("Return what changed instead of the whole record, or emit several smaller events over several runs.")
}

/// A failure that the rule returned.
pub(crate) fn rule_failed(failure: &Failure) -> Stop {
    let (kind, text, hint) = match failure {
        Failure::InvalidEvent(text) => (
            "invalid-event",
            text,
            "The event's data are not what the rule expects: correct its sender, or make the rule accept it.",
        ),
        Failure::InvalidConfig(text) => (
            "invalid-config",
            text,
            "The configuration is not what the rule expects: activate the rule with a corrected one.",
        ),
        Failure::Internal(text) => (
            "internal",
            text,
            "The rule reported this itself; its log may say more.",
        ),
    };
    let text = excerpt(text, TEXT_BYTES_MAX);
    Stop::new(
        StopCode::RuleFailed,
        format!("The rule failed ({kind}): {text}"),
    )
    .hint(hint)
}

fn backtrace(error: &wasmtime::Error) -> Vec<Frame> {
    error
        .downcast_ref::<WasmBacktrace>()
        .map(|trace| trace.frames().iter())
        .unwrap_or_default()
        .filter(|info| !info.func_name().is_some_and(is_added))
        .map(frame)
        .collect()
}

fn frame(info: &FrameInfo) -> Frame {
    // A name that shows nothing is none.
    let name = info.func_name().map(function_name);
    let name = name.filter(|name| !name.trim().is_empty());
    let function = name.unwrap_or_else(|| format!("function {}", info.func_index()));
    Frame {
        function,
        offset: info.module_offset().map(|offset| offset as u64),
    }
}

/// A function's name for people, on one line. The guest chose it.
fn function_name(name: &str) -> String {
    let mut beginning = Beginning(String::new());
    // The alternate form leaves out the hash. It fails where there is no more
    // room, and the beginning is what is wanted.
    let _ = write!(beginning, "{:#}", rustc_demangle::demangle(name));
    excerpt(&beginning.0.replace(['\n', '\t'], " "), NAME_BYTES_MAX)
}

/// Takes a name's beginning and refuses the rest: a hundred bytes can be
/// made to demangle to a megabyte.
struct Beginning(String);

impl fmt::Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = NAME_BYTES_MAX - self.0.len();
        self.0.push_str(cut(text, room));
        match text.len() <= room {
            true => Ok(()),
            false => Err(fmt::Error),
        }
    }
}

/// Ends a text from a library like a sentence.
fn sentence(text: &str) -> String {
    let text = excerpt(text.trim_end_matches('.'), TEXT_BYTES_MAX);
    format!("{text}.")
}
