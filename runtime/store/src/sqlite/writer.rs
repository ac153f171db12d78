//! The one thread that writes. What arrives while it is busy shares the next
//! transaction, so that one wait for the disk serves many. In it are as many
//! events and results of runs as take some milliseconds, and tenants take turns
//! with them: so that who brings little waits for little. What is large has a
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
use tokio::sync::{Semaphore, oneshot, watch};

use super::checkpoint::{Checkpoints, Lengths};
use super::cleanup::Cleanup;
use super::fault::Work;
use super::job::{Call, Job, Ran};
use super::unit::{Positions, TenantKey, Unit};
use super::waiting::{Group, Load, QUEUE_KIB, Request, Waiting, Way};
use crate::{Feed, Result, StoreError};

enum Message {
    Work(Way, Request),
    Close,
}

/// The way to the writer's thread.
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Message>>>,
    room: Arc<Semaphore>,
    /// For events, so that results do not wait behind them for room.
    events: Arc<Semaphore>,
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
            events: Arc::new(Semaphore::new(QUEUE_KIB as usize)),
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
        self.write_load(doing, Load::of(bytes), work).await
    }

    /// The same for what does not take the usual way.
    pub(super) async fn write_load<T, F>(
        &self,
        doing: &'static str,
        load: Load,
        work: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Unit<'_>) -> Work<T> + Send + 'static,
    {
        let Load { kib, way } = load;
        let room = match way {
            Way::Large => &self.large,
            Way::Events { .. } => &self.events,
            Way::Results { .. } | Way::Other => &self.room,
        };
        let room = Arc::clone(room).acquire_many_owned(kib).await;
        let room = room.map_err(|_| StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Call::new(doing, work, reply));
        self.send(Message::Work(way, Request { job, room }))?;
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
        self.events.close();
        self.large.close();
        // An error says that it is closed already.
        let _ = self.send(Message::Close);
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
    // Dropped before the writer's connection, which is the last.
    checkpoints: Checkpoints,
    connection: Connection,
    requests: mpsc::Receiver<Message>,
    /// Whether nothing more is to come.
    is_closing: bool,
    waiting: Waiting,
    /// Whether the next turn is of what is large, if it need not rest.
    is_turn_of_large: bool,
    /// What times are counted from.
    started: Instant,
    feed: Arc<OnceLock<Feed>>,
    positions: Positions,
    tenants: HashMap<TenantId, TenantKey>,
    cleanup: Cleanup,
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
            waiting: Waiting::default(),
            is_turn_of_large: false,
            started: now(),
            feed,
        })
    }

    fn run(mut self) {
        while let Some(group) = self.next() {
            if !group.jobs.is_empty() {
                let (is_large, is_full) = (group.is_large, group.is_full);
                let cost = group.cost;
                let begun_us = self.now_us();
                self.serve(group);
                let ended_us = self.now_us();
                if is_large {
                    self.waiting.large.took(begun_us, ended_us);
                } else {
                    self.waiting.large.others();
                    self.waiting.took(cost, is_full, ended_us - begun_us);
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
            && let Some(request) = self.waiting.large.next(now_us)
        {
            return Some(Group::of_large(request));
        }
        self.receive();
        self.is_turn_of_large = true;
        if self.waiting.is_empty() {
            match (self.waiting.large.due_in_us(now_us), self.is_closing) {
                (None, true) => return None,
                (due_us, false) if due_us != Some(0) && !self.cleanup.is_due() => {
                    self.wait(due_us);
                    self.receive();
                }
                _ => {}
            }
        }
        Some(self.waiting.group())
    }

    /// Takes in all that has come: whose turn it is can only be told of what is
    /// known.
    fn receive(&mut self) {
        loop {
            match self.requests.try_recv() {
                Ok(message) => self.take(message),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.is_closing = true;
                    return;
                }
            }
        }
    }

    /// Waits for a request, or until something large need not wait any more.
    fn wait(&mut self, due_us: Option<u64>) {
        let message = match due_us {
            None => self.requests.recv().map_err(RecvTimeoutError::from),
            Some(due_us) => self.requests.recv_timeout(Duration::from_micros(due_us)),
        };
        match message {
            Ok(message) => self.take(message),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.is_closing = true,
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Work(way, request) => self.waiting.push(way, request),
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
    reason = "the one place where the writer, and who carries its log over, look at a clock"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
