//! The one thread that writes. What arrives while it is busy shares the next
//! transaction, so that one wait for the disk serves many. What is large has a
//! transaction of its own, and takes turns with all that is not: so that nobody
//! waits for more than one such.

use std::collections::{HashMap, VecDeque};
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
/// What is large has as many bytes of its own.
const QUEUE_REQUESTS: usize = 1024;
const QUEUE_KIB: u32 = 64 * 1024;

/// More of events or of code is large: some milliseconds' work.
const LARGE_KIB: u32 = 128;

/// What one transaction takes at most; it keeps the wait of each request
/// short.
const GROUP_REQUESTS: usize = 512;
const GROUP_KIB: usize = 8 * 1024;

enum Message {
    Work(Request),
    Close,
}

struct Request {
    job: Box<dyn Job>,
    room: OwnedSemaphorePermit,
    is_large: bool,
}

/// The way to the writer's thread.
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Message>>>,
    room: Arc<Semaphore>,
    /// For what is large.
    large: Arc<Semaphore>,
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
            large: Arc::new(Semaphore::new(QUEUE_KIB as usize)),
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
        let is_large = false;
        self.request(doing, kib(bytes), is_large, work).await
    }

    /// The same for what a client may make as large as it likes: it does not
    /// keep others waiting.
    pub(super) async fn write_bulk<T, F>(
        &self,
        doing: &'static str,
        bytes: u64,
        work: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Unit<'_>) -> Work<T> + Send + 'static,
    {
        let kib = kib(bytes);
        self.request(doing, kib, kib > LARGE_KIB, work).await
    }

    async fn request<T, F>(
        &self,
        doing: &'static str,
        kib: u32,
        is_large: bool,
        work: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Unit<'_>) -> Work<T> + Send + 'static,
    {
        let room = if is_large { &self.large } else { &self.room };
        let room = Arc::clone(room).acquire_many_owned(kib).await;
        let room = room.map_err(|_| StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Call::new(doing, work, reply));
        let request = Request {
            job,
            room,
            is_large,
        };
        self.send(Message::Work(request)).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    async fn send(&self, message: Message) -> Result<()> {
        let queue = self.queue.lock().clone().ok_or(StoreError::Closed)?;
        queue.send(message).await.map_err(|_| StoreError::Closed)
    }

    /// Finishes what was sent before and refuses what comes later.
    pub(super) async fn close(&self) {
        self.room.close();
        self.large.close();
        // An error says that it is closed already.
        let _ = self.send(Message::Close).await;
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }
}

fn kib(bytes: u64) -> u32 {
    let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
    kib.saturating_add(1).min(QUEUE_KIB)
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
    /// What is large and waits, and whether it has the next turn.
    large: VecDeque<Request>,
    is_turn_of_large: bool,
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

impl Group {
    fn add(&mut self, request: Request) {
        self.kib += request.room.num_permits();
        self.jobs.push(request.job);
        self.rooms.push(request.room);
    }
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
            large: VecDeque::new(),
            is_turn_of_large: false,
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

    /// What is to be done next; an empty group if only cleaning up is, or what
    /// is large.
    fn next(&mut self) -> Option<Group> {
        let mut group = Group::default();
        if std::mem::take(&mut self.is_turn_of_large)
            && let Some(request) = self.large.pop_front()
        {
            group.add(request);
            return Some(group);
        }
        if !self.cleanup.is_due() && self.large.is_empty() {
            let first = self.requests.blocking_recv()?;
            self.take(first, &mut group);
        }
        while group.jobs.len() < GROUP_REQUESTS && group.kib < GROUP_KIB {
            match self.requests.try_recv() {
                Ok(message) => self.take(message, &mut group),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected)
                    if group.jobs.is_empty() && self.large.is_empty() =>
                {
                    return None;
                }
                Err(mpsc::error::TryRecvError::Disconnected) => break,
            }
        }
        self.is_turn_of_large = !self.large.is_empty();
        Some(group)
    }

    fn take(&mut self, message: Message, group: &mut Group) {
        match message {
            Message::Work(request) if request.is_large => self.large.push_back(request),
            Message::Work(request) => group.add(request),
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

    /// What is large comes one by one, between all that is not.
    #[tokio::test]
    async fn nobody_waits_for_more_than_one_large_request() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open_writer(&folder.path().join("db")).unwrap();
        let writer = Writer::start(connection, Arc::default()).unwrap();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let order = Arc::new(Mutex::new(String::new()));
        let note = |name| {
            let order = Arc::clone(&order);
            move |_: &mut Unit<'_>| {
                order.lock().push(name);
                Ok(())
            }
        };
        let large = (u64::from(LARGE_KIB) + 1) * 1024;
        let (first, ..) = tokio::join!(
            writer.write("waiting", 0, move |_| {
                let _ = gate.recv();
                Ok(())
            }),
            writer.write_bulk("appending", large, note('L')),
            writer.write_bulk("appending", large, note('L')),
            writer.write_bulk("appending", 0, note('s')),
            writer.write("committing", large, note('s')),
            async { drop(open) },
        );
        first.unwrap();
        assert_eq!(*order.lock(), "ssLL");
        // It ends although something large waits at the end.
        writer
            .write_bulk("appending", large, note('L'))
            .await
            .unwrap();
        writer.close().await;
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
