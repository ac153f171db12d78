//! Uploads that wait for their turn to be compiled.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use ringfence_governor::{UploadBounds, UploadId, Uploads};
use ringfence_model::TenantId;
use tokio::sync::oneshot;

use crate::EngineError;

/// Who is there, and who is told when it is their turn. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct UploadQueue(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    uploads: Uploads,
    waiting: HashMap<UploadId, oneshot::Sender<()>>,
}

/// An upload's place, from before its body is read until it is compiled.
/// Dropping it gives the place up, so who goes away leaves the queue.
#[derive(Debug)]
pub struct UploadPlace {
    queue: UploadQueue,
    id: UploadId,
}

/// That it is an upload's turn, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _place: UploadPlace,
}

impl UploadQueue {
    pub(crate) fn new(bounds: UploadBounds) -> Self {
        let bounds = UploadBounds {
            at_once: bounds.at_once.max(1),
            ..bounds
        };
        Self(Arc::new(Mutex::new(State {
            uploads: Uploads::new(bounds),
            waiting: HashMap::new(),
        })))
    }

    /// How many have a place and are not compiled, and how many are compiled.
    pub(crate) fn counts(&self) -> (u64, u64) {
        self.0.lock().uploads.counts()
    }

    pub(crate) fn place(&self, tenant: &TenantId, bytes: u64) -> Result<UploadPlace, EngineError> {
        let entered = self.0.lock().uploads.enter(tenant, bytes);
        Ok(UploadPlace {
            queue: self.clone(),
            id: entered.map_err(EngineError::UploadsWaiting)?,
        })
    }
}

impl UploadPlace {
    /// Waits in the tenant's line, of which so many may be compiled at one
    /// moment.
    pub(crate) async fn turn(self, at_once: u64) -> Turn {
        let (begin, begun) = oneshot::channel();
        {
            let state = &mut *self.queue.0.lock();
            state.waiting.insert(self.id, begin);
            state.uploads.line_up(self.id, at_once);
            state.begin();
        }
        // An error is as good as an answer: the sender is dropped only when
        // this place is given up.
        let _ = begun.await;
        Turn { _place: self }
    }
}

impl Drop for UploadPlace {
    fn drop(&mut self) {
        let state = &mut *self.queue.0.lock();
        state.waiting.remove(&self.id);
        state.uploads.leave(self.id);
        state.begin();
    }
}

impl State {
    /// Tells those whose turn it is.
    fn begin(&mut self) {
        while let Some(id) = self.uploads.next() {
            // Who does not listen any more drops the place, which ends the
            // turn.
            if let Some(begin) = self.waiting.remove(&id) {
                let _ = begin.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn queue() -> UploadQueue {
        UploadQueue::new(UploadBounds {
            at_once: 1,
            places: 8,
            bytes: 100,
        })
    }

    async fn waits(turn: &mut (impl Future<Output = Turn> + Unpin)) -> bool {
        timeout(Duration::from_millis(20), turn).await.is_err()
    }

    #[tokio::test]
    async fn who_goes_away_makes_room_for_the_next() {
        let queue = queue();
        let names: Vec<TenantId> = ["a", "b", "c"].map(|name| name.parse().unwrap()).to_vec();
        let place = |index: usize| queue.place(&names[index], 1).unwrap();
        let first = place(0).turn(1).await;
        let mut second = Box::pin(place(1).turn(1));
        let mut third = Box::pin(place(2).turn(1));
        assert!(waits(&mut second).await && waits(&mut third).await);
        // The second's client goes away, then the first is done.
        drop(second);
        assert!(waits(&mut third).await);
        drop(first);
        drop(third.await);
        // One whose turn has come and who does not listen any more.
        let first = place(0).turn(1).await;
        let mut second = Box::pin(place(1).turn(1));
        assert!(waits(&mut second).await);
        drop(first);
        drop(second);
        drop(place(2).turn(1).await);
    }

    #[tokio::test]
    async fn places_are_bounded_and_come_back() {
        let queue = queue();
        let acme: TenantId = "acme".parse().unwrap();
        let held = [
            queue.place(&acme, 1).unwrap(),
            queue.place(&acme, 1).unwrap(),
        ];
        let error = queue.place(&acme, 1).unwrap_err();
        assert!(error.to_string().contains("2 of 2 uploads"), "{error}");
        drop(held);
        queue.place(&acme, 1).unwrap();
    }
}
