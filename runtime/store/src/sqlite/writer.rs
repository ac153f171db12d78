//! The one thread that writes. What arrives while it is busy shares the next
//! transaction, so that one wait for the disk serves many. What is large has a
//! transaction of its own, and takes turns with all that is not: so that nobody
//! waits for more than one such.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ringfence_model::TenantId;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::bulk::Bulk;
use super::checkpoint::{Checkpoints, Lengths};
use super::cleanup::Cleanup;
use super::fault::Work;
use super::job::{Call, Job, Ran};
use super::unit::{Positions, TenantKey, Unit};
use crate::{Feed, Result, StoreError};

/// What may wait for the writer, each request a KiB at least; beyond that senders
/// wait. What is large has as much of its own.
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
    pub(super) fn start(
        database: (&Path, &Arc<File>),
        mut connection: Connection,
        feed: Arc<OnceLock<Feed>>,
    ) -> Result<Self> {
        let (queue, requests) = mpsc::channel();
        let (stop, stopped) = watch::channel(false);
        let checkpoints = Checkpoints::start(database, &mut connection, Lengths::default())?;
        let state = State::load(connection, checkpoints, requests, feed)
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
        self.send(Message::Work(request))?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    fn send(&self, message: Message) -> Result<()> {
        let queue = self.queue.lock();
        let queue = queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(message).map_err(|_| StoreError::Closed)
    }

    /// Finishes what was sent before and refuses what comes later.
    pub(super) async fn close(&self) {
        self.room.close();
        self.large.close();
        // An error says that it is closed already.
        let _ = self.send(Message::Close);
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
    // Dropped before the writer's connection, which is the last.
    checkpoints: Checkpoints,
    connection: Connection,
    requests: mpsc::Receiver<Message>,
    /// Whether nothing more is to come.
    is_closing: bool,
    large: Bulk<Request>,
    /// Whether the next turn is of what is large, if it need not rest.
    is_turn_of_large: bool,
    /// What times are counted from.
    started: Instant,
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
    is_large: bool,
}

impl Group {
    fn of_large(request: Request) -> Self {
        let mut group = Self::default();
        group.add(request);
        group.is_large = true;
        group
    }

    fn add(&mut self, request: Request) {
        self.kib += request.room.num_permits();
        self.jobs.push(request.job);
        self.rooms.push(request.room);
    }
}

impl State {
    fn load(
        connection: Connection,
        checkpoints: Checkpoints,
        requests: mpsc::Receiver<Message>,
        feed: Arc<OnceLock<Feed>>,
    ) -> Work<Self> {
        Ok(Self {
            positions: Positions::load(&connection)?,
            cleanup: Cleanup::load(&connection)?,
            tenants: HashMap::new(),
            checkpoints,
            connection,
            requests,
            is_closing: false,
            large: Bulk::default(),
            is_turn_of_large: false,
            started: now(),
            feed,
        })
    }

    fn run(mut self) {
        while let Some(group) = self.next() {
            if !group.jobs.is_empty() {
                let (is_large, begun_us) = (group.is_large, self.now_us());
                self.serve(group);
                if is_large {
                    self.large.took(begun_us, self.now_us());
                } else {
                    self.large.others();
                }
            }
            // One step after each group: neither starves the other.
            self.cleanup.step(&mut self.connection, &self.positions);
            self.checkpoints.step(&self.connection);
        }
    }

    fn now_us(&self) -> u64 {
        let since = now().saturating_duration_since(self.started);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    /// What is to be done next; an empty group if only cleaning up is, or if it
    /// is to be asked again.
    fn next(&mut self) -> Option<Group> {
        // At the end, nothing needs to rest.
        let now_us = if self.is_closing {
            u64::MAX
        } else {
            self.now_us()
        };
        if std::mem::take(&mut self.is_turn_of_large)
            && let Some(request) = self.large.next(now_us)
        {
            return Some(Group::of_large(request));
        }
        let mut group = Group::default();
        self.take_all(&mut group);
        self.is_turn_of_large = true;
        if group.jobs.is_empty() {
            match (self.large.due_in_us(now_us), self.is_closing) {
                (None, true) => return None,
                (due_us, false) if due_us != Some(0) && !self.cleanup.is_due() => {
                    self.wait(due_us, &mut group);
                    self.take_all(&mut group);
                }
                _ => {}
            }
        }
        Some(group)
    }

    /// Takes what has come, as much as a transaction holds.
    fn take_all(&mut self, group: &mut Group) {
        while group.jobs.len() < GROUP_REQUESTS && group.kib < GROUP_KIB {
            match self.requests.try_recv() {
                Ok(message) => self.take(message, group),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.is_closing = true;
                    return;
                }
            }
        }
    }

    /// Waits for a request, or until something large need not wait any more.
    fn wait(&mut self, due_us: Option<u64>, group: &mut Group) {
        let message = match due_us {
            None => self.requests.recv().map_err(RecvTimeoutError::from),
            Some(due_us) => self.requests.recv_timeout(Duration::from_micros(due_us)),
        };
        match message {
            Ok(message) => self.take(message, group),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.is_closing = true,
        }
    }

    fn take(&mut self, message: Message, group: &mut Group) {
        match message {
            Message::Work(request) if request.is_large => self.large.push(request),
            Message::Work(request) => group.add(request),
            Message::Close => self.is_closing = true,
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

/// For how long things take only.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the writer looks at a clock"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::schema::open_writer;

    fn start(path: &Path) -> Writer {
        let connection = open_writer(path).unwrap();
        let file = Arc::new(File::open(path).unwrap());
        Writer::start((path, &file), connection, Arc::default()).unwrap()
    }

    fn insert(unit: &Unit<'_>, name: &str) -> Work<()> {
        let sql = "INSERT INTO tenants (name, record) VALUES (?, '')";
        unit.connection.execute(sql, [name])?;
        Ok(())
    }

    /// What is large comes one by one, between all that is not.
    #[tokio::test]
    async fn nobody_waits_for_more_than_one_large_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let writer = start(&path);
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

    /// After a large request has taken long, others come before the next one.
    #[tokio::test]
    async fn what_is_large_rests_while_others_come() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let writer = start(&path);
        let order = Arc::new(Mutex::new(String::new()));
        let note = |name| {
            let order = Arc::clone(&order);
            move |_: &mut Unit<'_>| {
                if name == 'L' {
                    std::thread::sleep(Duration::from_millis(500));
                }
                order.lock().push(name);
                Ok(())
            }
        };
        let large = (u64::from(LARGE_KIB) + 1) * 1024;
        let (begun, begins) = oneshot::channel();
        let mut begun = Some(begun);
        tokio::join!(
            async {
                let first = writer.write_bulk("appending", large, move |_| {
                    begun.take().map(|begun| begun.send(()));
                    std::thread::sleep(Duration::from_millis(500));
                    Ok(())
                });
                first.await.unwrap();
            },
            async {
                begins.await.unwrap();
                writer
                    .write_bulk("appending", large, note('L'))
                    .await
                    .unwrap();
            },
            async {
                while order.lock().len() < 5 {
                    writer.write("committing", 0, note('s')).await.unwrap();
                }
            },
        );
        // The first small one may have come before both.
        assert!(order.lock().starts_with("ssss"), "{}", order.lock());
        assert!(order.lock().contains('L'), "{}", order.lock());
        writer.close().await;
    }

    #[tokio::test]
    async fn what_rests_is_done_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(&folder.path().join("db"));
        let large = (u64::from(LARGE_KIB) + 1) * 1024;
        let takes_long = |_: &mut Unit<'_>| {
            std::thread::sleep(Duration::from_millis(300));
            Ok(())
        };
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let (begun, begins) = oneshot::channel();
        let mut begun = Some(begun);
        let (first, rests, small, ()) = tokio::join!(
            writer.write_bulk("appending", large, takes_long),
            writer.write_bulk("appending", large, takes_long),
            async {
                // Sent when the first large one is under way.
                tokio::time::sleep(Duration::from_millis(100)).await;
                let small = writer.write("committing", 0, move |_| {
                    begun.take().map(|begun| begun.send(()));
                    // Its other end is dropped when the end was asked for.
                    let _ = gate.recv();
                    Ok(())
                });
                small.await
            },
            async {
                begins.await.unwrap();
                tokio::join!(writer.close(), async { drop(open) });
            },
        );
        first.unwrap();
        small.unwrap();
        rests.unwrap();
    }

    #[tokio::test]
    async fn a_request_that_fails_half_way_fails_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let writer = start(&path);
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
