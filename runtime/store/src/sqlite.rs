//! The store in one SQLite database.
//!
//! One thread writes ([`writer`]); what arrives while it waits for the disk
//! shares the next transaction. Readers have connections of their own and
//! never wait for it. What each thing costs on the disk is in `schema.sql`.

mod append;
mod bulk;
mod catalog;
mod checkpoint;
mod cleanup;
mod commit;
mod fault;
mod in_force;
mod job;
mod journal;
mod ledgers;
mod lineage_keys;
mod listing;
mod log;
mod parked;
mod prune;
mod readers;
mod schema;
mod turns;
mod unit;
mod value;
mod waiting;
mod write_back;
mod writer;

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use readers::{Lookups, Readers};
use writer::Writer;

use crate::{Feed, Result, StoreError};

/// Questions answered at one moment. They are short, and their work competes
/// with that of the rules.
const READERS: usize = 4;

/// Remembered values looked up at one moment, at most.
const LOOKUPS_MAX: usize = 16;

/// The store in one SQLite database, with its write-ahead log beside it. What
/// was answered survives a crash of the process and of the machine
/// (`synchronous=FULL`).
///
/// Growth: events, executions, dead letters and ledgers are removed by
/// `prune`, remembered values are bounded per rule, and the outbox is emptied
/// by `acknowledge` only, because nothing that was asked for is dropped.
pub struct Sqlite {
    // In the order in which they are dropped: the writer's connection is the
    // last, so that it tidies up the write-ahead log.
    readers: Readers,
    lookups: Lookups,
    writer: Writer,
    feed: Arc<OnceLock<Feed>>,
    /// None once the store is closed: another one may then open the database,
    /// whoever still holds this one.
    lock: Mutex<Option<Lock>>,
}

impl Sqlite {
    /// Opens the database at this path, or creates it there. A second process
    /// is refused.
    ///
    /// # Errors
    /// `Storage` if the file cannot be opened or is in use, `Damaged` if it
    /// is not a database of this or an earlier Ringfence.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let lock = lock(path)?;
        let connection = schema::open_writer(path)?;
        let feed = Arc::new(OnceLock::new());
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            readers: Readers::start(path, READERS)?,
            lookups: Lookups::open(path, workers.min(LOOKUPS_MAX))?,
            writer: Writer::start((path, &lock.database), connection, feed.clone())?,
            feed,
            lock: Mutex::new(Some(lock)),
        })
    }
}

/// The database's file, which SQLite takes for a new one if it is.
fn database(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path);
    file.map_err(|error| StoreError::Storage {
        doing: "opening the database",
        cause: format!("{}: {error}", path.display()),
    })
}

/// Held while a store is open; it ends with the process.
struct Lock {
    /// The database itself, to make it durable. Closing it gives back what SQLite
    /// has locked of it (POSIX), so it stays open as long as something is written.
    /// Closed before the other one is given back.
    database: Arc<File>,
    _beside: Beside,
}

/// The file beside it whose lock says that it is in use.
struct Beside(File);

impl Drop for Beside {
    fn drop(&mut self) {
        // Closing would not be enough: a child process that is just being
        // started has the file open, too.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the database's lock could not be given back");
        }
    }
}

/// Two writers would give out the same places.
fn lock(path: &Path) -> Result<Lock> {
    let failed = |cause: String| StoreError::Storage {
        doing: "opening the database",
        cause,
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let beside = PathBuf::from(beside);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside)
        .map_err(|error| failed(format!("{}: {error}", beside.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock {
            database: Arc::new(database(path)?),
            _beside: Beside(file),
        }),
        Err(TryLockError::WouldBlock) => Err(failed(format!(
            "{} is in use by another process; stop it, or name another data folder",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed(format!("{}: {error}", beside.display()))),
    }
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sqlite").finish_non_exhaustive()
    }
}
