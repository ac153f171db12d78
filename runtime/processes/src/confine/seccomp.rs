//! The system calls that a child may make.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// What allocating, computing, its channel and dying take. There is no
/// `openat`, `execve`, `socket`, `clone`, `ptrace` or `kill`.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What running takes beside: resetting memories, and mapping code that was
/// handed over, which is opened once more for that.
const RUNNING: &[libc::c_long] = &[libc::SYS_statx];

/// What reading a folder takes beside. Landlock keeps it to that folder, and
/// to reading.
const READING: &[libc::c_long] = &[
    libc::SYS_openat2,
    libc::SYS_newfstatat,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_fcntl,
    libc::SYS_preadv,
];

/// The kernel's scan for written pages: `PAGEMAP_SCAN`.
const PAGEMAP_SCAN: u64 = 0xc060_6610;
/// How a process names itself where a descriptor of one is asked for.
const PIDFD_SELF: u64 = (-10_000_i32).cast_unsigned() as u64;
/// Flags of `openat` that would change something.
const WRITING: u64 =
    (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;

/// Which system calls a child needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calls {
    /// It runs rules.
    pub(crate) runs: bool,
    /// They read files.
    pub(crate) reads: bool,
}

impl Calls {
    /// For a child that compiles.
    pub(crate) const COMPILE: Self = Self {
        runs: false,
        reads: false,
    };
}

/// Sets the filter up for all threads of the process. False if the kernel has
/// no seccomp.
pub(super) fn filter(calls: Calls) -> io::Result<bool> {
    let program = program(calls).map_err(io::Error::other)?;
    match seccompiler::apply_filter_all_threads(&program) {
        Ok(()) => Ok(true),
        Err(seccompiler::Error::Seccomp(error)) if is_missing(&error) => Ok(false),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS))
}

fn program(calls: Calls) -> Result<BpfProgram, seccompiler::BackendError> {
    let running = if calls.runs { RUNNING } else { &[] };
    let reading = if calls.reads { READING } else { &[] };
    let allowed = ALLOWED.iter().chain(running).chain(reading);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        allowed.map(|&call| (call, Vec::new())).collect();
    // Dying: `abort` sends a signal to its own thread.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, only(0, SeccompCmpOp::Eq, own)?);
    if calls.runs {
        let read_only = SeccompCmpOp::MaskedEq(WRITING);
        rules.insert(libc::SYS_openat, only(2, read_only, 0)?);
        rules.insert(libc::SYS_ioctl, only(1, SeccompCmpOp::Eq, PAGEMAP_SCAN)?);
        let itself = only(0, SeccompCmpOp::Eq, PIDFD_SELF)?;
        rules.insert(libc::SYS_process_madvise, itself);
    }
    // A refusal and not a kill: a library that asks for more than it needs
    // must not end the child.
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, refused, SeccompAction::Allow, arch)?.try_into()
}

/// Only where an argument is this.
fn only(
    argument: u8,
    compare: SeccompCmpOp,
    value: u64,
) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let length = SeccompCmpArgLen::Dword;
    let condition = SeccompCondition::new(argument, length, compare, value)?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}
