//! Who runs: the seam between those who say what is to be run and the place
//! where it happens, which may be another process.

use std::io;
use std::sync::Arc;

use ringfence_model::{Limits, Manifest, RunLimits, Stop, StopCode, Usage, VersionId, excerpt};

use crate::{Prepared, RecallError, Run, RunReport, Sandbox, Sealed, UploadError};

/// What is kept of the evidence against a run, in bytes.
const EVIDENCE_BYTES_MAX: usize = 2048;

/// A run to make.
pub struct Task<'a> {
    /// The code.
    pub prepared: &'a Prepared,
    /// Everything else.
    pub run: Run<'a>,
}

/// Why there is no report of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunError {
    /// Remembered values cannot be read now.
    Recall(RecallError),
    /// There is no process to run it in now.
    Unavailable(String),
    /// Twice the process that ran it ended, the second time one that had run
    /// nothing else.
    Crashed(Crash),
    /// It was in a process that died, and then it was not wanted any more.
    Unwanted,
}

/// How a run ended the process that ran it, twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// How the process ended when it held this run and perhaps others.
    pub first: String,
    /// How the process ended that was started anew and ran nothing else.
    pub alone: String,
}

impl Crash {
    /// What it means for the run.
    pub fn stop(&self) -> Stop {
        let excerpt = |text: &str| excerpt(text, EVIDENCE_BYTES_MAX);
        Stop::new(
            StopCode::CrashedWorker,
            format!(
                "The process that ran the rule ended twice, the second time one that had run \
                 nothing else: {}. The first time: {}.",
                excerpt(&self.alone),
                excerpt(&self.first)
            ),
        )
        .hint(
            "Tell the operator: code in a sandbox should not be able to do this. A rule in force \
             that does it is in quarantine until it is activated again.",
        )
    }

    /// As a report. What the run used is not known, so it is charged all that
    /// it had.
    pub fn report(&self, run: &Run<'_>) -> RunReport {
        RunReport {
            outcome: Err(self.stop()),
            usage: Usage {
                fuel: run.fuel,
                ..Usage::default()
            },
            limits: RunLimits::of(run.limits, run.fuel),
            recalled: Vec::new(),
            asked_now: false,
            asked_random: false,
            log: ringfence_model::Log::default(),
        }
    }
}

/// Told how runs go.
pub trait Progress {
    /// A run ended, or did not take place. Each is told once, in order.
    fn ended(&mut self, index: usize, result: Result<RunReport, RunError>);

    /// Whether a run is still wanted that was in a process when it died.
    fn is_wanted(&mut self, index: usize) -> bool;
}

/// Makes runs, one after another. Each engine thread has one.
pub trait Runner: Send {
    /// How many tasks are worth giving it at once.
    fn at_once(&self) -> usize;

    /// Makes these runs, in order. What a run recalls is asked for after
    /// those before it were told as ended.
    fn run(&mut self, tasks: &[Task<'_>], progress: &mut dyn Progress);

    /// Looks whether all is well, while there is nothing to run. Called some
    /// times a second.
    fn tend(&mut self) {}
}

/// Where runs take place.
pub trait Runners: Send + Sync + 'static {
    /// Sets up a runner.
    ///
    /// # Errors
    /// When the host does not have what it takes.
    fn runner(&self) -> io::Result<Box<dyn Runner>>;

    /// Makes one run beside all runners, for somebody who waits for it.
    ///
    /// # Errors
    /// When it did not take place.
    fn run_aside(&self, task: &Task<'_>) -> Result<RunReport, RunError>;
}

/// Asks an upload's code for its manifest where the server's own process must
/// not run it.
pub trait Describer: Send + Sync + 'static {
    /// Its manifest, which the caller checks again.
    ///
    /// # Errors
    /// What is wrong with the upload.
    fn describe(
        &self,
        version: VersionId,
        code: &Arc<Sealed>,
        limits: &Limits,
    ) -> Result<Manifest, UploadError>;
}

/// Runs on the threads of this process.
#[derive(Clone)]
pub struct Threads(pub Sandbox);

impl Runner for Threads {
    fn at_once(&self) -> usize {
        1
    }

    fn run(&mut self, tasks: &[Task<'_>], progress: &mut dyn Progress) {
        for (index, task) in tasks.iter().enumerate() {
            progress.ended(index, self.run_aside(task));
        }
    }
}

impl Runners for Threads {
    fn runner(&self) -> io::Result<Box<dyn Runner>> {
        Ok(Box::new(self.clone()))
    }

    fn run_aside(&self, task: &Task<'_>) -> Result<RunReport, RunError> {
        let run = self.0.run(task.prepared, &task.run);
        run.map_err(RunError::Recall)
    }
}
