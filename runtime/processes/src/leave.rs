//! What a child leaves behind of what it was started with.

use std::fs;
use std::io;
use std::os::fd::RawFd;

/// Signals that ask a server to end. Its children end when it hangs up, so
/// that their work is done.
const ENDING: &[libc::c_int] = &[libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// The first descriptor beyond the standard ones.
const FIRST: RawFd = 3;

/// To be called first in a child, while it has one thread and has opened
/// nothing: closes what the server itself inherited, lets signals to the
/// server's whole group pass, and offers this process to a kernel that is short
/// of memory.
///
/// # Errors
/// When descriptors cannot be closed.
pub(crate) fn leave() -> io::Result<()> {
    close_descriptors()?;
    for &signal in ENDING {
        ignore(signal);
    }
    // A host that does not have it goes on without.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

#[allow(unsafe_code, reason = "see the argument inside")]
fn close_descriptors() -> io::Result<()> {
    // SAFETY: nothing in this process owns a descriptor beyond the standard
    // ones: it was just started, has one thread and has opened nothing. So no
    // descriptor is closed that somebody here relies on.
    let closed = unsafe { libc::close_range(FIRST.unsigned_abs(), libc::c_uint::MAX, 0) };
    if closed == 0 {
        return Ok(());
    }
    // An older kernel. The folder's own descriptor is among them, and closed
    // when the list is made.
    let open: Vec<RawFd> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|&open| open >= FIRST) {
        // SAFETY: as above; one that is closed already stays closed.
        unsafe { libc::close(descriptor) };
    }
    Ok(())
}

#[allow(unsafe_code, reason = "see the argument inside")]
fn ignore(signal: libc::c_int) {
    // SAFETY: no handler is installed, so no code of ours runs in a signal's
    // place; it fails only for signals that do not exist.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}
