//! Who runs: the seam between those who say what is to be run and the place
//! where it happens, which may be another process.

use std::io;
use std::sync::Arc;

use ringfence_model::{Limits, Manifest, RunLimits, Stop, StopCode, Usage, VersionId, excerpt};

use crate::interrupt::OfThread;
use crate::raw::GivenUp;
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
    /// It had not begun, or was in a process that died, and then it was not
    /// wanted any more.
    Unwanted,
    /// It was to end, and has ended without a result.
    Interrupted {
        /// What it used.
        fuel: u64,
    },
}

impl RunError {
    pub(crate) fn of_given_up(why: GivenUp) -> Self {
        match why {
            GivenUp::Recall(error) => Self::Recall(error),
            GivenUp::Interrupted { fuel } => Self::of_interrupt(fuel),
        }
    }

    /// A run was to end, after so much fuel; after none, it had not begun.
    pub fn of_interrupt(fuel: u64) -> Self {
        match fuel {
            0 => Self::Unwanted,
            fuel => Self::Interrupted { fuel },
        }
    }
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

/// Ends runs that a runner makes, from other threads: they end within some
/// milliseconds, without a result, and are told as such. So can those that did
/// not begin yet.
pub trait Interrupter: Send + Sync {
    /// Other runs are made from now on: what was asked for is over.
    fn begin(&self);

    /// Asks the run at this index of those that are made now to end.
    fn interrupt(&self, index: usize);

    /// One that was asked to end has not: ends what it is in, if it is in
    /// something of its own.
    fn force(&self);
}

/// Makes runs, one after another. Each engine thread has one.
pub trait Runner: Send {
    /// How many tasks are worth giving it at once.
    fn at_once(&self) -> usize;

    /// Makes these runs, in order. What a run recalls is asked for after
    /// those before it were told as ended.
    fn run(&mut self, tasks: &[Task<'_>], progress: &mut dyn Progress);

    /// What ends its runs.
    fn interrupter(&self) -> Arc<dyn Interrupter>;

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

    /// Sets up a runner for short runs, which goes before others where they
    /// want the same cores.
    ///
    /// # Errors
    /// When the host does not have what it takes.
    fn express_runner(&self) -> io::Result<Box<dyn Runner>> {
        self.runner()
    }

    /// Whether runs are made on threads of this process, so that its CPU time is
    /// also theirs.
    fn are_in_this_process(&self) -> bool {
        true
    }
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

/// Runs on one of them.
struct Thread {
    sandbox: Sandbox,
    interrupter: Arc<OfThread>,
}

impl Runner for Thread {
    fn at_once(&self) -> usize {
        1
    }

    fn run(&mut self, tasks: &[Task<'_>], progress: &mut dyn Progress) {
        for (index, task) in tasks.iter().enumerate() {
            let signal = self.interrupter.signal(index);
            let run = self.sandbox.run_until(task.prepared, &task.run, &signal);
            progress.ended(index, run);
        }
    }

    fn interrupter(&self) -> Arc<dyn Interrupter> {
        Arc::clone(&self.interrupter) as _
    }
}

impl Runners for Threads {
    fn runner(&self) -> io::Result<Box<dyn Runner>> {
        Ok(Box::new(Thread {
            sandbox: self.0.clone(),
            interrupter: Arc::new(self.0.interrupter()),
        }))
    }
}
