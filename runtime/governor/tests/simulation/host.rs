//! A host on virtual time: the real machines of the governor, put together as
//! the engine does, with simulated events, runs, cores and disk.

mod disk;
mod events;
mod work;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use ringfence_governor::{Cascades, Costs, Lane, Order, RateLimiter, Scheduler, Share, Ticket};
use ringfence_model::{EventId, Ledger, RuleName, TenantId};

use crate::load::{Sends, Tenant};
use crate::random::Random;
use crate::report::Report;

const SECOND_NS: u64 = 1_000_000_000;
/// Virtual time begins here, in microseconds since 1970.
const BEGIN_US: u64 = 1_000_000_000_000_000;
/// Steps of a tenant between their run and the disk.
const UNRELEASED: u64 = 64;

/// How the host is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Config {
    pub(crate) seed: u64,
    pub(crate) order: Order,
    /// Threads that run rules, one for each core.
    pub(crate) workers: usize,
    /// Beside them, and on the same cores.
    pub(crate) express_lanes: usize,
    /// Events of a tenant in memory.
    pub(crate) window: usize,
}

impl Config {
    pub(crate) fn of_cores(cores: usize) -> Self {
        Self {
            seed: 1,
            order: Order::Fair,
            workers: cores,
            express_lanes: 1,
            window: 1_000,
        }
    }

    /// As the engine does it for comparison.
    pub(crate) fn ordered(self, order: Order) -> Self {
        Self {
            order,
            express_lanes: 0,
            ..self
        }
    }

    fn lane(&self, at: usize) -> Lane {
        let of = self.workers as u32;
        match at {
            at if at < self.workers => Lane::Worker {
                index: at as u32,
                of,
            },
            _ => Lane::Express { workers: of },
        }
    }
}

#[derive(Debug)]
struct Job {
    seq: u64,
    tenant: u32,
    subject: Option<u64>,
    cascade: EventId,
    depth: u32,
    rules_left: u32,
}

/// What waits for the disk.
#[derive(Debug)]
struct Step {
    job: Box<Job>,
    ticket: Ticket,
    completes: bool,
    follow_ups: Vec<Box<Job>>,
}

/// One run that a worker has.
#[derive(Debug)]
struct Planned {
    job: Box<Job>,
    ticket: Ticket,
    /// Since when it waited for its turn only.
    ready_us: u64,
    fuel: u64,
}

#[derive(Debug, Default)]
struct Worker {
    work: VecDeque<Planned>,
    /// What the first still takes of a core, in nanoseconds.
    left_ns: f64,
}

#[derive(Debug, Default)]
struct Of {
    limiter: RateLimiter,
    in_memory: usize,
    on_disk: VecDeque<Box<Job>>,
    /// The latest event of each subject that was begun, and whether it runs.
    begun: HashMap<u64, (u64, bool)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Send(u32),
    Committed,
}

pub(crate) struct Host {
    config: Config,
    tenants: Vec<Tenant>,
    ids: Vec<TenantId>,
    rules: Vec<RuleName>,
    of: Vec<Of>,
    scheduler: Scheduler<Box<Job>>,
    cascades: Cascades,
    costs: Costs,
    /// Of cascades with events on disk: what they used, and how many events.
    ledgers: HashMap<EventId, (Ledger, u32)>,
    workers: Vec<Worker>,
    agenda: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    steps: VecDeque<Step>,
    committing: Vec<Step>,
    now_ns: u64,
    seqs: u64,
    orders: u64,
    closed: bool,
    random: Random,
    pub(crate) report: Report,
}

impl Host {
    pub(crate) fn new(config: Config, tenants: Vec<Tenant>, seconds: usize) -> Self {
        let ids = (0..tenants.len()).map(|at| format!("tenant-{at}").parse().unwrap());
        let rules = (0..4).map(|at| format!("rule-{at}").parse().unwrap());
        let mut host = Self {
            config,
            ids: ids.collect(),
            rules: rules.collect(),
            of: tenants.iter().map(|_| Of::default()).collect(),
            scheduler: Scheduler::new(config.order, config.workers as u32),
            cascades: Cascades::default(),
            costs: Costs::default(),
            ledgers: HashMap::new(),
            workers: (0..config.workers + config.express_lanes)
                .map(|_| Worker::default())
                .collect(),
            agenda: BinaryHeap::new(),
            steps: VecDeque::new(),
            committing: Vec::new(),
            now_ns: 0,
            seqs: 0,
            orders: 0,
            closed: false,
            random: Random::new(config.seed),
            report: Report::new(tenants.len(), seconds),
            tenants,
        };
        for at in 0..host.tenants.len() {
            host.open(at);
        }
        host
    }

    fn open(&mut self, at: usize) {
        let limits = &self.tenants[at].limits;
        let share = Share {
            weight: limits.weight,
            concurrent: limits.concurrent_executions,
            memory: limits.running_memory_bytes,
            unreleased: UNRELEASED,
        };
        self.scheduler.set_share(&self.ids[at], share);
        match self.tenants[at].sends {
            Sends::Backlog(waiting) => (0..waiting).for_each(|_| self.accept(at as u32)),
            Sends::PerSecond(rate) => self.send_later(at as u32, rate),
        }
    }

    fn send_later(&mut self, tenant: u32, rate: f64) {
        let pause_ns = self.random.exponential(1e9 / rate) as u64;
        self.plan_at(
            self.now_ns.saturating_add(pause_ns),
            Happening::Send(tenant),
        );
    }

    fn plan_at(&mut self, at_ns: u64, what: Happening) {
        self.orders += 1;
        self.agenda.push(Reverse((at_ns, self.orders, what)));
    }

    fn now_us(&self) -> u64 {
        BEGIN_US + self.now_ns / 1_000
    }

    /// Goes on until this virtual second.
    pub(crate) fn run(&mut self, until_s: usize) {
        let until_ns = until_s as u64 * SECOND_NS;
        while self.step(until_ns) {}
        self.advance(until_ns);
    }

    /// Accepts nothing more, and does all that waits.
    pub(crate) fn drain(&mut self) {
        self.closed = true;
        while self.step(u64::MAX) {}
        let idle = self.workers.iter().all(|worker| worker.work.is_empty());
        assert!(idle && self.steps.is_empty() && self.committing.is_empty());
        assert!(self.cascades.is_empty() && self.ledgers.is_empty());
        for (at, of) in self.of.iter().enumerate() {
            let (held, reserved) = (
                self.scheduler.held(&self.ids[at]),
                self.scheduler.reserved(&self.ids[at]),
            );
            assert_eq!((held, reserved, of.in_memory), (0, 0, 0), "tenant {at}");
            assert!(of.on_disk.is_empty(), "tenant {at}");
        }
    }

    /// The next thing that happens, if it does before then.
    fn step(&mut self, until_ns: u64) -> bool {
        self.give_work();
        let planned = self.agenda.peek().map(|Reverse((at_ns, ..))| *at_ns);
        let ends = self.next_end();
        let next_ns = match (planned, ends) {
            (Some(planned), Some((ends, _))) => planned.min(ends),
            (planned, ends) => match planned.or(ends.map(|(ends, _)| ends)) {
                Some(next_ns) => next_ns,
                None => return false,
            },
        };
        if next_ns > until_ns {
            return false;
        }
        self.advance(next_ns);
        match ends {
            Some((ends, worker)) if planned.is_none_or(|planned| ends < planned) => {
                self.end_run(worker);
            }
            _ => match self.agenda.pop() {
                Some(Reverse((_, _, Happening::Send(tenant)))) => self.send(tenant),
                Some(Reverse((_, _, Happening::Committed))) => self.committed(),
                None => {}
            },
        }
        true
    }

    fn speed(&self) -> f64 {
        let busy = self.workers.iter().filter(|w| !w.work.is_empty()).count();
        (self.config.workers as f64 / busy.max(1) as f64).min(1.0)
    }

    /// Which worker's run ends next, and when.
    fn next_end(&self) -> Option<(u64, usize)> {
        let speed = self.speed();
        let busy = self.workers.iter().enumerate();
        let busy = busy.filter(|(_, worker)| !worker.work.is_empty());
        let (at, worker) =
            busy.min_by(|(_, one), (_, other)| one.left_ns.total_cmp(&other.left_ns))?;
        Some((self.now_ns + (worker.left_ns / speed).ceil() as u64, at))
    }

    fn advance(&mut self, to_ns: u64) {
        let passed = (to_ns - self.now_ns) as f64 * self.speed();
        for worker in self.workers.iter_mut().filter(|w| !w.work.is_empty()) {
            worker.left_ns -= passed;
            self.report.busy_ns += passed;
        }
        self.now_ns = to_ns;
    }
}
