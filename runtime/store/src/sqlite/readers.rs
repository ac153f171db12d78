//! Connections that only read. They see what is committed and never wait for
//! the writer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::fault::Work;
use super::schema::open_reader;
use crate::{Result, StoreError};

/// Questions that may wait for a thread; beyond them askers wait.
const QUESTIONS: usize = 256;

type Question = Box<dyn FnOnce(&Connection) + Send>;

/// Threads that answer questions, each with a connection.
pub(super) struct Readers {
    questions: Mutex<Option<mpsc::Sender<Question>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    pub(super) fn start(path: &Path, count: usize) -> Result<Self> {
        let (sender, receiver) = mpsc::channel(QUESTIONS);
        let receiver = Arc::new(Mutex::new(receiver));
        let readers = Self {
            questions: Mutex::new(Some(sender)),
            threads: Mutex::new(Vec::new()),
        };
        for index in 0..count {
            let connection = open_reader(path)?;
            let receiver = receiver.clone();
            let thread = std::thread::Builder::new()
                .name(format!("store-reader-{index}"))
                .spawn(move || answer(&connection, &receiver))
                .map_err(|error| StoreError::Storage {
                    doing: "starting a reader",
                    cause: error.to_string(),
                })?;
            readers.threads.lock().push(thread);
        }
        Ok(readers)
    }

    /// Answers a question on one of the threads, from one snapshot.
    pub(super) async fn ask<T, F>(&self, doing: &'static str, question: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Work<T> + Send + 'static,
    {
        let sender = self.questions.lock().clone().ok_or(StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |connection| {
            let result = in_snapshot(connection, question);
            // Nobody waits if the asker was cancelled.
            let _ = reply.send(result.map_err(|fault| fault.during(doing)));
        });
        sender
            .send(question)
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Refuses further questions.
    pub(super) fn close(&self) {
        self.questions.lock().take();
    }
}

/// Several statements of one question see the same state.
fn in_snapshot<T>(
    connection: &Connection,
    question: impl FnOnce(&Connection) -> Work<T>,
) -> Work<T> {
    let transaction = connection.unchecked_transaction()?;
    let result = question(&transaction)?;
    transaction.commit()?;
    Ok(result)
}

fn answer(connection: &Connection, questions: &Mutex<mpsc::Receiver<Question>>) {
    loop {
        // Waiting with the lock held is how the threads take turns.
        let question = questions.lock().blocking_recv();
        match question {
            Some(question) => question(connection),
            None => return,
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
        for thread in self.threads.lock().drain(..) {
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("one of the store's readers panicked");
            }
        }
    }
}

/// Connections for questions that worker threads ask during a run, without a
/// hop to another thread.
pub(super) struct Lookups {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
    closed: AtomicBool,
}

impl Lookups {
    pub(super) fn open(path: &Path, count: usize) -> Result<Self> {
        let open = |_| open_reader(path).map(Mutex::new);
        Ok(Self {
            connections: (0..count).map(open).collect::<Result<_>>()?,
            next: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        })
    }

    /// Answers on the first connection that is free.
    pub(super) fn ask<T>(
        &self,
        doing: &'static str,
        question: impl FnOnce(&Connection) -> Work<T>,
    ) -> Result<T> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        let free = self.connections.iter().find_map(Mutex::try_lock);
        let connection = free.unwrap_or_else(|| {
            let turn = self.next.fetch_add(1, Ordering::Relaxed);
            self.connections[turn % self.connections.len()].lock()
        });
        question(&connection).map_err(|fault| fault.during(doing))
    }

    /// Refuses further questions.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}
