//! Connections at one moment, and who has to go when there are too many.
//!
//! A connection over which nobody known has asked anything costs its client
//! nothing. So when all places are taken and another client comes, such a
//! connection has to go: first those that never had a request with a valid
//! token, then those that have been idle, of each the one that has waited
//! longest. One whose request is being answered stays.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How often to look again whether somebody is idle.
const LOOK: Duration = Duration::from_millis(100);

/// While a request is answered.
const BUSY: u64 = u64::MAX;

/// The places of all connections.
#[derive(Debug)]
pub(crate) struct Connections {
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    places: Mutex<HashMap<u64, Arc<Idle>>>,
    /// Orders what happens.
    moments: AtomicU64,
}

#[derive(Debug)]
struct Idle {
    /// The moment from which on it waits, or `BUSY`.
    since: AtomicU64,
    /// Whether somebody known has asked over it.
    is_known: AtomicBool,
    is_leaving: AtomicBool,
    leave: Notify,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    id: u64,
    idle: Arc<Idle>,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

/// A connection as its requests know it.
#[derive(Debug, Clone)]
pub(crate) struct Asking(Arc<Idle>);

impl Connections {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(max.max(1))),
            shared: Arc::default(),
        }
    }

    /// A place for a client that is there. If there is none, somebody idle is
    /// asked to leave.
    pub(crate) async fn place(&self) -> Place {
        let permit = match self.room.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait_for_room().await,
        };
        let id = self.shared.moment();
        let idle = Arc::new(Idle {
            since: AtomicU64::new(id),
            is_known: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            leave: Notify::new(),
        });
        self.shared.places.lock().insert(id, Arc::clone(&idle));
        Place {
            id,
            idle,
            shared: Arc::clone(&self.shared),
            _permit: permit,
        }
    }
}

impl Connections {
    async fn wait_for_room(&self) -> OwnedSemaphorePermit {
        loop {
            self.shared.dismiss();
            // Only a closed semaphore fails, and this one is never closed.
            let room = timeout(LOOK, self.room.clone().acquire_owned()).await;
            if let Ok(Ok(permit)) = room {
                return permit;
            }
        }
    }
}

impl Shared {
    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::Relaxed)
    }

    /// Asks one to leave, unless one is leaving already.
    fn dismiss(&self) {
        let places = self.places.lock();
        let leaving = |idle: &Arc<Idle>| idle.is_leaving.load(Ordering::Relaxed);
        if places.values().any(leaving) {
            return;
        }
        let order = |idle: &Arc<Idle>| {
            let since = idle.since.load(Ordering::Relaxed);
            let key = (idle.is_known.load(Ordering::Relaxed), since);
            (since != BUSY).then(|| (key, Arc::clone(idle)))
        };
        let first = places
            .values()
            .filter_map(order)
            .min_by_key(|(key, _)| *key);
        if let Some((_, idle)) = first {
            idle.is_leaving.store(true, Ordering::Relaxed);
            idle.leave.notify_one();
        }
    }
}

/// An answer that is being sent. When this is dropped, nothing is asked.
pub(crate) struct Answering {
    idle: Arc<Idle>,
    shared: Arc<Shared>,
}

impl Place {
    /// For the requests that come over the connection.
    pub(crate) fn asking(&self) -> Asking {
        Asking(Arc::clone(&self.idle))
    }

    /// For a request's answer, until it is on its way to the client.
    pub(crate) fn answering(&self) -> Answering {
        Answering {
            idle: Arc::clone(&self.idle),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Resolves when the connection has to go, while nothing is asked over it.
    pub(crate) async fn dismissed(&self) {
        loop {
            self.idle.leave.notified().await;
            if self.idle.since.load(Ordering::Relaxed) != BUSY {
                return;
            }
            // A request came at the same moment.
            self.idle.is_leaving.store(false, Ordering::Relaxed);
        }
    }
}

impl Asking {
    /// Somebody known asks.
    pub(crate) fn is_known(&self) {
        self.0.since.store(BUSY, Ordering::Relaxed);
        self.0.is_known.store(true, Ordering::Relaxed);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if self.idle.since.load(Ordering::Relaxed) == BUSY {
            let moment = self.shared.moment();
            self.idle.since.store(moment, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.places.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn stays(place: &Place) -> bool {
        let dismissed = timeout(Duration::from_millis(20), place.dismissed());
        dismissed.await.is_err()
    }

    #[tokio::test]
    async fn who_has_asked_nothing_goes_first_and_who_is_answered_stays() {
        let connections = Connections::new(4);
        let answered = connections.place().await;
        answered.asking().is_known();
        let known = connections.place().await;
        known.asking().is_known();
        drop(known.answering());
        // Its answer is still being sent.
        let _sent = answered.answering();
        let first = connections.place().await;
        let second = connections.place().await;

        let (another, ()) = tokio::join!(connections.place(), async {
            first.dismissed().await;
            assert!(stays(&second).await && stays(&known).await);
            drop(first);
        });
        // Now the oldest of those that have asked nothing is the second.
        let (more, ()) = tokio::join!(connections.place(), async {
            second.dismissed().await;
            drop(second);
        });
        another.asking().is_known();
        more.asking().is_known();
        let (_last, ()) = tokio::join!(connections.place(), async {
            known.dismissed().await;
            assert!(stays(&answered).await);
            drop(known);
        });
    }
}
