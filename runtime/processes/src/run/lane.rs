//! A lane: one worker process and the thread that feeds it. When the process
//! dies, another takes its place, and the runs that it held are tried once
//! more, each alone.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ringfence_model::{Event, Limits, Manifest, VersionId};
use ringfence_sandbox::{
    BATCH_RUNS_MAX, Crash, Interrupter, Progress, RunError, RunReport, Runner, Sealed, Task,
    UploadError,
};

use super::ending::{Cause, Ending};
use super::interrupt::OfLane;
use super::peer::{Worker, gone};
use super::workers::Setting;
use crate::confine::Layers;
use crate::timer::Timer;

/// Runs in one batch: as many as can be told apart.
const BATCH_MAX: usize = BATCH_RUNS_MAX;

/// Bytes of runs on their way to a worker. The socket holds as many: so
/// sending never waits for a worker that waits for its answers to be taken.
const BATCH_BYTES_MAX: u64 = 64 * 1024;

/// What a run takes on the way beside its texts, in bytes.
const RUN_BYTES: u64 = 256;

/// How often in a row a worker may be gone before it took anything.
const STARTS_MAX: u32 = 3;

/// How many workers somebody may kill that run nothing but one run, before that
/// is the run's end: a run must not end workers for ever.
const KILLS_MAX: u32 = 5;

/// How often it is said that no worker can be started.
const SAID_AGAIN: Duration = Duration::from_secs(10);

/// One worker process after another.
pub(super) struct Lane {
    setting: Arc<Setting>,
    /// Whether its workers give way to the server.
    gives_way: bool,
    worker: Option<Worker>,
    interrupter: Arc<OfLane>,
    /// Whether the worker owes answers.
    busy: bool,
    /// Until when it is not said again that no worker can be started.
    said: Option<Timer>,
}

/// Why a worker did not do what it was given.
enum Fault {
    /// There is none, and none can be started.
    None(io::Error),
    /// It was gone before it took anything.
    Gone,
    /// It ended with what it was given.
    Died(Death),
}

/// How a worker ended with what it was given.
#[derive(Clone)]
struct Death {
    ending: Ending,
    /// Whether it had been given nothing before.
    fresh: bool,
}

/// What is known of runs whose worker ended.
struct Held {
    /// The first run that it did not hold.
    until: usize,
    /// How it ended.
    first: String,
    /// Workers that somebody killed while they ran nothing but the next run.
    kills: u32,
}

impl Lane {
    pub(super) fn new(setting: Arc<Setting>) -> Self {
        Self {
            setting,
            gives_way: true,
            worker: None,
            interrupter: Arc::default(),
            busy: false,
            said: None,
        }
    }

    /// One whose workers do not give way to the server.
    pub(super) fn express(setting: Arc<Setting>) -> Self {
        Self {
            gives_way: false,
            ..Self::new(setting)
        }
    }

    /// What holds the worker. Starts one if there is none.
    pub(super) fn layers(&mut self) -> io::Result<Layers> {
        self.worker().map(|worker| worker.layers())
    }

    fn worker(&mut self) -> io::Result<&mut Worker> {
        if self.busy {
            // A panic came between it and its answers.
            self.worker = None;
            self.busy = false;
            self.interrupter.ended();
        }
        match &mut self.worker {
            Some(worker) => Ok(worker),
            none => {
                let (setting, interrupter) = (&self.setting, &self.interrupter);
                Ok(none.insert(Worker::start(setting, self.gives_way, interrupter)?))
            }
        }
    }

    /// Ends the worker and says how it ended, with so many runs.
    fn bury(&mut self, error: &io::Error, runs: usize) -> Ending {
        self.busy = false;
        let Some(worker) = self.worker.take() else {
            return Ending {
                cause: Cause::Server,
                how: "it was gone".to_owned(),
            };
        };
        let process = worker.id();
        let mut ending = worker.end(error);
        if self.interrupter.ended() {
            ending.cause = Cause::Somebody;
            ending.how = "it was ended, because a run in it was to end and did not".to_owned();
        }
        tracing::error!(process, runs, how = %ending, "a worker process ended; another takes its place");
        ending
    }

    /// Takes leave of a worker that has ended.
    pub(super) fn reap(&mut self) {
        let is_gone = |worker: &mut Worker| !worker.is_alive();
        if self.worker.as_mut().is_some_and(is_gone) {
            self.bury(&gone(), 0);
        }
    }

    /// Hands runs over, of which the first has this place in its batch, and
    /// takes their reports. Answers how many runs ended.
    fn attempt(
        &mut self,
        tasks: &[Task<'_>],
        first: usize,
        mut ended: impl FnMut(usize, Result<RunReport, RunError>),
    ) -> (usize, Result<(), Fault>) {
        let interrupter = Arc::clone(&self.interrupter);
        let worker = match self.worker() {
            Ok(worker) => worker,
            Err(error) => return (0, Err(Fault::None(error))),
        };
        if !worker.is_alive() {
            self.bury(&gone(), 0);
            return (0, Err(Fault::Gone));
        }
        let fresh = !worker.is_used();
        if let Err(error) = worker.send(tasks, (interrupter.batch(), first)) {
            let ending = self.bury(&error, tasks.len());
            return (0, Err(Fault::Died(Death { ending, fresh })));
        }
        self.busy = true;
        for (index, task) in tasks.iter().enumerate() {
            let received = match &mut self.worker {
                Some(worker) => worker.receive(task, || interrupter.is_raised(first + index)),
                None => Err(gone()),
            };
            match received {
                Ok(result) => ended(index, result),
                Err(error) => {
                    let ending = self.bury(&error, tasks.len() - index);
                    return (index, Err(Fault::Died(Death { ending, fresh })));
                }
            }
        }
        self.busy = false;
        (tasks.len(), Ok(()))
    }

    /// Asks code for its manifest.
    pub(super) fn describe(
        &mut self,
        version: VersionId,
        code: &Arc<Sealed>,
        limits: &Limits,
    ) -> Result<Manifest, UploadError> {
        let unavailable = |error: io::Error| UploadError::Unavailable(error.to_string());
        let mut deaths = Vec::new();
        for _ in 0..STARTS_MAX {
            let worker = self.worker().map_err(unavailable)?;
            if !worker.is_alive() {
                self.bury(&gone(), 0);
                continue;
            }
            let described = match worker.describe(version, code, limits) {
                Ok(described) => return described,
                Err(error) => self.bury(&error, 1),
            };
            match described.cause {
                // The worker after the first was started for this.
                Cause::Itself => deaths.push(described.how),
                Cause::Somebody => {}
                Cause::Server => return Err(unavailable(io::Error::other(described.how))),
            }
            if let [first, alone] = &mut deaths[..] {
                let (first, alone) = (std::mem::take(first), std::mem::take(alone));
                let stop = Crash { first, alone }.stop();
                return Err(UploadError::DescribeFailed(Box::new(stop)));
            }
        }
        Err(unavailable(io::Error::other("workers end at once")))
    }
}

impl Held {
    fn new(until: usize, death: &Death) -> Self {
        Self {
            until,
            first: death.ending.to_string(),
            kills: 0,
        }
    }

    /// Whether the run is to blame with which another worker ended. One that
    /// had run something before says nothing: that may have broken it.
    fn blame(&mut self, death: &Death) -> Option<Crash> {
        if !death.fresh {
            return None;
        }
        let mut alone = death.ending.to_string();
        if death.ending.cause == Cause::Somebody {
            self.kills += 1;
            if self.kills < KILLS_MAX {
                return None;
            }
            alone = format!(
                "{alone}, as {KILLS_MAX} workers in a row were, by somebody or because the host is \
                 short of memory"
            );
        }
        self.kills = 0;
        let first = self.first.clone();
        Some(Crash { first, alone })
    }
}

impl Runner for Lane {
    fn at_once(&self) -> usize {
        BATCH_MAX
    }

    fn run(&mut self, tasks: &[Task<'_>], progress: &mut dyn Progress) {
        let mut next = 0;
        let mut gone = 0;
        let mut held: Option<Held> = None;
        while next < tasks.len() {
            held = held.filter(|held| next < held.until);
            let is_to_end = self.interrupter.is_raised(next);
            if is_to_end || held.is_some() && !progress.is_wanted(next) {
                progress.ended(next, Err(RunError::Unwanted));
                next += 1;
                // They were of this run, and not of the next.
                held.iter_mut().for_each(|held| held.kills = 0);
                continue;
            }
            let count = match held {
                Some(_) => 1,
                None => window(&tasks[next..]),
            };
            let batch = &tasks[next..next + count];
            let (done, end) = self.attempt(batch, next, |index, result| {
                progress.ended(next + index, result);
            });
            let until = next + count;
            next += done;
            if done > 0 {
                gone = 0;
                held.iter_mut().for_each(|held| held.kills = 0);
            }
            match end {
                Ok(()) => {}
                Err(Fault::Gone) if gone < STARTS_MAX => gone += 1,
                Err(Fault::Died(death)) if death.ending.cause != Cause::Server => match &mut held {
                    Some(held) => {
                        if let Some(crash) = held.blame(&death) {
                            progress.ended(next, Err(RunError::Crashed(crash)));
                            next += 1;
                        }
                    }
                    None => held = Some(Held::new(until, &death)),
                },
                Err(fault) => {
                    for index in next..tasks.len() {
                        let why = RunError::Unavailable(fault.to_string());
                        progress.ended(index, Err(why));
                    }
                    return;
                }
            }
        }
    }

    fn interrupter(&self) -> Arc<dyn Interrupter> {
        Arc::clone(&self.interrupter) as _
    }

    fn tend(&mut self) {
        self.reap();
        match self.layers() {
            Ok(_) => self.said = None,
            Err(error) if self.said.is_none_or(|said| said.left().is_none()) => {
                self.said = Some(Timer::after(SAID_AGAIN));
                tracing::error!(%error, "a worker process cannot be started");
            }
            Err(_) => {}
        }
    }
}

/// How many of these runs may be on their way together.
fn window(tasks: &[Task<'_>]) -> usize {
    let mut bytes = 0;
    let fits = tasks.iter().take_while(|task| {
        bytes += RUN_BYTES + Event::size(task.run.event) + task.run.config.size();
        bytes <= BATCH_BYTES_MAX
    });
    fits.count().max(1)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None(error) => write!(f, "there is no worker process: {error}"),
            Self::Gone => f.write_str("worker processes end at once"),
            Self::Died(death) => write!(f, "the worker process died: {}", death.ending),
        }
    }
}
