//! What waits in memory, and the counts of what waits at all.
//!
//! Each tenant has a [`Window`] on what waits; the rest stays on disk and is
//! paged in when there is room, in the order of the log. How work is handed to
//! workers and comes back is in `hands`, what may be added in `admission`.

mod admission;
mod awaited;
mod hands;
mod pausing;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use ringfence_governor::{Cascades, Costs, Overload, Scheduler, Share, Space, run_cost};
use ringfence_model::{Draw, FUEL_PER_MICROSECOND, Ledger, RuleName, TenantId};
use ringfence_store::{Accepted, Pending};
use tokio::sync::mpsc::UnboundedSender;

use crate::clock::Clock;
use crate::config::EngineConfig;
use crate::job::Job;
use crate::piece::Piece;
use crate::registry::Registry;
use crate::window::{Bounds, PageRequest, Taken, Window};

pub use admission::TenantAllowance;
pub(crate) use admission::why;
pub(crate) use hands::Released;

/// How much may be under way of all tenants: it runs, or its result is on its way
/// to the disk. It is what two transactions hold at first, one that is written and one
/// that comes together meanwhile.
const RESULTS_MAX: usize = 128;

/// Work of all tenants, shared by the threads that add and do it.
pub(crate) struct Queue {
    state: Mutex<State>,
    /// What workers wait for, and what express lanes do.
    work: Condvar,
    express: Condvar,
    workers: u32,
    bounds: Bounds,
    /// Asks for the next page of a tenant. Holds a tenant at most once.
    pages: UnboundedSender<TenantId>,
    /// What a piece's next run may take.
    registry: Arc<Registry>,
    /// Since when work waits.
    clock: Arc<dyn Clock>,
}

/// What is guarded by the queue's lock. The lock is held for decisions only,
/// never for I/O.
#[derive(Debug, Default)]
pub(crate) struct State {
    scheduler: Scheduler<Piece>,
    pub(crate) cascades: Cascades,
    pub(crate) costs: Costs,
    overload: Overload,
    windows: HashMap<TenantId, Window>,
    space: Space,
    lifetimes: u64,
    running: u64,
    /// Express lanes without work.
    express_waiting: usize,
    waiting: u64,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(
        config: &EngineConfig,
        pages: UnboundedSender<TenantId>,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut scheduler = Scheduler::new(config.order, config.worker_count());
        scheduler.set_results_max(RESULTS_MAX);
        let state = State {
            scheduler,
            overload: Overload::new(config.overload),
            space: Space::new(config.windows_bytes),
            ..State::default()
        };
        Self {
            registry,
            clock,
            state: Mutex::new(state),
            work: Condvar::new(),
            express: Condvar::new(),
            workers: config.worker_count(),
            bounds: Bounds {
                events: config.window_events,
                bytes: config.window_bytes,
            },
            pages,
        }
    }

    /// Runs decisions under the lock.
    pub(crate) fn with<R>(&self, decide: impl FnOnce(&mut State) -> R) -> R {
        decide(&mut self.state.lock())
    }

    /// Adds a tenant, or changes its share.
    pub(crate) fn set_share(&self, tenant: &TenantId, share: Share) {
        let now_us = self.clock.now_us();
        let state = &mut *self.state.lock();
        state.scheduler.set_share(tenant, share);
        let lifetimes = &mut state.lifetimes;
        let window = state.windows.entry(tenant.clone()).or_insert_with(|| {
            *lifetimes += 1;
            Window::new(*lifetimes)
        });
        let load = &mut window.load;
        state.overload.set_weight(load, share.weight, now_us);
        self.wake_all(state);
    }

    /// Whether a tenant's root events go before its follow-ups.
    pub(crate) fn set_dampened(&self, tenant: &TenantId, is_dampened: bool) {
        let state = &mut *self.state.lock();
        state.scheduler.set_dampened(tenant, is_dampened);
        self.wake_all(state);
    }

    pub(crate) fn is_dampened(&self, tenant: &TenantId) -> bool {
        self.state.lock().scheduler.is_dampened(tenant)
    }

    /// So long on the way to the disk, in microseconds, in fuel that workers
    /// could use meanwhile: half of them, because the server needs the rest where
    /// the disk is busy.
    pub(crate) fn disk(&self, us: u64) -> u64 {
        us.saturating_mul(u64::from(self.workers) * FUEL_PER_MICROSECOND / 2)
    }

    /// Forgets a tenant and its work that is not under way. Answers how many
    /// events waited.
    pub(crate) fn remove(&self, tenant: &TenantId) -> u64 {
        let state = &mut *self.state.lock();
        state.costs.forget_tenant(tenant);
        let mut waiting = 0;
        if let Some(window) = state.windows.remove(tenant) {
            waiting = window.waiting_events;
            state.waiting -= waiting;
            window.end(&mut state.space);
            state.overload.forget(&window.load, self.clock.now_us());
        }
        for piece in state.scheduler.remove(tenant) {
            if let Piece::Event(job) = piece {
                state.cascades.leave(tenant, job.event.lineage.cascade);
            }
        }
        waiting
    }

    /// What waited on disk when the process began.
    pub(crate) fn recover(&self, tenant: &TenantId, events: u64, bytes: u64) {
        let state = &mut *self.state.lock();
        if let Some(window) = state.windows.get_mut(tenant) {
            window.waiting_events += events;
            window.waiting_bytes += bytes;
            window.unread = true;
            state.waiting += events;
            let wanted = window.wanted();
            state
                .overload
                .waits(&mut window.load, wanted, self.clock.now_us());
            window.ask_for_page(&self.pages, self.bounds, tenant, &state.space);
        }
    }

    /// Events became durable. In the order of the log.
    pub(crate) fn feed(&self, accepted: Vec<Accepted>) {
        let now_us = self.clock.now_us();
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
            let wanted = window.wanted();
            state.overload.waits(&mut window.load, wanted, now_us);
            window.seen = seq;
            if seq <= window.loaded {
                // A page was read between its commit and now.
                continue;
            }
            let space = &mut state.space;
            if !window.unread && window.fits(&event, self.bounds, space) {
                window.loaded = seq;
            } else {
                let goes_ahead = event.lineage.depth == 0
                    && state.scheduler.is_dampened(&tenant)
                    && window.goes_ahead(seq, &event, self.bounds, space);
                if !goes_ahead {
                    window.leave(seq, &event, space);
                    window.ask_for_page(&self.pages, self.bounds, &tenant, space);
                    continue;
                }
            }
            let job = Job::new(seq, event, window.lifetime);
            state.load(&tenant, job, ledger, now_us);
        }
        if many {
            self.wake_all(state);
        } else {
            self.wake_one(state);
        }
    }

    /// A tenant's page could not be read.
    pub(crate) fn ask_again(&self, tenant: TenantId) {
        // Fails only while the engine is being dropped.
        let _ = self.pages.send(tenant);
    }

    /// Where a tenant's next page begins.
    pub(crate) fn begin_page(&self, tenant: &TenantId) -> Option<PageRequest> {
        let state = self.state.lock();
        let window = state.windows.get(tenant)?;
        Some(window.begin_page(self.bounds, &state.space))
    }

    /// A page was read. What there is no room for any more stays on disk.
    pub(crate) fn end_page(&self, tenant: &TenantId, request: &PageRequest, page: Vec<Pending>) {
        let now_us = self.clock.now_us();
        let state = &mut *self.state.lock();
        let mut whole = request.is_whole(&page);
        let mut took = false;
        for pending in page {
            let Some(window) = of_lifetime(&mut state.windows, tenant, request.lifetime) else {
                return;
            };
            match window.takes(&pending, self.bounds, &state.space) {
                Taken::Now => {
                    took = true;
                    state.resume(tenant, pending, request.lifetime, now_us);
                }
                Taken::Before => took = true,
                Taken::Not => {
                    whole = false;
                    break;
                }
            }
        }
        if let Some(window) = of_lifetime(&mut state.windows, tenant, request.lifetime) {
            window.end_page(request, whole, &mut state.space);
            // Where there was no room for the first, it is asked for again when
            // something in memory is done.
            if whole || took {
                window.ask_for_page(&self.pages, self.bounds, tenant, &state.space);
            }
        }
        self.wake_all(state);
    }

    /// Whether there is room in memory for events of a tenant that wake, and
    /// which lifetime of the tenant that is.
    pub(crate) fn has_room(&self, tenant: &TenantId) -> Option<u64> {
        let state = self.state.lock();
        let window = state.windows.get(tenant)?;
        let has_room = window.has_room(self.bounds, &state.space);
        has_room.then_some(window.lifetime)
    }

    /// Events that slept go on. They count as waiting already.
    pub(crate) fn woke(&self, tenant: &TenantId, lifetime: u64, woken: Vec<Pending>) {
        let now_us = self.clock.now_us();
        let state = &mut *self.state.lock();
        for pending in woken {
            let Some(window) = of_lifetime(&mut state.windows, tenant, lifetime) else {
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
            state.resume(tenant, pending, lifetime, now_us);
        }
        self.wake_all(state);
    }

    /// An event that slept was given up.
    pub(crate) fn gave_up(&self, tenant: &TenantId, bytes: u64) {
        let state = &mut *self.state.lock();
        if let Some(window) = state.windows.get_mut(tenant) {
            window.waiting_events = window.waiting_events.saturating_sub(1);
            window.waiting_bytes = window.waiting_bytes.saturating_sub(bytes);
            state.waiting = state.waiting.saturating_sub(1);
            let wanted = window.wanted();
            state
                .overload
                .waits(&mut window.load, wanted, self.clock.now_us());
        }
    }

    /// Ends the workers after what they are running, and what somebody waits
    /// for.
    pub(crate) fn close(&self) {
        let withdrawn = {
            let state = &mut *self.state.lock();
            state.closed = true;
            state.scheduler.withdraw_all()
        };
        // Who waits is told, which is not for under the lock.
        drop(withdrawn);
        self.work.notify_all();
        self.express.notify_all();
    }

    /// How many events of a tenant wait, and their size in bytes.
    pub(crate) fn waiting(&self, tenant: &TenantId) -> (u64, u64) {
        let state = self.state.lock();
        let window = state.windows.get(tenant);
        window.map_or((0, 0), |window| {
            (window.waiting_events, window.waiting_bytes)
        })
    }

    /// Memory that all runs may take now, in bytes.
    pub(crate) fn reserved(&self) -> u64 {
        self.state.lock().scheduler.reserved_by_all()
    }

    /// How many executions run, how many events wait, and how much memory what
    /// waits takes, in bytes.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let state = self.state.lock();
        (state.running, state.waiting, state.space.held())
    }
}

impl State {
    /// A run of a rule took so much of the cores and of the disk, in fuel. A
    /// tenant that was removed meanwhile leaves nothing behind.
    pub(crate) fn cost(
        &mut self,
        (tenant, rule): (&TenantId, &RuleName),
        (share, disk): (u64, u64),
        now_us: u64,
    ) {
        if let Some(window) = self.windows.get_mut(tenant) {
            self.costs.ran(tenant, rule, share);
            let cost = run_cost(share, disk);
            self.overload.ran(&mut window.load, cost, now_us);
        }
    }

    /// Takes an event that was on disk into memory.
    fn resume(&mut self, tenant: &TenantId, pending: Pending, lifetime: u64, now_us: u64) {
        let mut job = Job::new(pending.seq, pending.event, lifetime);
        let decided = pending.decided.into_iter().map(|d| d.rule);
        job.resume(decided.collect(), pending.slept);
        self.load(tenant, job, pending.ledger, now_us);
    }

    fn load(&mut self, tenant: &TenantId, job: Job, ledger: Ledger, now_us: u64) {
        let (event, arrival) = (Arc::clone(&job.event), job.arrival);
        let (cascade, subject) = (event.lineage.cascade, event.subject.as_deref());
        let depth = event.lineage.depth;
        let piece = Piece::Event(Box::new(job));
        if self
            .scheduler
            .push_at(tenant, subject, depth, now_us, piece)
            .is_ok()
        {
            self.cascades.enter(tenant, cascade, ledger);
            if arrival != Draw::default() {
                self.cascades.arrive(tenant, cascade, &arrival);
            }
            if let Some(window) = self.windows.get_mut(tenant) {
                window.load(&event, &mut self.space);
            }
        }
    }

    fn unload(&mut self, tenant: &TenantId, job: &Job, now_us: u64) {
        self.cascades.leave(tenant, job.event.lineage.cascade);
        if let Some(window) = of_lifetime(&mut self.windows, tenant, job.window) {
            window.unload(&job.event, &mut self.space);
            // An event that sleeps waits on, but not in memory.
            if job.parks.is_empty() {
                window.waiting_events -= 1;
                window.waiting_bytes -= job.event.size();
                self.waiting -= 1;
                window.drain.done(job.event.size(), now_us);
                let wanted = window.wanted();
                self.overload.waits(&mut window.load, wanted, now_us);
            }
        }
    }
}

/// A tenant's window, if the tenant is still the one that it was: one of the
/// same name may have come since.
fn of_lifetime<'a>(
    windows: &'a mut HashMap<TenantId, Window>,
    tenant: &TenantId,
    lifetime: u64,
) -> Option<&'a mut Window> {
    let window = windows.get_mut(tenant)?;
    (window.lifetime == lifetime).then_some(window)
}

/// The queue as the store's feed.
pub(crate) fn feed(queue: &Arc<Queue>) -> ringfence_store::Feed {
    let queue = Arc::clone(queue);
    Box::new(move |accepted| queue.feed(accepted))
}
