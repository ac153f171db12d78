//! Turns for what takes a core for long: reading and writing a list, or parsing
//! a large body. Of each tenant it is done one at a time, and of all only as
//! much at once as half of the threads that answer requests; so these have time
//! for those who only send an event. Who waits is bounded by what requests may
//! hold (`portions`).

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::portions::Portion;

/// Turns of all. First come, first served; and since each tenant comes with one
/// at a time, tenants take turns.
#[derive(Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

/// It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _own: Option<OwnedSemaphorePermit>,
    _all: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// For this many threads.
    fn new(threads: usize) -> Self {
        Self(Arc::new(Semaphore::new((threads / 2).max(1))))
    }

    /// For the threads of the present runtime.
    pub(crate) fn of_runtime() -> Self {
        Self::new(Handle::current().metrics().num_workers())
    }

    /// Waits for a turn. The operator, who has no portion, waits with all only.
    pub(crate) async fn turn(&self, portion: Option<&Portion>) -> Turn {
        let own = match portion {
            Some(portion) => portion.turn().await,
            None => None,
        };
        // The semaphore is never closed.
        let all = Arc::clone(&self.0).acquire_owned().await.ok();
        Turn {
            _own: own,
            _all: all,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    /// What is ready, and what waits.
    fn is_ready<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        future.poll(&mut context).is_ready()
    }

    #[tokio::test]
    async fn who_asks_for_much_has_one_turn_and_then_it_is_anothers() {
        let turns = Turns::new(2);
        let (storm, calm) = (Portion::default(), Portion::default());
        let first = turns.turn(Some(&storm)).await;
        let mut second = pin!(turns.turn(Some(&storm)));
        let mut third = pin!(turns.turn(Some(&storm)));
        assert!(!is_ready(second.as_mut()) && !is_ready(third.as_mut()));
        let mut other = pin!(turns.turn(Some(&calm)));
        let mut operator = pin!(turns.turn(None));
        assert!(!is_ready(other.as_mut()) && !is_ready(operator.as_mut()));
        drop(first);
        assert!(!is_ready(second.as_mut()), "the other came before it");
        let other = other.await;
        drop(other);
        drop(operator.await);
        drop(second.await);
        drop(third.await);
    }

    #[tokio::test]
    async fn half_of_the_threads_are_left() {
        let turns = Turns::new(8);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(turns.turn(Some(&Portion::default())).await);
        }
        let mut fifth = pin!(turns.turn(None));
        assert!(!is_ready(fifth.as_mut()));
        held.pop();
        drop(fifth.await);
    }
}
