//! Reading a tenant's data folder, on the thread that runs the rule.
//!
//! Paths are resolved by cap-std, beneath the folder that they start from: no
//! `..`, absolute path or symbolic link leads out of it. What is told of a
//! file is its kind, size and content, none of which depends on when or where
//! it was put there.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::vec;

use cap_std::fs::OpenOptionsExt;
use cap_std::fs::{Dir, File, FileExt, FileType, Metadata, MetadataExt, OpenOptions};
use ringfence_model::TenantId;
use rustix::fs::OFlags;
use rustix::io::Errno;
use wasmtime::component::{ComponentType, Lower};

/// Files, folders and lists of entries that one run may have open at once.
const OPEN_MAX: usize = 32;
/// As on Linux, in bytes.
pub(super) const PATH_BYTES_MAX: usize = 4096;
/// Entries of a folder that can be listed. They are sorted, so all of them
/// are held at once.
pub(super) const ENTRIES_MAX: usize = 4096;

/// A tenant's data folder, among those of all tenants.
#[derive(Debug, Clone)]
pub(crate) struct TenantData {
    /// Where each tenant's folder is, by its name.
    pub(crate) folders: Arc<Dir>,
    /// Which tenant.
    pub(crate) tenant: TenantId,
}

/// The data folder does not answer, which is no affair of the rule's. Ends
/// the run.
#[derive(Debug, thiserror::Error)]
#[error("the tenant's data folder cannot be read: {0}")]
struct Unreadable(io::Error);

/// `types.error-code`.
#[derive(ComponentType, Lower, Debug, Clone, Copy, PartialEq, Eq)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "a type of the interface, whole")]
pub(super) enum ErrorCode {
    #[component(name = "access")]
    Access,
    #[component(name = "would-block")]
    WouldBlock,
    #[component(name = "already")]
    Already,
    #[component(name = "bad-descriptor")]
    BadDescriptor,
    #[component(name = "busy")]
    Busy,
    #[component(name = "deadlock")]
    Deadlock,
    #[component(name = "quota")]
    Quota,
    #[component(name = "exist")]
    Exist,
    #[component(name = "file-too-large")]
    FileTooLarge,
    #[component(name = "illegal-byte-sequence")]
    IllegalByteSequence,
    #[component(name = "in-progress")]
    InProgress,
    #[component(name = "interrupted")]
    Interrupted,
    #[component(name = "invalid")]
    Invalid,
    #[component(name = "io")]
    Io,
    #[component(name = "is-directory")]
    IsDirectory,
    #[component(name = "loop")]
    Loop,
    #[component(name = "too-many-links")]
    TooManyLinks,
    #[component(name = "message-size")]
    MessageSize,
    #[component(name = "name-too-long")]
    NameTooLong,
    #[component(name = "no-device")]
    NoDevice,
    #[component(name = "no-entry")]
    NoEntry,
    #[component(name = "no-lock")]
    NoLock,
    #[component(name = "insufficient-memory")]
    InsufficientMemory,
    #[component(name = "insufficient-space")]
    InsufficientSpace,
    #[component(name = "not-directory")]
    NotDirectory,
    #[component(name = "not-empty")]
    NotEmpty,
    #[component(name = "not-recoverable")]
    NotRecoverable,
    #[component(name = "unsupported")]
    Unsupported,
    #[component(name = "no-tty")]
    NoTty,
    #[component(name = "no-such-device")]
    NoSuchDevice,
    #[component(name = "overflow")]
    Overflow,
    #[component(name = "not-permitted")]
    NotPermitted,
    #[component(name = "pipe")]
    Pipe,
    #[component(name = "read-only")]
    ReadOnly,
    #[component(name = "invalid-seek")]
    InvalidSeek,
    #[component(name = "text-file-busy")]
    TextFileBusy,
    #[component(name = "cross-device")]
    CrossDevice,
}

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Refusal {
    /// For a reason that the rule is told.
    Code(ErrorCode),
    /// By the host's filesystem.
    Io(io::Error),
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Refusal {
    /// What the rule is told.
    ///
    /// # Errors
    /// What says more about the host than about the folder (no descriptors
    /// left, a broken disk) is not told: another time the answer would be
    /// another.
    pub(super) fn code(self) -> wasmtime::Result<ErrorCode> {
        let error = match self {
            Self::Code(code) => return Ok(code),
            Self::Io(error) => error,
        };
        Ok(match Errno::from_io_error(&error) {
            // cap-std's own: the path leads out of the folder.
            None if error.kind() == io::ErrorKind::PermissionDenied => ErrorCode::NotPermitted,
            Some(Errno::ACCESS) => ErrorCode::Access,
            Some(Errno::PERM | Errno::XDEV) => ErrorCode::NotPermitted,
            Some(Errno::NOENT) => ErrorCode::NoEntry,
            Some(Errno::NOTDIR) => ErrorCode::NotDirectory,
            Some(Errno::ISDIR) => ErrorCode::IsDirectory,
            Some(Errno::LOOP) => ErrorCode::Loop,
            Some(Errno::NAMETOOLONG) => ErrorCode::NameTooLong,
            Some(Errno::INVAL) => ErrorCode::Invalid,
            // What has no content: a socket, a device without a driver.
            Some(Errno::NXIO | Errno::NODEV) => ErrorCode::Access,
            _ if error.kind() == io::ErrorKind::InvalidInput => ErrorCode::Invalid,
            _ => return Err(Unreadable(error).into()),
        })
    }
}

type Answer<T> = Result<T, Refusal>;

/// `types.descriptor-type`, in our order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File,
    Link,
    Other,
}

/// What there is to know of something.
pub(super) struct Stat {
    /// What it is.
    pub(super) kind: Kind,
    /// Of a file or a link, in bytes. A folder's depends on the filesystem.
    pub(super) size: u64,
    /// Which it is.
    pub(super) identity: Identity,
}

/// Device and inode: the same for the same thing, and never told.
pub(super) type Identity = (u64, u64);

/// A file or a folder that is open.
pub(super) struct Open {
    node: Node,
    /// Counted while it is held.
    _permit: Arc<()>,
}

enum Node {
    Folder(Dir),
    File(File),
}

/// A folder's entries, one after the other: `types.directory-entry-stream`.
pub(super) struct Entries {
    rest: vec::IntoIter<(OsString, Kind)>,
    /// Counted like what is open, for it holds as much.
    _permit: Arc<()>,
}

impl Entries {
    /// How many are left.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    /// The next one; that its name is no text is told in its place.
    pub(super) fn next(&mut self) -> Option<Result<(Kind, String), ErrorCode>> {
        let (name, kind) = self.rest.next()?;
        let name = name.into_string();
        Some(
            name.map(|name| (kind, name))
                .map_err(|_| ErrorCode::IllegalByteSequence),
        )
    }
}

impl TenantData {
    /// Opens it, if there is one.
    ///
    /// # Errors
    /// When it is there and cannot be opened.
    pub(super) fn open(&self, permits: &Arc<()>) -> wasmtime::Result<Option<Open>> {
        match self.folders.open_dir(self.tenant.as_str()) {
            Ok(dir) => Ok(Some(Open {
                node: Node::Folder(dir),
                _permit: Arc::clone(permits),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Unreadable(error).into()),
        }
    }
}

impl Open {
    /// Opens what is at a path in this folder.
    pub(super) fn open(&self, path: &str, follow: bool, permits: &Arc<()>) -> Answer<Self> {
        let permit = permit(permits)?;
        let dir = self.folder()?;
        let metadata = metadata(dir, path, follow)?;
        let node = match kind(metadata.file_type()) {
            Kind::Folder => Node::Folder(dir.open_dir(path)?),
            Kind::File => Node::File(open_file(dir, path)?),
            Kind::Link => return Err(ErrorCode::Loop.into()),
            Kind::Other => return Err(ErrorCode::Access.into()),
        };
        Ok(Self {
            node,
            _permit: permit,
        })
    }

    fn folder(&self) -> Answer<&Dir> {
        match &self.node {
            Node::Folder(dir) => Ok(dir),
            Node::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    /// The file; a folder cannot be read.
    pub(super) fn file(&self) -> Answer<&File> {
        match &self.node {
            Node::File(file) => Ok(file),
            Node::Folder(_) => Err(ErrorCode::IsDirectory.into()),
        }
    }

    /// Which of the two it is.
    pub(super) fn kind(&self) -> Kind {
        match self.node {
            Node::Folder(_) => Kind::Folder,
            Node::File(_) => Kind::File,
        }
    }

    /// Bytes of the file from an offset on, fewer at its end.
    pub(super) fn read(&self, offset: u64, len: u64) -> Answer<Vec<u8>> {
        let file = self.file()?;
        let left = file.metadata()?.len().saturating_sub(offset);
        let mut bytes = vec![0; usize::try_from(len.min(left)).unwrap_or(usize::MAX)];
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], offset + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// What it is.
    pub(super) fn stat(&self) -> Answer<Stat> {
        let metadata = match &self.node {
            Node::Folder(dir) => dir.dir_metadata()?,
            Node::File(file) => file.metadata()?,
        };
        Ok(stat(&metadata))
    }

    /// What is at a path in this folder.
    pub(super) fn stat_at(&self, path: &str, follow: bool) -> Answer<Stat> {
        Ok(stat(&metadata(self.folder()?, path, follow)?))
    }

    /// What the link at a path in this folder says.
    pub(super) fn read_link(&self, path: &str) -> Answer<String> {
        let target = self.folder()?.read_link(path)?;
        let text = target.into_os_string().into_string();
        text.map_err(|_| ErrorCode::IllegalByteSequence.into())
    }

    /// What is in this folder, in the order of the names' bytes.
    pub(super) fn entries(&self, permits: &Arc<()>) -> Answer<Entries> {
        let permit = permit(permits)?;
        let mut entries = Vec::new();
        for entry in self.folder()?.entries()? {
            let entry = entry?;
            if entries.len() == ENTRIES_MAX {
                return Err(ErrorCode::Overflow.into());
            }
            entries.push((entry.file_name(), kind(entry.file_type()?)));
        }
        entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Entries {
            rest: entries.into_iter(),
            _permit: permit,
        })
    }
}

fn permit(permits: &Arc<()>) -> Answer<Arc<()>> {
    // The run's own is not one that something is open with.
    match Arc::strong_count(permits) > OPEN_MAX {
        true => Err(ErrorCode::Quota.into()),
        false => Ok(Arc::clone(permits)),
    }
}

fn metadata(dir: &Dir, path: &str, follow: bool) -> io::Result<Metadata> {
    match follow {
        true => dir.metadata(path),
        false => dir.symlink_metadata(path),
    }
}

/// Opens a file without waiting for anything: a pipe that nobody writes to,
/// put in the file's place since it was looked at, must not hold the host up.
fn open_file(dir: &Dir, path: &str) -> Answer<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    let file = dir.open_with(path, &options)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(ErrorCode::Access.into()),
    }
}

fn kind(ty: FileType) -> Kind {
    if ty.is_dir() {
        Kind::Folder
    } else if ty.is_file() {
        Kind::File
    } else if ty.is_symlink() {
        Kind::Link
    } else {
        Kind::Other
    }
}

fn stat(metadata: &Metadata) -> Stat {
    let kind = kind(metadata.file_type());
    let size = match kind {
        Kind::File | Kind::Link => metadata.len(),
        Kind::Folder | Kind::Other => 0,
    };
    Stat {
        kind,
        size,
        identity: (metadata.dev(), metadata.ino()),
    }
}
