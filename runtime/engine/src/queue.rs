//! What waits in memory, and the counts of what waits at all.
//!
//! Each tenant has a window: the oldest of its waiting events, up to a bound.
//! What does not fit stays on disk and is paged in when there is room, in the
//! order of the log.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use ringfence_governor::{
    Cascades, Claim, ClaimId, Costs, Rate, RateLimiter, Scheduler, Share, Ticket,
};
use ringfence_model::{Draw, Ledger, Limits, RuleName, TenantId};
use ringfence_store::{Accepted, Pending, Seq};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::EngineError;
use crate::ahead::Ahead;
use crate::batch::{Takes, Work, batch};
use crate::job::Job;
use crate::registry::Registry;

/// Work of all tenants, shared by the threads that add and do it.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    work: Condvar,
    bounds: Bounds,
    /// Asks for the next page of a tenant. Holds a tenant at most once.
    pages: UnboundedSender<TenantId>,
    /// What a job's next run may take.
    registry: Arc<Registry>,
}

/// The bounds of a tenant's window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) events: usize,
    pub(crate) bytes: u64,
}

impl Bounds {
    /// With room for root events that go ahead, a quarter more.
    fn with_reserve(self) -> Self {
        Self {
            events: self.events.saturating_add(self.events.div_ceil(4)),
            bytes: self.bytes.saturating_add(self.bytes / 4),
        }
    }
}

/// How often a worker without work looks around.
const IDLE: Duration = Duration::from_millis(50);

/// What is guarded by the queue's lock. The lock is held for decisions only,
/// never for I/O.
#[derive(Debug, Default)]
pub(crate) struct State {
    scheduler: Scheduler<Box<Job>>,
    pub(crate) cascades: Cascades,
    pub(crate) costs: Costs,
    windows: HashMap<TenantId, Window>,
    /// Evaluations that wait for room.
    claims: HashMap<ClaimId, Claimant>,
    lifetimes: u64,
    running: u64,
    waiting: u64,
    closed: bool,
}

#[derive(Debug)]
struct Claimant {
    tenant: TenantId,
    granted: oneshot::Sender<Claim>,
}

#[derive(Debug, Default)]
struct Window {
    /// Distinguishes a tenant from a later one with the same name.
    lifetime: u64,
    /// In memory.
    events: usize,
    bytes: u64,
    /// In memory and on disk.
    waiting_events: u64,
    waiting_bytes: u64,
    rate: RateLimiter,
    /// On their way to the disk.
    reserved_events: u64,
    reserved_bytes: u64,
    /// The latest event that was taken into memory, and the latest known.
    loaded: Seq,
    seen: Seq,
    /// Whether something is on disk that is not in memory.
    unread: bool,
    paging: bool,
    /// Root events that do not wait for that.
    ahead: Ahead,
}

impl Window {
    fn has_room(&self, bounds: Bounds) -> bool {
        self.events < bounds.events && self.bytes < bounds.bytes
    }
}

impl Queue {
    pub(crate) fn new(
        bounds: Bounds,
        pages: UnboundedSender<TenantId>,
        registry: Arc<Registry>,
    ) -> Self {
        Self {
            registry,
            state: Mutex::default(),
            work: Condvar::new(),
            bounds,
            pages,
        }
    }

    /// Runs decisions under the lock.
    pub(crate) fn with<R>(&self, decide: impl FnOnce(&mut State) -> R) -> R {
        decide(&mut self.state.lock())
    }

    /// Adds a tenant, or changes its share.
    pub(crate) fn set_share(&self, tenant: &TenantId, share: Share) {
        let state = &mut *self.state.lock();
        state.scheduler.set_share(tenant, share);
        state.grant();
        let lifetimes = &mut state.lifetimes;
        state.windows.entry(tenant.clone()).or_insert_with(|| {
            *lifetimes += 1;
            Window {
                lifetime: *lifetimes,
                ..Window::default()
            }
        });
        self.work.notify_all();
    }

    /// Whether a tenant's root events go before its follow-ups.
    pub(crate) fn set_dampened(&self, tenant: &TenantId, is_dampened: bool) {
        let state = &mut *self.state.lock();
        state.scheduler.set_dampened(tenant, is_dampened);
        self.work.notify_all();
    }

    pub(crate) fn is_dampened(&self, tenant: &TenantId) -> bool {
        self.state.lock().scheduler.is_dampened(tenant)
    }

    /// Forgets a tenant and its work that is not under way.
    pub(crate) fn remove(&self, tenant: &TenantId) {
        let state = &mut *self.state.lock();
        state.costs.forget_tenant(tenant);
        if let Some(window) = state.windows.remove(tenant) {
            state.waiting -= window.waiting_events;
        }
        state
            .claims
            .retain(|_, claimant| claimant.tenant != *tenant);
        for job in state.scheduler.remove(tenant) {
            state.cascades.leave(tenant, job.event.lineage.cascade);
        }
    }

    /// What waited on disk when the process began.
    pub(crate) fn recover(&self, tenant: &TenantId, events: u64, bytes: u64) {
        let state = &mut *self.state.lock();
        if let Some(window) = state.windows.get_mut(tenant) {
            window.waiting_events += events;
            window.waiting_bytes += bytes;
            window.unread = true;
            state.waiting += events;
            ask_for_page(&self.pages, self.bounds, tenant, window);
        }
    }

    /// Makes room for events that are about to be appended, or refuses them.
    pub(crate) fn reserve(
        &self,
        tenant: &TenantId,
        events: u64,
        bytes: u64,
        limits: &Limits,
        now_us: u64,
    ) -> Result<(), EngineError> {
        let state = &mut *self.state.lock();
        let no_tenant = || EngineError::NoTenant(tenant.clone());
        let window = state.windows.get_mut(tenant).ok_or_else(no_tenant)?;
        let refuse = |what, waiting, limit| {
            Err(EngineError::TooMuchWaiting {
                what,
                waiting,
                limit,
            })
        };
        let waiting = window.waiting_events + window.reserved_events;
        if waiting + events > limits.waiting_events {
            return refuse("events", waiting, limits.waiting_events);
        }
        let waiting = window.waiting_bytes + window.reserved_bytes;
        if waiting + bytes > limits.waiting_bytes {
            return refuse("bytes of events", waiting, limits.waiting_bytes);
        }
        let rate = Rate {
            per_second: limits.events_per_second,
            burst: limits.events_burst,
        };
        let admitted = window.rate.admit(events, rate, now_us);
        admitted.map_err(|too_fast| EngineError::TooFast {
            rate: rate.per_second,
            burst: rate.burst,
            retry_after_us: too_fast.retry_after_us,
        })?;
        window.reserved_events += events;
        window.reserved_bytes += bytes;
        Ok(())
    }

    /// The append is over; what became durable was fed, and counts as waiting.
    pub(crate) fn unreserve(&self, tenant: &TenantId, events: u64, bytes: u64) {
        if let Some(window) = self.state.lock().windows.get_mut(tenant) {
            // Saturating: the tenant may be a new one with the same name.
            window.reserved_events = window.reserved_events.saturating_sub(events);
            window.reserved_bytes = window.reserved_bytes.saturating_sub(bytes);
        }
    }

    /// Events became durable. In the order of the log.
    pub(crate) fn feed(&self, accepted: Vec<Accepted>) {
        let state = &mut *self.state.lock();
        let many = accepted.len() > 1;
        for Accepted { seq, event, ledger } in accepted {
            let tenant = event.tenant.clone();
            let Some(window) = state.windows.get_mut(&tenant) else {
                continue;
            };
            state.waiting += 1;
            window.waiting_events += 1;
            window.waiting_bytes += event.size();
            window.seen = seq;
            if seq <= window.loaded {
                // A page was read between its commit and now.
                continue;
            }
            if window.unread || !window.has_room(self.bounds) {
                if !window.unread {
                    window.unread = true;
                    window.ahead.begin();
                }
                let subject = event.subject.as_deref();
                let goes_ahead = event.lineage.depth == 0
                    && window.has_room(self.bounds.with_reserve())
                    && state.scheduler.is_dampened(&tenant)
                    && window.ahead.takes(seq, subject);
                if !goes_ahead {
                    window.ahead.leave(seq, subject);
                    ask_for_page(&self.pages, self.bounds, &tenant, window);
                    continue;
                }
            } else {
                window.loaded = seq;
            }
            let job = Job::new(seq, event, window.lifetime);
            state.load(&tenant, job, ledger);
        }
        if many {
            self.work.notify_all();
        } else {
            self.work.notify_one();
        }
    }

    /// Where a tenant's next page begins.
    pub(crate) fn begin_page(&self, tenant: &TenantId) -> Option<PageRequest> {
        let state = self.state.lock();
        let window = state.windows.get(tenant)?;
        Some(PageRequest {
            lifetime: window.lifetime,
            after: window.loaded,
            seen: window.seen,
        })
    }

    /// A page was read: all that waited after where it began, up to `limit`.
    pub(crate) fn end_page(
        &self,
        tenant: &TenantId,
        request: &PageRequest,
        mut page: Vec<Pending>,
        limit: usize,
    ) {
        let state = &mut *self.state.lock();
        let window = state.windows.get_mut(tenant);
        // A tenant of the same name may have come since: these are not its
        // events.
        let Some(window) = window.filter(|window| window.lifetime == request.lifetime) else {
            return;
        };
        let lifetime = window.lifetime;
        if let Some(last) = page.last() {
            window.loaded = last.seq;
        }
        if page.len() < limit {
            window.loaded = window.loaded.max(request.seen);
            window.unread = window.seen > window.loaded;
        }
        window.paging = false;
        page.retain(|pending| !window.ahead.has(pending.seq));
        window.ahead.passed(window.loaded);
        for pending in page {
            state.resume(tenant, pending, lifetime);
        }
        if let Some(window) = state.windows.get_mut(tenant) {
            ask_for_page(&self.pages, self.bounds, tenant, window);
        }
        self.work.notify_all();
    }

    /// Whether there is room in memory for events of a tenant that wake, and
    /// which lifetime of the tenant that is.
    pub(crate) fn has_room(&self, tenant: &TenantId) -> Option<u64> {
        let state = self.state.lock();
        let window = state.windows.get(tenant)?;
        window.has_room(self.bounds).then_some(window.lifetime)
    }

    /// Events that slept go on. They count as waiting already.
    pub(crate) fn woke(&self, tenant: &TenantId, lifetime: u64, woken: Vec<Pending>) {
        let state = &mut *self.state.lock();
        for pending in woken {
            let window = state.windows.get_mut(tenant);
            let Some(window) = window.filter(|window| window.lifetime == lifetime) else {
                return;
            };
            // As after a restart: what no page has passed is brought by one,
            // if there is one to come.
            if pending.seq > window.loaded {
                if !window.unread {
                    window.loaded = pending.seq;
                } else if !window.ahead.has(pending.seq) {
                    continue;
                }
            }
            state.resume(tenant, pending, lifetime);
        }
        self.work.notify_all();
    }

    /// An event that slept was given up.
    pub(crate) fn gave_up(&self, tenant: &TenantId, bytes: u64) {
        let state = &mut *self.state.lock();
        if let Some(window) = state.windows.get_mut(tenant) {
            window.waiting_events = window.waiting_events.saturating_sub(1);
            window.waiting_bytes = window.waiting_bytes.saturating_sub(bytes);
            state.waiting = state.waiting.saturating_sub(1);
        }
    }

    /// Waits for work, and calls `idle` now and then while there is none. None
    /// when the queue is closed.
    pub(crate) fn next(&self, takes: Takes, idle: &mut dyn FnMut()) -> Option<Work> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            let State {
                scheduler, costs, ..
            } = &mut *state;
            let work = batch(scheduler, costs, &self.registry, takes);
            if !work.is_empty() {
                state.running += work.len() as u64;
                return Some(work);
            }
            if self.work.wait_for(&mut state, IDLE).timed_out() {
                MutexGuard::unlocked(&mut state, &mut *idle);
            }
        }
    }

    /// The run that had this ticket used this much fuel and returned so many
    /// effects; then decides further under the same lock.
    pub(crate) fn ran<R>(
        &self,
        ticket: &mut Ticket,
        fuel: u64,
        effects: u64,
        decide: impl FnOnce(&mut State) -> R,
    ) -> R {
        let state = &mut *self.state.lock();
        state.running -= 1;
        state.scheduler.ran(ticket, fuel, effects);
        state.grant();
        // A tenant at its bound of concurrent runs may have one again.
        self.work.notify_one();
        decide(state)
    }

    /// Lets events go on (`Some`: there is more to do) or go.
    pub(crate) fn release(&self, released: impl IntoIterator<Item = Released>) {
        let state = &mut *self.state.lock();
        for Released { ticket, job, done } in released {
            let tenant = job.event.tenant.clone();
            if done {
                state.scheduler.release(ticket, None);
                state.unload(&tenant, &job);
                if let Some(window) = state.windows.get_mut(&tenant) {
                    ask_for_page(&self.pages, self.bounds, &tenant, window);
                }
            } else {
                state.scheduler.release(ticket, Some(job));
            }
        }
        self.work.notify_all();
    }

    /// Waits for room for a run beside the queue that may take this much
    /// memory, in bytes. None if the tenant is not there, or not any more.
    pub(crate) async fn claim(self: &Arc<Self>, tenant: &TenantId, memory: u64) -> Option<Room> {
        let (granted, grant) = oneshot::channel();
        let id = {
            let state = &mut *self.state.lock();
            let id = state.scheduler.claim(tenant, memory)?;
            let tenant = tenant.clone();
            state.claims.insert(id, Claimant { tenant, granted });
            state.grant();
            id
        };
        let mut room = Room {
            queue: Arc::clone(self),
            tenant: tenant.clone(),
            id,
            claim: None,
            fuel: 0,
        };
        room.claim = Some(grant.await.ok()?);
        Some(room)
    }

    /// Ends the workers after what they are running.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.work.notify_all();
    }

    /// How many executions run, and how many events wait.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.running, state.waiting)
    }
}

/// Room for a run beside the queue, or a place among those that wait for it.
/// Given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    queue: Arc<Queue>,
    tenant: TenantId,
    id: ClaimId,
    claim: Option<Claim>,
    /// What the run used, to be charged to its tenant's share.
    pub(crate) fuel: u64,
}

impl Drop for Room {
    fn drop(&mut self) {
        let state = &mut *self.queue.state.lock();
        if let Some(claim) = self.claim.take() {
            state.scheduler.end(claim, self.fuel);
        } else if state.claims.remove(&self.id).is_some() {
            state.scheduler.withdraw(&self.tenant, self.id);
        }
        state.grant();
        self.queue.work.notify_all();
    }
}

/// A page to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageRequest {
    lifetime: u64,
    /// After which event it begins.
    pub(crate) after: Seq,
    /// The latest event known when it was asked for.
    seen: Seq,
}

/// An event whose step is durable or must be repeated.
#[derive(Debug)]
pub(crate) struct Released {
    pub(crate) ticket: Ticket,
    pub(crate) job: Box<Job>,
    /// Whether the event has nothing left to do.
    pub(crate) done: bool,
}

impl State {
    /// A run of a rule took so much of the host, in fuel. A tenant that was
    /// removed meanwhile leaves nothing behind.
    pub(crate) fn cost(&mut self, tenant: &TenantId, rule: &RuleName, share: u64) {
        if self.windows.contains_key(tenant) {
            self.costs.ran(tenant, rule, share);
        }
    }

    /// Tells those whose claims were granted. Who went away meanwhile gives
    /// the room back, which may be another's.
    fn grant(&mut self) {
        while let Some((id, claim)) = self.scheduler.granted() {
            let claimant = self.claims.remove(&id);
            let refused = match claimant {
                Some(claimant) => claimant.granted.send(claim).err(),
                None => Some(claim),
            };
            if let Some(claim) = refused {
                self.scheduler.end(claim, 0);
            }
        }
    }

    /// Takes an event that was on disk into memory.
    fn resume(&mut self, tenant: &TenantId, pending: Pending, lifetime: u64) {
        let mut job = Job::new(pending.seq, pending.event, lifetime);
        let decided = pending.decided.into_iter().map(|d| d.rule);
        job.resume(decided.collect(), pending.slept);
        self.load(tenant, job, pending.ledger);
    }

    fn load(&mut self, tenant: &TenantId, job: Job, ledger: Ledger) {
        let (cascade, subject) = (job.event.lineage.cascade, job.event.subject.clone());
        let (bytes, arrival) = (job.event.size(), job.arrival);
        let depth = job.event.lineage.depth;
        if self
            .scheduler
            .push_at(tenant, subject.as_deref(), depth, Box::new(job))
            .is_ok()
        {
            self.cascades.enter(tenant, cascade, ledger);
            if arrival != Draw::default() {
                self.cascades.arrive(tenant, cascade, &arrival);
            }
            if let Some(window) = self.windows.get_mut(tenant) {
                window.events += 1;
                window.bytes += bytes;
            }
        }
    }

    fn unload(&mut self, tenant: &TenantId, job: &Job) {
        self.cascades.leave(tenant, job.event.lineage.cascade);
        let window = self.windows.get_mut(tenant);
        if let Some(window) = window.filter(|window| window.lifetime == job.window) {
            let bytes = job.event.size();
            window.events -= 1;
            window.bytes -= bytes;
            // An event that sleeps waits on, but not in memory.
            if job.parks.is_empty() {
                window.waiting_events -= 1;
                window.waiting_bytes -= bytes;
                self.waiting -= 1;
            }
        }
    }
}

/// Asks for the next page once half of the window is free.
fn ask_for_page(
    pages: &UnboundedSender<TenantId>,
    bounds: Bounds,
    tenant: &TenantId,
    window: &mut Window,
) {
    let half = Bounds {
        events: bounds.events.div_ceil(2),
        bytes: bounds.bytes.div_ceil(2),
    };
    if window.unread && !window.paging && window.has_room(half) {
        // Fails only while the engine is being dropped.
        window.paging = pages.send(tenant.clone()).is_ok();
    }
}

/// The queue as the store's feed.
pub(crate) fn feed(queue: &Arc<Queue>) -> ringfence_store::Feed {
    let queue = Arc::clone(queue);
    Box::new(move |accepted| queue.feed(accepted))
}
