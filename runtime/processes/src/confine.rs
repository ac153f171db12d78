//! A child gives up what it does not need, before it reads anything hostile.

use std::fmt;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, PathBeneath, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use serde::{Deserialize, Serialize};

mod seccomp;

pub(crate) use seccomp::Calls;

/// The newest landlock that we know of; on an older kernel, what it knows.
const LANDLOCK: ABI = ABI::V7;

/// What a process is told of itself.
pub(crate) const STATUS: &str = "/proc/self/status";

/// Descriptors that a child may hold.
const DESCRIPTORS_MAX: u64 = 8 * 1024;

/// What holds a child, beside its resource limits: as far as the kernel has
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// System calls beyond a short list fail.
    pub seccomp: bool,
    /// No file can be opened by its path, no port reached.
    pub landlock: bool,
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |has| if has { "on" } else { "not in this kernel" };
        let (seccomp, landlock) = (has(self.seccomp), has(self.landlock));
        write!(f, "seccomp {seccomp}, landlock {landlock}")
    }
}

/// Bounds on a child's resources.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Address space beyond what it has now, in bytes.
    pub(crate) memory_bytes: u64,
    /// CPU time in all, in seconds; none for a child that lives on.
    pub(crate) cpu_s: Option<u64>,
}

/// Sets the resource limits. `status` is [`STATUS`], which may have been opened
/// before.
///
/// # Errors
/// When the kernel refuses one; then the child must not go on.
pub(crate) fn bound(bounds: Bounds, mut status: impl Read) -> io::Result<()> {
    let set = |resource: Resource, soft: u64, hard: u64| {
        // Where the host allows less, that holds.
        let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let limit = Rlimit {
            current: Some(soft.min(most)),
            maximum: Some(hard.min(most)),
        };
        setrlimit(resource, limit)
    };
    let mut text = String::new();
    status.read_to_string(&mut text)?;
    let now = address_space(&text)?;
    let memory = now.saturating_add(bounds.memory_bytes);
    set(Resource::As, memory, memory)?;
    set(Resource::Core, 0, 0)?;
    set(Resource::Fsize, 0, 0)?;
    set(Resource::Nofile, DESCRIPTORS_MAX, DESCRIPTORS_MAX)?;
    if let Some(cpu_s) = bounds.cpu_s {
        // The first is a signal that can be told from others.
        set(Resource::Cpu, cpu_s, cpu_s + 1)?;
    }
    Ok(())
}

/// The process's address space, in bytes.
fn address_space(status: &str) -> io::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("/proc/self/status does not tell the address space"))
}

/// Closes the world: no new rights, no files, no network, few system calls.
/// Everything that needs more must be open by now.
///
/// # Errors
/// When the kernel has a layer and refuses to set it up.
pub(crate) fn confine() -> io::Result<Layers> {
    let landlock = close_files(None)?;
    let seccomp = close_calls(Calls::COMPILE)?;
    Ok(Layers { seccomp, landlock })
}

/// The first half: no new rights, no files but those beneath this folder, to
/// be read, no network. For this thread, and what it starts from now on.
/// False if the kernel does not have it.
///
/// # Errors
/// As [`confine`].
pub(crate) fn close_files(readable: Option<BorrowedFd<'_>>) -> io::Result<bool> {
    rustix::thread::set_no_new_privs(true)?;
    drop_capabilities(readable.is_some())?;
    landlock(readable).map_err(io::Error::other)
}

/// Gives up what a child of root can do, but for reading others' files if it
/// reads files.
fn drop_capabilities(reads: bool) -> io::Result<()> {
    let mut kept = CapabilitySet::empty();
    if reads {
        kept = capabilities(None)?.effective & CapabilitySet::DAC_READ_SEARCH;
    }
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, sets)?)
}

/// The second half: few system calls. For all threads. False if the kernel
/// does not have it.
///
/// # Errors
/// As [`confine`].
pub(crate) fn close_calls(calls: Calls) -> io::Result<bool> {
    seccomp::filter(calls)
}

/// No path may be opened, no port bound or reached, no process outside
/// signalled. What is open stays open.
fn landlock(readable: Option<BorrowedFd<'_>>) -> Result<bool, landlock::RulesetError> {
    let readable = readable.map(|folder| {
        let access = AccessFs::ReadFile | AccessFs::ReadDir;
        Ok::<_, landlock::RulesetError>(PathBeneath::new(folder, access))
    });
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .add_rules(readable)?
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}
