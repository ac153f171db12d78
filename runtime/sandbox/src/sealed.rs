//! Code for another process: an authenticated artifact in memory that nobody
//! can change any more, to be handed over as a descriptor.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::Layout;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// An artifact in a sealed file that has no name.
#[derive(Debug)]
pub struct Sealed {
    file: OwnedFd,
    layout: Layout,
    bytes: u64,
}

impl Sealed {
    /// Of native code that this installation compiled and authenticated.
    ///
    /// # Errors
    /// When the host has no memory or no descriptor left for it.
    pub(crate) fn new(code: &[u8], layout: Layout) -> io::Result<Self> {
        let file = memfd_create(
            "ringfence-artifact",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )?;
        let mut file = File::from(file);
        file.write_all(code)?;
        // Who maps it must be able to rely on it, whoever else has it.
        fcntl_add_seals(
            &file,
            SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
        )?;
        Ok(Self {
            file: file.into(),
            layout,
            bytes: code.len() as u64,
        })
    }

    /// What must be known of the code besides.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Its size, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl AsFd for Sealed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
