//! The one thread that writes. What arrives while it is busy shares the next
//! transaction, so that one wait for the disk serves many.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use ringfence_model::TenantId;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::cleanup::Cleanup;
use super::fault::Work;
use super::job::{Call, Job, Ran};
use super::unit::{Positions, TenantKey, Unit};
use crate::{Feed, Result, StoreError};

/// Requests and bytes that may wait for the writer; beyond them senders wait.
const QUEUE_REQUESTS: usize = 1024;
const QUEUE_KIB: u32 = 64 * 1024;

/// What one transaction takes at most; it keeps the wait of each request
/// short.
const GROUP_REQUESTS: usize = 512;
const GROUP_KIB: usize = 8 * 1024;

enum Message {
    Work(Box<dyn Job>, OwnedSemaphorePermit),
    Close,
}

/// The way to the writer's thread.
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Message>>>,
    room: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, feed: Arc<OnceLock<Feed>>) -> Result<Self> {
        let (queue, requests) = mpsc::channel(QUEUE_REQUESTS);
        let (stop, stopped) = watch::channel(false);
        let state = State::load(connection, requests, feed)
            .map_err(|fault| fault.during("reading where the log ends"))?;
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                state.run();
                // The watch's end says the same if the thread panics.
                let _ = stop.send(true);
            })
            .map_err(|error| StoreError::Storage {
                doing: "starting the writer",
                cause: error.to_string(),
            })?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            room: Arc::new(Semaphore::new(QUEUE_KIB as usize)),
            stopped,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Has work done in a transaction that is durable when this answers.
    /// `bytes` is about what it holds and writes. The work is done again if
    /// the transaction that it shared had to be rolled back.
    pub(super) async fn write<T, F>(&self, doing: &'static str, bytes: u64, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Unit<'_>) -> Work<T> + Send + 'static,
    {
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
        let kib = kib.saturating_add(1).min(QUEUE_KIB);
        let room = self.room.clone().acquire_many_owned(kib).await;
        let room = room.map_err(|_| StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let call = Call::new(doing, work, reply);
        self.send(Message::Work(Box::new(call), room)).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    async fn send(&self, message: Message) -> Result<()> {
        let queue = self.queue.lock().clone().ok_or(StoreError::Closed)?;
        queue.send(message).await.map_err(|_| StoreError::Closed)
    }

    /// Finishes what was sent before and refuses what comes later.
    pub(super) async fn close(&self) {
        self.room.close();
        // An error says that it is closed already.
        let _ = self.send(Message::Close).await;
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The thread ends when the queue is empty and has no sender.
        self.queue.lock().take();
        if let Some(thread) = self.thread.lock().take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer panicked");
        }
    }
}

struct State {
    connection: Connection,
    requests: mpsc::Receiver<Message>,
    feed: Arc<OnceLock<Feed>>,
    positions: Positions,
    tenants: HashMap<TenantId, TenantKey>,
    cleanup: Cleanup,
}

/// Requests that share a transaction, and the room that they take in the
/// queue.
#[derive(Default)]
struct Group {
    jobs: Vec<Box<dyn Job>>,
    rooms: Vec<OwnedSemaphorePermit>,
    kib: usize,
}

impl State {
    fn load(
        connection: Connection,
        requests: mpsc::Receiver<Message>,
        feed: Arc<OnceLock<Feed>>,
    ) -> Work<Self> {
        Ok(Self {
            positions: Positions::load(&connection)?,
            cleanup: Cleanup::load(&connection)?,
            tenants: HashMap::new(),
            connection,
            requests,
            feed,
        })
    }

    fn run(mut self) {
        while let Some(group) = self.next() {
            if !group.jobs.is_empty() {
                self.serve(group);
            }
            // One step after each group: neither starves the other.
            self.cleanup.step(&mut self.connection);
        }
    }

    /// What is to be done next; an empty group if only cleaning up is.
    fn next(&mut self) -> Option<Group> {
        let mut group = Group::default();
        if !self.cleanup.is_due() {
            let first = self.requests.blocking_recv()?;
            self.take(first, &mut group);
        }
        while group.jobs.len() < GROUP_REQUESTS && group.kib < GROUP_KIB {
            match self.requests.try_recv() {
                Ok(message) => self.take(message, &mut group),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) if group.jobs.is_empty() => {
                    return None;
                }
                Err(mpsc::error::TryRecvError::Disconnected) => break,
            }
        }
        Some(group)
    }

    fn take(&mut self, message: Message, group: &mut Group) {
        match message {
            Message::Work(job, room) => {
                group.jobs.push(job);
                group.kib += room.num_permits();
                group.rooms.push(room);
            }
            Message::Close => self.requests.close(),
        }
    }

    /// All in one transaction; or, if that fails, each in its own, so that
    /// one request's failure is not its neighbours'.
    fn serve(&mut self, group: Group) {
        let Group { mut jobs, .. } = group;
        if self.commit(&mut jobs).is_err() && jobs.len() > 1 {
            for job in &mut jobs {
                // Its failure is in its answer.
                let _ = self.commit(std::slice::from_mut(job));
            }
        }
        for job in jobs {
            job.answer();
        }
    }

    /// Does the work and makes it durable; or, on a failure, undoes all of
    /// it, and each job knows why.
    fn commit(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<()> {
        let result = self
            .transact(jobs)
            .map_err(|fault| fault.during("committing"));
        if let Err(error) = &result {
            tracing::error!(%error, requests = jobs.len(), "a transaction was rolled back");
            for job in jobs {
                job.fail(error);
            }
            self.roll_back();
        }
        result
    }

    fn transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Work<()> {
        self.connection
            .prepare_cached("BEGIN IMMEDIATE")?
            .execute([])?;
        let mut unit = Unit::new(&self.connection, self.positions, &mut self.tenants);
        for job in jobs {
            if let Ran::Halfway(error) = job.run(&mut unit) {
                return Err(error.into());
            }
        }
        unit.finish()?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        self.positions = unit.positions;
        self.cleanup.add(unit.gone);
        let accepted = unit.accepted;
        if let Some(feed) = self.feed.get()
            && !accepted.is_empty()
        {
            feed(accepted);
        }
        Ok(())
    }

    /// Back to what is durable. `positions` is set after a commit only, so it
    /// needs nothing.
    fn roll_back(&mut self) {
        // It may hold a tenant that was not created after all.
        self.tenants.clear();
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a failed transaction could not be rolled back");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::schema::open_writer;

    fn insert(unit: &Unit<'_>, name: &str) -> Work<()> {
        let sql = "INSERT INTO tenants (name, record) VALUES (?, '')";
        unit.connection.execute(sql, [name])?;
        Ok(())
    }

    #[tokio::test]
    async fn a_request_that_fails_half_way_fails_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let connection = open_writer(&path).unwrap();
        let writer = Writer::start(connection, Arc::default()).unwrap();
        // The first request holds the writer until the others wait for it.
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let (_, first, failing, last, ()) = tokio::join!(
            writer.write("waiting", 0, move |_| {
                // Its other end is dropped when it is time.
                let _ = gate.recv();
                Ok(())
            }),
            writer.write("inserting", 0, |unit| insert(unit, "a")),
            writer.write("failing", 0, |unit| {
                insert(unit, "b")?;
                Err::<(), _>(StoreError::NoTenant.into())
            }),
            writer.write("inserting", 0, |unit| insert(unit, "c")),
            async { drop(open) },
        );
        assert!(matches!(failing, Err(StoreError::NoTenant)), "{failing:?}");
        first.unwrap();
        last.unwrap();
        let names = Connection::open(&path).unwrap().query_row(
            "SELECT group_concat(name) FROM tenants",
            [],
            |row| row.get::<_, String>(0),
        );
        assert_eq!(names.unwrap(), "a,c");
    }
}
