//! One word that a server writes and its worker reads: memory that both have.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use ringfence_sandbox::Word;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A page, of which the first word is used.
const BYTES: usize = 4096;

/// A word in memory that is shared with another process.
#[derive(Debug)]
pub(super) struct SharedWord {
    file: OwnedFd,
    page: NonNull<AtomicU64>,
}

// SAFETY: the page stays where it is until this is dropped, and what is in it
// is only used as an atomic.
#[allow(unsafe_code, reason = "see the argument above")]
unsafe impl Send for SharedWord {}
// SAFETY: as above.
#[allow(unsafe_code, reason = "see the argument above")]
unsafe impl Sync for SharedWord {}

impl SharedWord {
    /// The server's end. Whoever is handed the file can read it only, and make
    /// it neither shorter nor longer.
    pub(super) fn new() -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create("ringfence-word", flags)?;
        ftruncate(&file, BYTES as u64)?;
        let page = map(&file, ProtFlags::READ | ProtFlags::WRITE)?;
        let shared = Self { file, page };
        let size = SealFlags::SHRINK | SealFlags::GROW;
        fcntl_add_seals(&shared.file, size)?;
        // A kernel before 5.1 does not have it. What a worker writes there
        // harms itself only: the server never reads it.
        let _ = fcntl_add_seals(&shared.file, SealFlags::FUTURE_WRITE);
        fcntl_add_seals(&shared.file, SealFlags::SEAL)?;
        Ok(shared)
    }

    /// The worker's end.
    pub(super) fn of(file: OwnedFd) -> io::Result<Self> {
        let page = map(&file, ProtFlags::READ)?;
        Ok(Self { file, page })
    }
}

#[allow(unsafe_code, reason = "see the argument inside")]
fn map(file: &OwnedFd, access: ProtFlags) -> io::Result<NonNull<AtomicU64>> {
    // SAFETY: a new mapping, at a place that the kernel chooses, overlaps
    // nothing. The file is as long as it, and cannot become shorter: the server
    // made it so and sealed it before it handed it over.
    let page = unsafe {
        mmap(
            std::ptr::null_mut(),
            BYTES,
            access,
            MapFlags::SHARED,
            file,
            0,
        )?
    };
    NonNull::new(page.cast()).ok_or_else(|| io::Error::other("memory at address 0"))
}

impl Word for SharedWord {
    #[allow(unsafe_code, reason = "see the argument inside")]
    fn word(&self) -> &AtomicU64 {
        // SAFETY: the mapping is there as long as `self`, begins at a page and
        // so is aligned, is readable, and holds zeros or what was stored in it;
        // both processes use it as an atomic only. Only the server's end, which
        // is writable, is stored to.
        unsafe { self.page.as_ref() }
    }
}

impl AsFd for SharedWord {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for SharedWord {
    #[allow(unsafe_code, reason = "see the argument inside")]
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nobody can have a
        // reference to it any more. It fails for no mapping of ours.
        let _ = unsafe { munmap(self.page.as_ptr().cast(), BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn what_one_end_writes_the_other_reads() {
        let server = SharedWord::new().unwrap();
        let file = server.file.try_clone().unwrap();
        let worker = SharedWord::of(file).unwrap();
        assert_eq!(worker.word().load(Ordering::Acquire), 0);
        server.word().store(7 << 32 | 2, Ordering::Release);
        assert_eq!(worker.word().load(Ordering::Acquire), 7 << 32 | 2);
        // It is the server's to write, and as long as it is.
        let writable = map(&worker.file, ProtFlags::READ | ProtFlags::WRITE);
        assert!(writable.is_err());
        assert!(ftruncate(&worker.file, 0).is_err());
    }
}
