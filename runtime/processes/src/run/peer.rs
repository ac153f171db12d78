//! The server's end of one worker process: what it is told, and what it
//! answers, which is not trusted.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use ringfence_model::{Entry, Limits, Recalled, VersionId};
use ringfence_sandbox::{
    Left, RECALLS_MAX, RunError, RunReport, Sealed, Slot, Task, read_report, write_run,
};

use super::ending::Ending;
use super::interrupt::OfLane;
use super::loaded::{Loaded, Step};
use super::message::{
    self, ASK, DESCRIBE, DESCRIBED, DESCRIBED_BYTES_MAX, Describe, Described, FORGET, LOAD, Load,
    READY, REPORT, RUN, Ready, SETUP, Setup, WORD, broken, json, read_json, write_place,
    write_value,
};
use super::word::SharedWord;
use super::workers::Setting;
use crate::child::{Child, ChildKind};
use crate::confine::Layers;
use crate::timer::Timer;

/// How long a worker may take beyond a run's deadline before it counts as
/// hung: it has bounded work of its own to do.
const GRACE: Duration = Duration::from_secs(5);

/// How long a worker may take to be ready.
const START: Duration = Duration::from_secs(20);

/// What a report takes beside its effects and its log, or instead of them: a
/// stop's texts, what is lifted for one, lines and lists.
const REPORT_ROOM_BYTES: usize = 4 * 1024 * 1024;

/// A worker that is set up.
pub(super) struct Worker {
    child: Child,
    loaded: Loaded,
    layers: Layers,
    timeout: Duration,
    /// Whether it was given anything to run.
    used: bool,
}

impl Worker {
    /// What holds it.
    pub(super) fn layers(&self) -> Layers {
        self.layers
    }

    /// Whether it lives.
    pub(super) fn is_alive(&mut self) -> bool {
        self.child.is_alive()
    }

    /// Ends it, if it has not ended, and says how it did: by itself, or
    /// because of this error.
    pub(super) fn end(self, error: &io::Error) -> Ending {
        Ending::of(error, self.child.end(), self.timeout)
    }

    /// Whether it was given anything to run.
    pub(super) fn is_used(&self) -> bool {
        self.used
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts one, which gives way to the server or not, and waits until it has
    /// confined itself. From then on its runs can be ended.
    pub(super) fn start(
        setting: &Setting,
        gives_way: bool,
        interrupter: &OfLane,
    ) -> io::Result<Self> {
        let config = &setting.config;
        let mut child = Child::start(&setting.program, ChildKind::Run, DESCRIBED_BYTES_MAX)?;
        if gives_way {
            child.give_way();
        }
        let word = Arc::new(SharedWord::new()?);
        let socket = child.channel.socket()?;
        let layers = set_up(&mut child, setting, &word);
        let layers = match layers {
            Ok(layers) => layers,
            Err(error) => {
                let how = child.end()?;
                return Err(io::Error::other(format!(
                    "a worker process does not start: {error}; {how}"
                )));
            }
        };
        interrupter.started(word, socket);
        Ok(Self {
            child,
            loaded: Loaded::new(config.code_bytes_max),
            layers,
            timeout: START,
            used: false,
        })
    }

    /// Sends all of a batch, or a part of it that begins with the run at this
    /// place. Only the code that it needs may make it wait.
    pub(super) fn send(
        &mut self,
        tasks: &[Task<'_>],
        (batch, first): (u32, usize),
    ) -> io::Result<()> {
        self.used = true;
        let deadlines = tasks.iter().map(|task| task.run.limits.deadline_ms);
        self.wait_at_most(deadlines.max().unwrap_or(0));
        for (index, task) in (first..).zip(tasks) {
            let prepared = task.prepared;
            let code = prepared.sealed();
            let code = code.ok_or_else(|| broken("code that is in this process"))?;
            let slot = self.load(prepared.version(), code)?;
            let mut written = Ok(());
            self.child.channel.push(|out| {
                out.push(RUN);
                out.extend_from_slice(&slot.to_le_bytes());
                write_place(batch, index, out);
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
    /// `is_to_end` says whether it was asked to end.
    pub(super) fn receive(
        &mut self,
        task: &Task<'_>,
        is_to_end: impl Fn() -> bool,
    ) -> io::Result<Result<RunReport, RunError>> {
        let (mut recalled, mut failed) = (Vec::<Recalled>::new(), None);
        let mut timer = Timer::after(self.timeout);
        self.child.channel.set_timer(timer);
        self.child
            .channel
            .set_frame_bytes_max(report_bytes_max(task.run.limits));
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
                    let left = read_report(report, &task.run, manifest, recalled);
                    return match left.map_err(io::Error::other)? {
                        Left::Report(report) => Ok(Ok(*report)),
                        Left::Interrupted { fuel } if is_to_end() => {
                            Ok(Err(RunError::of_interrupt(fuel)))
                        }
                        Left::Interrupted { .. } | Left::Abandoned => {
                            Err(broken("a run was given up without a reason"))
                        }
                    };
                }
                (ASK, key) => {
                    if failed.is_some() {
                        return Err(broken("a key after one that could not be read"));
                    }
                    let key = check_key(key, &recalled)?.to_owned();
                    // How long we take is not its time.
                    let left = timer.left().ok_or(ErrorKind::TimedOut)?;
                    let value = task.run.recall.recall(&key);
                    timer = Timer::after(left);
                    let channel = &mut self.child.channel;
                    channel.set_timer(timer);
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

    /// Asks code for its manifest.
    pub(super) fn describe(
        &mut self,
        version: VersionId,
        code: &Sealed,
        limits: &Limits,
    ) -> io::Result<Described> {
        self.used = true;
        self.wait_at_most(limits.deadline_ms);
        self.child.channel.set_frame_bytes_max(DESCRIBED_BYTES_MAX);
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
    fn wait_at_most(&mut self, deadline_ms: u64) {
        self.timeout = Duration::from_millis(deadline_ms) + GRACE;
        self.child.channel.set_timer(Timer::after(self.timeout));
    }
}

fn set_up(child: &mut Child, setting: &Setting, word: &SharedWord) -> io::Result<Layers> {
    let config = &setting.config;
    let channel = &mut child.channel;
    channel.set_timer(Timer::after(START));
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
    channel.push(|out| out.push(WORD))?;
    channel.flush_with(word.as_fd())?;
    let Some(frame) = channel.next()? else {
        return Err(gone());
    };
    match message::kind(frame)? {
        (READY, ready) => read_json::<Ready>(ready).map(|ready| ready.layers),
        _ => Err(broken("an answer of a kind that is not known")),
    }
}

/// The largest report of a run with these limits. A worker that says more is
/// not read.
fn report_bytes_max(limits: &Limits) -> usize {
    let said = limits.output_bytes.saturating_add(limits.log_bytes);
    usize::try_from(said).map_or(usize::MAX, |said| said.saturating_add(REPORT_ROOM_BYTES))
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

/// The worker is not there any more.
pub(super) fn gone() -> io::Error {
    io::Error::from(ErrorKind::UnexpectedEof)
}
