//! The worker's side: a process that runs rules and can do nothing else.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use cap_std::fs::Dir;
use ringfence_model::Json;
use ringfence_sandbox::{Pause, Recall, RecallError, SandboxConfig, Site, Slot};

use super::courier::Courier;
use super::message::{
    self, ASK, DESCRIBE, DESCRIBED, Describe, FORGET, LOAD, Load, MESSAGE_BYTES_MAX, READY, REPORT,
    RUN, Ready, SETUP, Setup, VALUE, WORD, broken, json, read_json, read_value,
};
use super::word::SharedWord;
use crate::channel::Channel;
use crate::child::own_channel_with_descriptors;
use crate::confine::{self, Bounds, Calls, Layers, STATUS};

/// Answers are sent when there are so many bytes of them,
const ANSWER_BYTES: usize = 32 * 1024;
/// or when the runs since the last took so long, in microseconds: whoever
/// waits for the first of a batch must not wait for all of it.
const ANSWER_US: u64 = 1_000;

/// The way to the server. Shared with the runs, which ask it for remembered
/// values.
pub(super) struct Link {
    channel: Mutex<Channel>,
    /// What came while a run waited for an answer.
    stash: Mutex<VecDeque<Vec<u8>>>,
    /// Stops the deadlines' clock.
    pause: Pause,
}

impl Link {
    fn channel(&self) -> MutexGuard<'_, Channel> {
        lock(&self.channel)
    }

    /// The channel, if nobody has it.
    pub(super) fn try_channel(
        &self,
    ) -> Result<MutexGuard<'_, Channel>, TryLockError<MutexGuard<'_, Channel>>> {
        self.channel.try_lock()
    }

    /// Sends what is there, and waits for the answer to a question.
    fn ask(&self, key: &str) -> io::Result<Option<Option<Json>>> {
        let channel = &mut *self.channel();
        channel.push(|out| {
            out.push(ASK);
            out.extend_from_slice(key.as_bytes());
        })?;
        channel.flush()?;
        loop {
            let Some(frame) = channel.next()? else {
                return Err(gone());
            };
            match message::kind(frame)? {
                (VALUE, value) => return read_value(value),
                _ => lock(&self.stash).push_back(frame.to_vec()),
            }
        }
    }
}

impl Recall for Link {
    fn recall(&self, key: &str) -> Result<Option<Json>, RecallError> {
        // The server may be behind, which is not the run's time.
        self.pause.set(true);
        let answer = self.ask(key);
        self.pause.set(false);
        match answer {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(RecallError("the server says so".into())),
            Err(error) => Err(RecallError(error.to_string())),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here is left half-changed by a panic, after which the process
    // ends anyway.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone() -> io::Error {
    io::Error::other("the server is gone")
}

/// The child's side: runs rules until its server hangs up.
///
/// # Errors
/// When it cannot be set up or confine itself, the channel breaks, or the
/// server does not keep to what is agreed on.
pub fn run_main() -> io::Result<()> {
    let mut channel = own_channel_with_descriptors(MESSAGE_BYTES_MAX)?;
    let Some(frame) = channel.next()? else {
        return Ok(());
    };
    let (SETUP, setup) = message::kind(frame)? else {
        return Err(broken("the first message is to say how to be set up"));
    };
    let setup: Setup = read_json(setup)?;
    let tenant_data = match setup.tenant_data {
        true => Some(Arc::new(Dir::from_std_file(channel.descriptor()?.into()))),
        false => None,
    };
    let word = word(&mut channel)?;
    let mut site = site(&setup, tenant_data.clone())?;
    let (pause, courier, layers) = confine(&mut site, word, &setup, tenant_data.as_deref())?;
    channel.push(json(READY, &Ready { layers }))?;
    channel.flush()?;
    let link = Arc::new(Link {
        channel: Mutex::new(channel),
        stash: Mutex::default(),
        pause,
    });
    let recall: Arc<dyn Recall> = Arc::clone(&link) as _;
    let mut worker = Worker {
        site,
        link,
        courier,
        recall,
        answer: Vec::new(),
        unsent_us: 0,
    };
    while worker.step()? {}
    Ok(())
}

/// Where it stands which runs are to end.
fn word(channel: &mut Channel) -> io::Result<Arc<SharedWord>> {
    let Some(frame) = channel.next()? else {
        return Err(gone());
    };
    let (WORD, _) = message::kind(frame)? else {
        return Err(broken("the second message is to come with a word"));
    };
    SharedWord::of(channel.descriptor()?).map(Arc::new)
}

/// What runs need, reserved: the engine looks into /proc, which is closed
/// later.
fn site(setup: &Setup, tenant_data: Option<Arc<Dir>>) -> io::Result<Site> {
    let config = SandboxConfig {
        concurrent_runs: 1,
        memory_bytes_max: setup.memory_bytes_max,
        tenant_data,
        reserve_growth: setup.reserve_growth,
        ..SandboxConfig::to_compile()
    };
    Site::new(&config).map_err(io::Error::other)
}

/// Gives up everything else. Files are closed before other threads
/// start, because that is for this thread and those that it starts; system
/// calls after it, because that is for all, and starting one takes some.
fn confine(
    site: &mut Site,
    word: Arc<SharedWord>,
    setup: &Setup,
    tenant_data: Option<&Dir>,
) -> io::Result<(Pause, Courier, Layers)> {
    let status = File::open(STATUS)?;
    let landlock = confine::close_files(tenant_data.map(Dir::as_fd))?;
    let pause = site.start(word)?;
    let courier = Courier::start()?;
    let bounds = Bounds {
        memory_bytes: setup.headroom_bytes,
        cpu_s: None,
    };
    confine::bound(bounds, status)?;
    let seccomp = confine::close_calls(Calls {
        runs: true,
        reads: tenant_data.is_some(),
    })?;
    Ok((pause, courier, Layers { seccomp, landlock }))
}

struct Worker {
    site: Site,
    link: Arc<Link>,
    courier: Courier,
    recall: Arc<dyn Recall>,
    answer: Vec<u8>,
    /// How long the runs took whose answers are not sent yet.
    unsent_us: u64,
}

/// What a message asks for.
enum Wish {
    /// The run that the site has received, with its batch and its place in it.
    Run(Slot, (u32, usize)),
    Load(Load),
    Forget(Slot),
    Describe(Box<Describe>),
}

impl Worker {
    /// Does what is next; false when the server has hung up.
    fn step(&mut self) -> io::Result<bool> {
        let Some(wish) = self.next()? else {
            return Ok(false);
        };
        match wish {
            Wish::Run(slot, place) => self.run(slot, place)?,
            Wish::Load(Load { slot, layout }) => {
                let file = self.link.channel().descriptor()?;
                let loaded = self.site.load(slot, &file, layout);
                loaded.map_err(|error| io::Error::other(format!("cannot load code: {error}")))?;
            }
            Wish::Forget(slot) => self.site.forget(slot),
            Wish::Describe(describe) => {
                let described = self.site.describe(describe.slot, &describe.limits);
                let described = described.map_err(io::Error::other)?;
                let channel = &mut *self.link.channel();
                channel.push(json(DESCRIBED, &described))?;
                channel.flush()?;
            }
        }
        Ok(true)
    }

    /// Waits for the next message. What there is to say is said before.
    fn next(&mut self) -> io::Result<Option<Wish>> {
        let stashed = lock(&self.link.stash).pop_front();
        if let Some(frame) = stashed {
            return wish(&mut self.site, &frame).map(Some);
        }
        let channel = &mut *self.link.channel();
        if channel.unsent() > 0 && !channel.has_next() {
            self.unsent_us = 0;
            channel.flush()?;
        }
        match channel.next()? {
            Some(frame) => wish(&mut self.site, frame).map(Some),
            None => Ok(None),
        }
    }

    fn run(&mut self, slot: Slot, place: (u32, usize)) -> io::Result<()> {
        self.answer.clear();
        if self.link.channel().unsent() > 0 {
            self.courier.call(&self.link);
        }
        let run = self.site.run(slot, place, &self.recall, &mut self.answer);
        self.unsent_us += run.map_err(io::Error::other)?;
        let channel = &mut *self.link.channel();
        channel.push(|out| {
            out.push(REPORT);
            out.extend_from_slice(&self.answer);
        })?;
        if channel.unsent() >= ANSWER_BYTES || self.unsent_us >= ANSWER_US {
            self.unsent_us = 0;
            channel.flush()?;
        }
        self.answer.shrink_to(ANSWER_BYTES);
        Ok(())
    }
}

fn wish(site: &mut Site, frame: &[u8]) -> io::Result<Wish> {
    let (kind, rest) = message::kind(frame)?;
    Ok(match kind {
        RUN => {
            let (slot, rest) = message::slot(rest)?;
            let (place, run) = message::place(rest)?;
            site.receive(run).map_err(io::Error::other)?;
            Wish::Run(slot, place)
        }
        LOAD => Wish::Load(read_json(rest)?),
        FORGET => Wish::Forget(message::slot(rest)?.0),
        DESCRIBE => Wish::Describe(read_json(rest)?),
        _ => return Err(broken("a message of a kind that is not known")),
    })
}
