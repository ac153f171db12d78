//! Carries the write-ahead log over into the database, beside the writer: to do
//! that takes as long as dozens of commits.
//!
//! It is SQLite's passive checkpoint, on a thread and a connection of their own.
//! SQLite lets the log begin anew, and syncs the database, only when all of the
//! log has been carried over; but meanwhile the writer goes on. So the thread
//! carries over what it can and syncs it, and the little that is left then is
//! carried over by the writer, which nobody can come before.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::fault::Work;
use super::schema;
use super::write_back::write_back;
use crate::{Result, StoreError};

/// When what is done, in pages of the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lengths {
    /// It is carried over.
    pub(super) long: u64,
    /// So little is left to the writer, if that can be had in [`ROUNDS`].
    pub(super) little: u64,
    /// The writer waits, because the thread cannot keep up.
    pub(super) most: u64,
}

impl Default for Lengths {
    /// 64 MiB: what is written again and again is carried over once, and the
    /// writer has its part in that seldom. After a crash, so much is read again
    /// before the store is open. The writer waits from 256 MiB on.
    fn default() -> Self {
        Self {
            long: 16_384,
            little: 512,
            most: 65_536,
        }
    }
}

/// How often the thread carries over what was written meanwhile.
const ROUNDS: u32 = 4;

/// What the thread does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Idle,
    /// It carries over.
    Busy,
    /// It has, and it is the writer's turn.
    Done,
    /// It is to end, or has ended.
    Over,
}

/// What the writer and the thread know of each other.
#[derive(Default)]
struct Shared {
    /// The log's length as of the latest commit, in pages.
    pages: AtomicU64,
    phase: Mutex<Phase>,
    changed: Condvar,
}

/// The writer's side.
pub(super) struct Checkpoints {
    lengths: Lengths,
    shared: Arc<Shared>,
    /// The length after which it is carried over next.
    due: u64,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Of the database at this path, which is this file, and to which this
    /// connection writes.
    pub(super) fn start(
        (path, file): (&Path, &Arc<File>),
        writer: &mut Connection,
        lengths: Lengths,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_writer = Arc::clone(&shared);
        let note = move |_: &mut _, pages: i32| {
            let pages = u64::try_from(pages).unwrap_or(0);
            of_writer.pages.store(pages, Ordering::Relaxed);
            Ok(())
        };
        let failed = |cause: String| StoreError::Storage {
            doing: "starting the thread that carries the log over",
            cause,
        };
        // Instead of SQLite's own, which would do it all between two commits.
        writer
            .wal_hook(Some(note))
            .map_err(|error| failed(error.to_string()))?;
        let connection = schema::open_checkpointer(path)?;
        let (of_thread, file) = (Arc::clone(&shared), Arc::clone(file));
        let thread = std::thread::Builder::new()
            .name("store-log".into())
            .spawn(move || of_thread.run(&connection, &file, lengths))
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            lengths,
            shared,
            due: lengths.long,
            thread: Some(thread),
        })
    }

    /// To be called by the writer between two transactions.
    pub(super) fn step(&mut self, writer: &Connection) {
        let pages = self.shared.pages.load(Ordering::Relaxed);
        if pages < self.lengths.long {
            self.due = self.lengths.long;
        }
        let mut phase = self.shared.phase.lock();
        while *phase == Phase::Busy && pages >= self.lengths.most {
            self.shared.changed.wait(&mut phase);
        }
        match *phase {
            Phase::Idle if pages >= self.due => {
                *phase = Phase::Busy;
                self.shared.changed.notify_all();
            }
            // A panic has ended the thread; then it is the writer's work.
            Phase::Over if pages < self.due => {}
            Phase::Done | Phase::Over => {
                if *phase == Phase::Done {
                    *phase = Phase::Idle;
                }
                drop(phase);
                carry_over(writer).unwrap_or_else(tell);
                // Where somebody reads what was before, the log goes on, and
                // there is no use in trying with each commit.
                self.due = pages + self.lengths.long / 4;
            }
            Phase::Idle | Phase::Busy => {}
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        *self.shared.phase.lock() = Phase::Over;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that carries the log over panicked");
        }
    }
}

impl Shared {
    /// Whether the disk may be left to others now and then: nobody waits for the
    /// end, and the log has not become twice as long meanwhile.
    fn has_time(&self, lengths: Lengths) -> bool {
        let pages = self.pages.load(Ordering::Relaxed);
        pages < 2 * lengths.long && *self.phase.lock() == Phase::Busy
    }

    fn run(&self, connection: &Connection, file: &File, lengths: Lengths) {
        let _over = Over(self);
        loop {
            let mut phase = self.phase.lock();
            while matches!(*phase, Phase::Idle | Phase::Done) {
                self.changed.wait(&mut phase);
            }
            if *phase == Phase::Over {
                return;
            }
            drop(phase);
            for round in 0..ROUNDS {
                let (carried, written) = match carry_over(connection) {
                    Ok(carried) => (carried, self.pages.load(Ordering::Relaxed)),
                    Err(fault) => {
                        tell(fault);
                        break;
                    }
                };
                // A hint only. What came meanwhile is little, and done at once.
                let has_time = || round == 0 && self.has_time(lengths);
                if let Err(error) = write_back(file, has_time) {
                    tracing::debug!(%error, "what was carried over from the write-ahead log is brought to the disk at once");
                }
                if let Err(error) = file.sync_data() {
                    tracing::warn!(%error, "what was carried over from the write-ahead log cannot be made durable yet");
                }
                let is_over = *self.phase.lock() == Phase::Over;
                if is_over || written.saturating_sub(carried) < lengths.little {
                    break;
                }
            }
            let mut phase = self.phase.lock();
            if *phase == Phase::Busy {
                *phase = Phase::Done;
            }
            self.changed.notify_all();
        }
    }
}

/// Says that the thread has ended, also by a panic.
struct Over<'a>(&'a Shared);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        *self.0.phase.lock() = Phase::Over;
        self.0.changed.notify_all();
    }
}

/// Carries over what nobody reads any more as it was before. Answers how many
/// pages of the log are.
fn carry_over(connection: &Connection) -> Work<u64> {
    let mut statement = connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?;
    let pages: i64 = statement.query_row([], |row| row.get(2))?;
    Ok(u64::try_from(pages).unwrap_or(0))
}

fn tell(fault: super::fault::Fault) -> u64 {
    let error = fault.during("carrying the log over");
    tracing::warn!(%error, "the write-ahead log grows, because it cannot be carried over into the database");
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: Lengths = Lengths {
        long: 64,
        little: 16,
        most: 256,
    };

    /// Writes pages and answers the log's length as a file afterwards, in pages.
    fn write(path: &Path, checkpoints: &mut Checkpoints, writer: &Connection, pages: u64) -> u64 {
        for _ in 0..pages {
            writer
                .execute("INSERT INTO big VALUES (zeroblob(4000))", [])
                .unwrap();
            checkpoints.step(writer);
        }
        std::fs::metadata(path.with_extension("db-wal"))
            .unwrap()
            .len()
            / 4096
    }

    fn start(path: &Path, create: &str) -> (Connection, Checkpoints) {
        let mut writer = schema::open_writer(path).unwrap();
        writer.execute_batch(create).unwrap();
        let file = Arc::new(File::open(path).unwrap());
        let checkpoints = Checkpoints::start((path, &file), &mut writer, LENGTHS).unwrap();
        (writer, checkpoints)
    }

    #[test]
    fn the_log_stays_short_and_all_of_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let (writer, mut checkpoints) = start(&path, "CREATE TABLE big (bytes BLOB)");
        // Each is two to four pages of the log, of 4 KiB and a head.
        let log = write(&path, &mut checkpoints, &writer, 1_000);
        assert!((16..=2 * LENGTHS.most).contains(&log), "{log}");
        drop(checkpoints);
        drop(writer);
        assert!(!path.with_extension("db-wal").exists());
        let again = schema::open_writer(&path).unwrap();
        let count: i64 = again
            .query_row("SELECT count(*) FROM big", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 1_000);
    }

    /// It cannot begin anew while somebody reads what was before, and does so
    /// afterwards.
    #[test]
    fn a_reader_that_takes_long_does_not_keep_it_long_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let (writer, mut checkpoints) = start(&path, "CREATE TABLE big (bytes BLOB)");
        let reader = schema::open_reader(&path).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        let count = "SELECT count(*) FROM big";
        let seen = || -> i64 { reader.query_row(count, [], |row| row.get(0)).unwrap() };
        assert_eq!(seen(), 0);
        let while_read = write(&path, &mut checkpoints, &writer, 500);
        assert!(while_read > 500, "{while_read}");
        assert_eq!(seen(), 0);
        reader.execute_batch("COMMIT").unwrap();
        write(&path, &mut checkpoints, &writer, 500);
        // The file keeps its size, and is written again from its beginning.
        assert!(checkpoints.shared.pages.load(Ordering::Relaxed) <= 2 * LENGTHS.most);
    }

    #[test]
    fn without_its_thread_the_writer_does_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let (writer, mut checkpoints) = start(&path, "CREATE TABLE big (bytes BLOB)");
        drop(Over(&checkpoints.shared));
        let log = write(&path, &mut checkpoints, &writer, 500);
        assert!(log <= 2 * LENGTHS.long, "{log}");
    }
}
