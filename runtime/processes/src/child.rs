//! Starting a child, and telling how it ended.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child as Process, Command, ExitStatus, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, getpriority_process, setpriority_process};

use crate::channel::Channel;
use crate::leave::leave;

/// The hidden subcommand that makes a child of the binary; after it comes a
/// [`ChildKind`]'s name.
pub const CHILD: &str = "child";

/// What is kept of the end of what a child said before it died, in bytes.
const LAST_WORDS_BYTES_MAX: usize = 2 * 1024;

/// How much nicer than its server a child is that gives way to it. Whoever waits
/// for a server's thread waits for a core first: up to 5 ms beside children that
/// have all cores and are not nicer, and 0.1 ms beside those that are.
const NICER: i32 = 5;

/// What a pipe holds, in bytes.
const PIPE_BYTES: u64 = 64 * 1024;

/// What a child is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildKind {
    /// Compiles one upload.
    Compile,
    /// Runs rules, as long as its server lives.
    Run,
}

impl ChildKind {
    /// Its name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compile => "compile",
            Self::Run => "run",
        }
    }
}

/// The program that is started as a child.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// This process's own binary: the same even if its file was replaced.
    pub fn own() -> Self {
        Self::at("/proc/self/exe")
    }

    /// Another one, which must understand [`CHILD`].
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: vec![CHILD.into()],
        }
    }
}

/// A child and the channel to it. Ended when dropped.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    /// The way to talk to it.
    pub(crate) channel: Channel,
    ended: bool,
}

/// How a child ended.
#[derive(Debug)]
pub(crate) struct Death {
    /// What the kernel says.
    pub(crate) status: ExitStatus,
    /// The end of what it wrote to standard error.
    pub(crate) last_words: String,
}

impl Child {
    /// Starts one, in a process group of its own. It gets no environment, and
    /// keeps no descriptor but its channel as standard input, a pipe as
    /// standard error and /dev/null.
    pub(crate) fn start(
        program: &Program,
        kind: ChildKind,
        frame_bytes_max: usize,
    ) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let process = Command::new(&program.path)
            .args(&program.arguments)
            .arg(kind.as_str())
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Self {
            process,
            channel: Channel::new(ours, frame_bytes_max),
            ended: false,
        })
    }

    /// Lets the server's own threads, and children that do not give way, have
    /// the cores before it. For before it is told what to do, so that all its
    /// threads are so.
    pub(crate) fn give_way(&self) {
        let process = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        let nicer = getpriority_process(None).map(|own| own + NICER);
        if let Err(error) = nicer.and_then(|nicer| setpriority_process(process, nicer)) {
            tracing::warn!(process = self.id(), %error, "a child process cannot be made to give way to the server");
        }
    }

    /// Hangs up and waits until it has ended by itself: nothing that it could
    /// wait for is left, and its CPU time is bounded.
    pub(crate) fn wait(mut self) -> io::Result<Death> {
        self.ended = true;
        self.channel.close();
        let status = self.process.wait()?;
        Ok(Death {
            status,
            last_words: self.last_words(),
        })
    }

    /// Ends it, if it has not ended, and says how it did.
    pub(crate) fn end(mut self) -> io::Result<Death> {
        self.ended = true;
        // It may be gone already, which is as good.
        let _ = self.process.kill();
        let status = self.process.wait()?;
        Ok(Death {
            status,
            last_words: self.last_words(),
        })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether it lives.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// What is in the pipe now. Nobody reads it before, so that a child that
    /// floods it stands still and is ended for that.
    fn last_words(&mut self) -> String {
        let Some(pipe) = self.process.stderr.take() else {
            return String::new();
        };
        let without_waiting = fcntl_getfl(pipe.as_fd())
            .and_then(|flags| fcntl_setfl(pipe.as_fd(), flags | OFlags::NONBLOCK));
        let mut words = Vec::new();
        if without_waiting.is_ok() {
            // What was read before an error is kept.
            let _ = pipe.take(PIPE_BYTES).read_to_end(&mut words);
        }
        let last = words.len().saturating_sub(LAST_WORDS_BYTES_MAX);
        String::from_utf8_lossy(&words[last..]).trim().to_owned()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.ended {
            // It may be gone already, which is as good.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

impl Death {
    /// The signal that ended it, if one did.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Whether its allocator gave up: std says so, and aborts.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.last_words.contains("memory allocation of")
    }
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.status)?;
        // Not what std adds for developers.
        let lines = self.last_words.lines();
        match lines.rev().find(|line| !line.starts_with("note:")) {
            Some(last) => write!(f, ", after: {last}"),
            None => Ok(()),
        }
    }
}

/// First in a child: its end of the channel, which is its standard input. What
/// else it inherited is left behind.
pub(crate) fn own_channel(frame_bytes_max: usize) -> io::Result<Channel> {
    Ok(Channel::new(own_socket()?, frame_bytes_max))
}

/// The same, for a child that is given descriptors.
pub(crate) fn own_channel_with_descriptors(frame_bytes_max: usize) -> io::Result<Channel> {
    Ok(Channel::with_descriptors(own_socket()?, frame_bytes_max))
}

fn own_socket() -> io::Result<UnixStream> {
    leave()?;
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}
