//! Whether an attack ended as it must.

use ringfence_model::{Limits, Stop};
use ringfence_sandbox::{Prepared, RunReport, UploadError};

use crate::{Attack, End};

/// What any text about a guest may take, in bytes.
const TEXT_BYTES_MAX: usize = 8 * 1024;
/// Functions in a backtrace.
const FRAMES_MAX: usize = 32;
/// A function's name, in bytes.
const NAME_BYTES_MAX: usize = 256;

impl Attack {
    /// What is wrong with how its upload went.
    ///
    /// # Errors
    /// Says what.
    pub fn judge_upload(&self, uploaded: &Result<Prepared, UploadError>) -> Result<(), String> {
        let went = match uploaded {
            Err(UploadError::DescribeFailed(stop)) => {
                check_stop(stop, &self.limits)?;
                End::Describe(stop.code)
            }
            Err(error) => End::Upload(error.code().into()),
            Ok(_) if matches!(self.end, End::Handle(_) | End::Harmless) => return Ok(()),
            Ok(_) => return Err(format!("it must end with {}, and was accepted", self.end)),
        };
        let error = uploaded
            .as_ref()
            .expect_err("what was accepted is dealt with");
        check_text(&error.to_string())?;
        error.hint().ok_or("a refusal without a hint")?;
        match went == self.end {
            true => Ok(()),
            false => Err(format!("it must end with {}: {went}: {error}", self.end)),
        }
    }

    /// What is wrong with how its run went.
    ///
    /// # Errors
    /// Says what.
    pub fn judge_run(&self, report: &RunReport) -> Result<(), String> {
        let went = match &report.outcome {
            Ok(_) => End::Harmless,
            Err(stop) => {
                check_stop(stop, &self.limits)?;
                End::Handle(stop.code)
            }
        };
        let usage = &report.usage;
        at_most("fuel", usage.fuel, self.limits.fuel)?;
        at_most("memory", usage.memory_bytes, self.limits.memory_bytes)?;
        let lines = report.log.lines.iter();
        let kept = lines.map(|line| line.message.len() as u64).sum();
        at_most("bytes of log", kept, self.limits.log_bytes)?;
        at_most("lines of log", report.log.lines.len() as u64, 1024)?;
        at_most("recalled values", report.recalled.len() as u64, 256)?;
        match went == self.end {
            true => Ok(()),
            false => Err(format!("it must end with {}: {report:?}", self.end)),
        }
    }
}

fn at_most(what: &str, usage: u64, limit: u64) -> Result<(), String> {
    match usage <= limit {
        true => Ok(()),
        false => Err(format!("{usage} {what}; at most {limit} are allowed")),
    }
}

/// What every stop says: enough, and not more than can be shown anywhere.
fn check_stop(stop: &Stop, limits: &Limits) -> Result<(), String> {
    check_text(&stop.message)?;
    check_text(stop.hint.as_deref().ok_or("a stop without a hint")?)?;
    at_most("frames", stop.backtrace.len() as u64, FRAMES_MAX as u64)?;
    for frame in &stop.backtrace {
        let name = &frame.function;
        at_most("bytes in a name", name.len() as u64, NAME_BYTES_MAX as u64)?;
        check_text(name)?;
        if name.contains('\n') {
            return Err(format!("a name of two lines: {name:?}"));
        }
    }
    let over = stop.limit.zip(stop.usage);
    match over.is_none_or(|(limit, usage)| usage >= limit) {
        true => Ok(()),
        false => Err(format!("stopped below its limit: {stop:?}, {limits:?}")),
    }
}

/// A text that holds what the guest chose is bounded, and does nothing to a
/// terminal.
fn check_text(text: &str) -> Result<(), String> {
    at_most("bytes of text", text.len() as u64, TEXT_BYTES_MAX as u64)?;
    let plain = |c: char| !c.is_control() || c == '\n' || c == '\t';
    match !text.is_empty() && text.chars().all(plain) {
        true => Ok(()),
        false => Err(format!("not a text for people: {text:?}")),
    }
}
