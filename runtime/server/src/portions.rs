//! What the requests of one tenant may hold of the server at one moment, so
//! that no tenant can take all connections, all memory for bodies or all long
//! polls. The operator, who acts for all tenants, has the whole.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::{Mutex, RwLock};
use ringfence_model::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::insistence::Insistence;
use crate::problem::{Kind, Problem};

/// Requests of one tenant, from their authentication until their answer is
/// sent: a quarter of the connections.
const REQUESTS_MAX: usize = 256;

/// Their bodies together, in units of [`crate::body::UNIT`]: a quarter of what
/// those of all may take.
const BODY_UNITS_MAX: usize = crate::body::UNITS_MAX / 4;

/// Long polls of one tenant: a quarter of all.
const POLLS_MAX: usize = 64;

/// One tenant's portion.
#[derive(Debug)]
pub(crate) struct Portion {
    requests: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    polls: Arc<Semaphore>,
    turn: Arc<Semaphore>,
    held: Arc<Semaphore>,
    held_of_all: Arc<Semaphore>,
    insistence: Mutex<Insistence>,
}

/// Answers to refused requests that are held back at one moment: of one tenant,
/// and of all, which is a quarter of the connections.
const HELD_MAX: usize = 64;
const HELD_OF_ALL_MAX: usize = 256;

/// All tenants' portions, of those that have sent anything.
#[derive(Debug)]
pub(crate) struct Portions {
    of: RwLock<HashMap<TenantId, Arc<Portion>>>,
    held_of_all: Arc<Semaphore>,
}

impl Default for Portions {
    fn default() -> Self {
        Self {
            of: RwLock::default(),
            held_of_all: Arc::new(Semaphore::new(HELD_OF_ALL_MAX)),
        }
    }
}

impl Portions {
    /// A tenant's portion, and a request's place in it.
    pub(crate) fn enter(
        &self,
        tenant: &TenantId,
    ) -> Result<(Arc<Portion>, OwnedSemaphorePermit), Problem> {
        let known = self.of.read().get(tenant).cloned();
        let portion = known.unwrap_or_else(|| {
            let mut portions = self.of.write();
            let new = || Arc::new(Portion::new(Arc::clone(&self.held_of_all)));
            Arc::clone(portions.entry(tenant.clone()).or_insert_with(new))
        });
        let place = portion.requests.clone().try_acquire_owned();
        let place = place.map_err(|_| {
            too_many("requests of this tenant are being answered", REQUESTS_MAX)
                .hint("Wait for answers before sending more, and send events in batches.")
        })?;
        Ok((portion, place))
    }

    /// A tenant is gone.
    pub(crate) fn forget(&self, tenant: &TenantId) {
        self.of.write().remove(tenant);
    }
}

#[cfg(test)]
impl Default for Portion {
    fn default() -> Self {
        Self::new(Arc::new(Semaphore::new(HELD_OF_ALL_MAX)))
    }
}

impl Portion {
    fn new(held_of_all: Arc<Semaphore>) -> Self {
        let of = |permits| Arc::new(Semaphore::new(permits));
        Self {
            requests: of(REQUESTS_MAX),
            bodies: of(BODY_UNITS_MAX),
            polls: of(POLLS_MAX),
            turn: of(1),
            held: of(HELD_MAX),
            held_of_all,
            insistence: Mutex::default(),
        }
    }

    /// Memory for a body, in units.
    pub(crate) fn body(&self, units: u32) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = self.bodies.clone().try_acquire_many_owned(units);
        permit.map_err(|_| {
            let bytes = BODY_UNITS_MAX * crate::body::UNIT;
            too_many("bytes of this tenant's bodies are being read", bytes)
                .hint("Nothing of this request took effect; send fewer at once.")
        })
    }

    /// A request is refused for now: for how long to hold back the answer, and
    /// the place that it has meanwhile. None: it is answered at once.
    pub(crate) fn refused(&self, now_us: u64) -> Option<(Duration, impl Sized + use<>)> {
        let held_us = self.insistence.lock().refused(now_us);
        if held_us == 0 {
            return None;
        }
        let place = |of: &Arc<Semaphore>| Arc::clone(of).try_acquire_owned().ok();
        let places = (place(&self.held)?, place(&self.held_of_all)?);
        Some((Duration::from_micros(held_us), places))
    }

    /// The one thing at a time that takes long; see [`crate::turns`].
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        self.turn.clone().acquire_owned().await.ok()
    }

    /// A long poll.
    pub(crate) fn poll(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = self.polls.clone().try_acquire_owned();
        permit.map_err(|_| {
            too_many("requests of this tenant wait for effects", POLLS_MAX)
                .hint("One long poll at a time is enough for one consumer.")
        })
    }
}

fn too_many(what: &str, limit: usize) -> Problem {
    let detail = format!("{limit} {what} already, as many as the server allows.");
    Problem::new(Kind::TOO_MANY_REQUESTS, detail)
        .limit(limit as u64)
        .retry_after(1)
}

/// An answer that keeps its request's place until it is sent: who does not read
/// its answers cannot have ever more of them.
/// So with whatever else is to last as long.
pub(crate) fn keep<T: Send + Unpin + 'static>(response: Response, held: T) -> Response {
    response.map(|body| Body::new(Kept { body, _held: held }))
}

struct Kept<T> {
    body: Body,
    _held: T,
}

impl<T: Send + Unpin + 'static> HttpBody for Kept<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_its_portion_and_no_more() {
        let portions = Portions::default();
        let (acme, other) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let mut held: Vec<_> = (0..REQUESTS_MAX)
            .map(|_| portions.enter(&acme).unwrap())
            .collect();
        let refused = portions.enter(&acme).unwrap_err();
        assert_eq!(refused.code(), "too-many-requests");
        let (portion, _place) = portions.enter(&other).unwrap();
        held.pop();
        assert!(portions.enter(&acme).is_ok());

        let units = u32::try_from(BODY_UNITS_MAX).unwrap();
        let body = portion.body(units).unwrap();
        assert_eq!(portion.body(1).unwrap_err().code(), "too-many-requests");
        drop(body);
        assert!(portion.body(1).is_ok());
        let polls: Vec<_> = (0..POLLS_MAX).map(|_| portion.poll().unwrap()).collect();
        assert_eq!(portion.poll().unwrap_err().code(), "too-many-requests");
        drop(polls);
    }

    /// So that what is held back leaves connections for others.
    #[test]
    fn few_answers_are_held_back_at_a_moment() {
        let portions = Portions::default();
        let mut held = Vec::new();
        let mut of_each = Vec::new();
        for number in 0..6 {
            let tenant = format!("t{number}").parse().unwrap();
            let (portion, _place) = portions.enter(&tenant).unwrap();
            let before = held.len();
            held.extend((0..1_000).filter_map(|_| portion.refused(0)));
            of_each.push(held.len() - before);
        }
        assert_eq!(of_each, [64, 64, 64, 64, 0, 0]);
    }
}
