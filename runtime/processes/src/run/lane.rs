//! A lane: one worker process and the thread that feeds it. When the process
//! dies, another takes its place, and the runs that it held are tried once
//! more, each alone.

use std::fmt;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use ringfence_model::{Entry, Event, Limits, Manifest, Recalled, VersionId};
use ringfence_sandbox::{
    Crash, Progress, RunError, RunReport, Runner, Sealed, Slot, Task, UploadError, read_report,
    write_run,
};

use super::loaded::{Loaded, Step};
use super::message::{
    self, ANSWER_BYTES_MAX, ASK, DESCRIBE, DESCRIBED, Describe, Described, FORGET, LOAD, Load,
    READY, REPORT, RUN, Ready, SETUP, Setup, broken, json, read_json, write_value,
};
use super::workers::Setting;
use crate::child::{Child, ChildKind};
use crate::confine::Layers;

/// Runs in one batch.
const BATCH_MAX: usize = 32;

/// Bytes of runs on their way to a worker. The socket holds as many: so
/// sending never waits for a worker that waits for its answers to be taken.
const BATCH_BYTES_MAX: u64 = 64 * 1024;

/// What a run takes on the way beside its texts, in bytes.
const RUN_BYTES: u64 = 256;

/// How long a worker may take beyond a run's deadline before it counts as
/// hung: it has bounded work of its own to do.
const GRACE: Duration = Duration::from_secs(5);

/// How long a worker may take to be ready.
const START: Duration = Duration::from_secs(20);

/// How often in a row a worker may be gone before it took anything.
const STARTS_MAX: u32 = 3;

/// Keys that one run may ask for; the worker stops it before.
const RECALLS_MAX: usize = 256;

/// One worker process after another.
pub(super) struct Lane {
    setting: Arc<Setting>,
    worker: Option<Worker>,
    /// Whether the worker owes answers.
    busy: bool,
}

struct Worker {
    child: Child,
    loaded: Loaded,
    layers: Layers,
    timeout: Duration,
}

/// Why a worker did not do what it was given.
enum Fault {
    /// There is none, and none can be started.
    None(io::Error),
    /// It was gone before it took anything.
    Gone,
    /// It died of what it did, or did not keep to what is agreed on. How, in
    /// words.
    Died(String),
}

impl Lane {
    pub(super) fn new(setting: Arc<Setting>) -> Self {
        Self {
            setting,
            worker: None,
            busy: false,
        }
    }

    /// What holds the worker. Starts one if there is none.
    pub(super) fn layers(&mut self) -> io::Result<Layers> {
        self.worker().map(|worker| worker.layers)
    }

    fn worker(&mut self) -> io::Result<&mut Worker> {
        if self.busy {
            // A panic came between it and its answers.
            self.worker = None;
            self.busy = false;
        }
        match &mut self.worker {
            Some(worker) => Ok(worker),
            none => Ok(none.insert(Worker::start(&self.setting)?)),
        }
    }

    /// Ends the worker and says how it ended.
    fn bury(&mut self, error: &io::Error) -> String {
        self.busy = false;
        let Some(worker) = self.worker.take() else {
            return "it was gone".to_owned();
        };
        let timeout = worker.timeout;
        let death = match worker.child.end() {
            Ok(death) => death.to_string(),
            Err(error) => format!("it is not known how: {error}"),
        };
        let how = match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                format!("it was killed, because nothing came from it for {timeout:?}")
            }
            // It had ended by itself.
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => death,
            _ => format!("it was ended: {error}; {death}"),
        };
        tracing::error!(how, "a worker process ended; another takes its place");
        how
    }

    /// Hands runs over and takes their reports. Answers how many runs ended.
    fn attempt(
        &mut self,
        tasks: &[Task<'_>],
        mut ended: impl FnMut(usize, Result<RunReport, RunError>),
    ) -> (usize, Result<(), Fault>) {
        let worker = match self.worker() {
            Ok(worker) => worker,
            Err(error) => return (0, Err(Fault::None(error))),
        };
        if !worker.child.is_alive() {
            self.bury(&gone());
            return (0, Err(Fault::Gone));
        }
        if let Err(error) = worker.send(tasks) {
            return (0, Err(Fault::Died(self.bury(&error))));
        }
        self.busy = true;
        for (index, task) in tasks.iter().enumerate() {
            let received = match &mut self.worker {
                Some(worker) => worker.receive(task),
                None => Err(gone()),
            };
            match received {
                Ok(result) => ended(index, result),
                Err(error) => return (index, Err(Fault::Died(self.bury(&error)))),
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
            if !worker.child.is_alive() {
                self.bury(&gone());
                continue;
            }
            match worker.describe(version, code, limits) {
                Ok(described) => return described,
                Err(error) => deaths.push(self.bury(&error)),
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

impl Runner for Lane {
    fn at_once(&self) -> usize {
        BATCH_MAX
    }

    fn run(&mut self, tasks: &[Task<'_>], progress: &mut dyn Progress) {
        let mut next = 0;
        let mut gone = 0;
        // How the worker died that held the runs before this one.
        let mut held: Option<(usize, String)> = None;
        while next < tasks.len() {
            let death = match &held {
                Some((until, death)) if next < *until => Some(death.clone()),
                _ => None,
            };
            let count = match death {
                Some(_) if !progress.is_wanted(next) => {
                    progress.ended(next, Err(RunError::Unwanted));
                    next += 1;
                    continue;
                }
                Some(_) => 1,
                None => window(&tasks[next..]),
            };
            let batch = &tasks[next..next + count];
            let (done, end) =
                self.attempt(batch, |index, result| progress.ended(next + index, result));
            next += done;
            if done > 0 {
                gone = 0;
            }
            match (end, death) {
                (Ok(()), _) => {}
                (Err(Fault::Died(alone)), Some(first)) => {
                    let crash = Crash { first, alone };
                    progress.ended(next, Err(RunError::Crashed(crash)));
                    next += 1;
                }
                (Err(Fault::Died(death)), None) => held = Some((next + count - done, death)),
                (Err(Fault::Gone), _) if gone < STARTS_MAX => gone += 1,
                (Err(fault), _) => {
                    for index in next..tasks.len() {
                        let why = RunError::Unavailable(fault.to_string());
                        progress.ended(index, Err(why));
                    }
                    return;
                }
            }
        }
    }

    fn tend(&mut self) {
        let is_gone = |worker: &mut Worker| !worker.child.is_alive();
        if self.worker.as_mut().is_some_and(is_gone) {
            self.bury(&gone());
        }
        if let Err(error) = self.worker() {
            tracing::error!(%error, "a worker process cannot be started");
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

impl Worker {
    /// Starts one and waits until it has confined itself.
    fn start(setting: &Setting) -> io::Result<Self> {
        let config = &setting.config;
        let mut child = Child::start(&setting.program, ChildKind::Run, ANSWER_BYTES_MAX)?;
        let layers = set_up(&mut child, setting);
        let layers = match layers {
            Ok(layers) => layers,
            Err(error) => {
                let how = child.end()?;
                return Err(io::Error::other(format!(
                    "a worker process does not start: {error}; {how}"
                )));
            }
        };
        Ok(Self {
            child,
            loaded: Loaded::new(config.code_bytes_max),
            layers,
            timeout: START,
        })
    }

    /// Sends all of a batch. Only the code that it needs may make it wait.
    fn send(&mut self, tasks: &[Task<'_>]) -> io::Result<()> {
        let deadlines = tasks.iter().map(|task| task.run.limits.deadline_ms);
        self.wait_at_most(deadlines.max().unwrap_or(0))?;
        for task in tasks {
            let prepared = task.prepared;
            let code = prepared.sealed();
            let code = code.ok_or_else(|| broken("code that is in this process"))?;
            let slot = self.load(prepared.version(), code)?;
            let mut written = Ok(());
            self.child.channel.push(|out| {
                out.push(RUN);
                out.extend_from_slice(&slot.to_le_bytes());
                written = write_run(&task.run, out);
            })?;
            written.map_err(io::Error::other)?;
        }
        self.child.channel.flush()
    }

    /// Sees to it that the worker has code, and answers what it is called.
    fn load(&mut self, version: VersionId, code: &Sealed) -> io::Result<Slot> {
        let (forget, slot) = match self.loaded.want(version, code.bytes()) {
            Step::Ready(slot) => return Ok(slot),
            Step::Load { forget, slot } => (forget, slot),
        };
        let channel = &mut self.child.channel;
        for slot in forget {
            channel.push(|out| {
                out.push(FORGET);
                out.extend_from_slice(&slot.to_le_bytes());
            })?;
        }
        channel.flush()?;
        let layout = code.layout();
        let load = Load { slot, layout };
        channel.push(json(LOAD, &load))?;
        channel.flush_with(code.as_fd())?;
        Ok(slot)
    }

    /// Waits for the report of a run, and answers what it asks for.
    fn receive(&mut self, task: &Task<'_>) -> io::Result<Result<RunReport, RunError>> {
        let (mut recalled, mut failed) = (Vec::<Recalled>::new(), None);
        loop {
            let Some(frame) = self.child.channel.next()? else {
                return Err(gone());
            };
            match message::kind(frame)? {
                (REPORT, report) => {
                    if let Some(error) = failed {
                        return Ok(Err(RunError::Recall(error)));
                    }
                    let manifest = task.prepared.manifest();
                    let report = read_report(report, &task.run, manifest, recalled);
                    let report = report.map_err(io::Error::other)?;
                    return report
                        .map(Ok)
                        .ok_or_else(|| broken("a run was given up without a reason"));
                }
                (ASK, key) => {
                    let key = check_key(key, &recalled)?.to_owned();
                    let value = task.run.recall.recall(&key);
                    let channel = &mut self.child.channel;
                    let told = value.as_ref().ok().map(Option::as_ref);
                    channel.push(|out| write_value(told, out))?;
                    channel.flush()?;
                    match value {
                        Ok(value) => recalled.push(Recalled { key, value }),
                        Err(error) => failed = Some(error),
                    }
                }
                _ => return Err(broken("an answer of a kind that is not known")),
            }
        }
    }

    fn describe(
        &mut self,
        version: VersionId,
        code: &Sealed,
        limits: &Limits,
    ) -> io::Result<Described> {
        self.wait_at_most(limits.deadline_ms)?;
        let slot = self.load(version, code)?;
        let limits = limits.clone();
        let channel = &mut self.child.channel;
        channel.push(json(DESCRIBE, &Describe { slot, limits }))?;
        channel.flush()?;
        let Some(frame) = channel.next()? else {
            return Err(gone());
        };
        match message::kind(frame)? {
            (DESCRIBED, described) => read_json(described),
            _ => Err(broken("an answer of a kind that is not known")),
        }
    }

    /// Bounds how long each answer is waited for, by the longest of the
    /// deadlines: a short run's answer may be sent after a long run.
    fn wait_at_most(&mut self, deadline_ms: u64) -> io::Result<()> {
        let timeout = Duration::from_millis(deadline_ms) + GRACE;
        if self.timeout != timeout {
            self.timeout = timeout;
            self.child.channel.set_timeout(Some(timeout))?;
        }
        Ok(())
    }
}

fn set_up(child: &mut Child, setting: &Setting) -> io::Result<Layers> {
    let config = &setting.config;
    let channel = &mut child.channel;
    channel.set_timeout(Some(START))?;
    let setup = Setup {
        memory_bytes_max: config.memory_bytes_max,
        headroom_bytes: config.headroom_bytes,
        reserve_growth: config.reserve_growth,
        tenant_data: config.tenant_data.is_some(),
    };
    channel.push(json(SETUP, &setup))?;
    match &config.tenant_data {
        Some(folder) => channel.flush_with(folder.as_fd())?,
        None => channel.flush()?,
    }
    let Some(frame) = channel.next()? else {
        return Err(gone());
    };
    match message::kind(frame)? {
        (READY, ready) => read_json::<Ready>(ready).map(|ready| ready.layers),
        _ => Err(broken("an answer of a kind that is not known")),
    }
}

/// What the worker's own checks let through.
fn check_key<'a>(key: &'a [u8], recalled: &[Recalled]) -> io::Result<&'a str> {
    let key = std::str::from_utf8(key).map_err(|_| broken("a key that is not text"))?;
    let asked = recalled.iter().any(|known| known.key == key);
    if asked || key.len() > Entry::KEY_BYTES_MAX || recalled.len() >= RECALLS_MAX {
        return Err(broken("a key that may not be asked for"));
    }
    Ok(key)
}

fn gone() -> io::Error {
    io::Error::from(ErrorKind::UnexpectedEof)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None(error) => write!(f, "there is no worker process: {error}"),
            Self::Gone => f.write_str("worker processes end at once"),
            Self::Died(how) => write!(f, "the worker process died: {how}"),
        }
    }
}
