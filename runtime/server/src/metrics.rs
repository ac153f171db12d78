//! All metrics of a server, each with its unit and meaning.
//!
//! No metric but `reproduction_number` and those that begin with `tenant_` has
//! a label that tenants choose, and these show at most 20 of them; so their
//! number is bounded by the code. `docs/metrics.md` lists all. What happens per execution or event costs a few atomic
//! additions; the rest is counted per request.

mod code;
mod pauses;
mod pulse;
mod shares;

pub(crate) use pulse::AlertEnd;
use shares::Shares;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use ringfence_engine::{Engine, EventDone, Observer, Stats, VitalSigns};
use ringfence_model::{AnomalyKind, RuleName, StopCode, TenantId, Usage};
use tokio::sync::Notify;

use crate::histogram::Histogram;
use crate::problem::{Kind, Problem};

/// Bounds of the buckets for times, in microseconds.
const MICROS: &[u64] = &[
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 60_000_000,
];
const MICROS_PER_SECOND: f64 = 1_000_000.0;
/// Bounds of the buckets for fuel.
const FUEL: &[u64] = &[
    10_000,
    30_000,
    100_000,
    300_000,
    1_000_000,
    3_000_000,
    10_000_000,
    30_000_000,
    100_000_000,
];

/// Tenants share these by the hash of their name.
const BELLS: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Source {
    source: &'static str,
}

/// A request as metrics see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    /// The route's pattern, not the path.
    route: Route,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Route(String);

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.as_str().encode(encoder)
    }
}

/// Counts what happens; give it to the engine as its observer and to
/// [`serve`](fn@crate::serve), which publishes it at `/metrics` and uses it to
/// wake long polls.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Requests,
    executions: Executions,
    events: Events,
    moment: Moment,
    pauses: pauses::Pauses,
    pulse: pulse::Pulse,
    shares: shares::Tenants,
    /// One at a time, so that what is shown never goes back.
    scraping: tokio::sync::Mutex<()>,
    hasher: RandomState,
    bells: Box<[Notify]>,
    listeners: AtomicUsize,
}

#[derive(Debug)]
struct Requests {
    answered: Family<Answered, Counter>,
    refused: Family<Code, Counter>,
    held_back: Counter,
    time: Histogram,
}

impl Requests {
    fn register(registry: &mut Registry) -> Self {
        let requests = Self {
            answered: Family::default(),
            refused: Family::default(),
            held_back: Counter::default(),
            time: Histogram::new(MICROS, MICROS_PER_SECOND),
        };
        registry.register(
            "http_requests",
            "Requests answered, by route and status",
            requests.answered.clone(),
        );
        registry.register(
            "refusals",
            "Requests answered by a problem, by its code",
            requests.refused.clone(),
        );
        registry.register(
            "refusals_held_back",
            "Answers to refused requests that were held back, because their tenant goes on sending",
            requests.held_back.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "From a request's head to its answer, long polls left out",
            Unit::Seconds,
            requests.time.clone(),
        );
        requests
    }
}

#[derive(Debug)]
struct Executions {
    ok: Counter,
    stopped: Counter,
    /// Where `StopCode::ALL` has the code.
    dead_letters: Vec<Counter>,
    /// The same for evaluations.
    evaluated_ok: Counter,
    evaluated_stopped: Counter,
    fuel_used: Counter,
    fuel: Histogram,
    wall: Histogram,
    queueing: Histogram,
}

impl Executions {
    fn register(registry: &mut Registry) -> Self {
        let ended = Family::<Ended, Counter>::default();
        let evaluated = Family::<Ended, Counter>::default();
        let dead_letters = Family::<Code, Counter>::default();
        let of_code = |code: &StopCode| {
            let code = code.as_str();
            member(&dead_letters, &Code { code })
        };
        let executions = Self {
            ok: member(&ended, &Ended { result: "ok" }),
            stopped: member(&ended, &Ended { result: "stopped" }),
            dead_letters: StopCode::ALL.iter().map(of_code).collect(),
            evaluated_ok: member(&evaluated, &Ended { result: "ok" }),
            evaluated_stopped: member(&evaluated, &Ended { result: "stopped" }),
            fuel_used: Counter::default(),
            fuel: Histogram::new(FUEL, 1.0),
            wall: Histogram::new(MICROS, MICROS_PER_SECOND),
            queueing: Histogram::new(MICROS, MICROS_PER_SECOND),
        };
        registry.register("executions", "Executions made durable, by end", ended);
        registry.register(
            "evaluated_executions",
            "Executions for evaluations, of which nothing is kept, by end",
            evaluated,
        );
        registry.register(
            "dead_letters",
            "Pieces of work put into the dead letters, by code",
            dead_letters,
        );
        registry.register(
            "fuel_used",
            "Fuel charged to all executions; 4,000 are about a microsecond of CPU time",
            executions.fuel_used.clone(),
        );
        registry.register(
            "execution_fuel",
            "Fuel of an execution",
            executions.fuel.clone(),
        );
        registry.register_with_unit(
            "execution_wall",
            "Wall-clock time of an execution",
            Unit::Seconds,
            executions.wall.clone(),
        );
        registry.register_with_unit(
            "execution_queueing",
            "How long an execution waited for a worker, once its subject did not keep it",
            Unit::Seconds,
            executions.queueing.clone(),
        );
        executions
    }
}

#[derive(Debug)]
struct Events {
    accepted: Counter,
    duplicates: Counter,
    done_root: Counter,
    done_follow_up: Counter,
    latency_root: Histogram,
    latency_follow_up: Histogram,
}

impl Events {
    fn register(registry: &mut Registry) -> Self {
        let root = Source { source: "outside" };
        let follow_up = Source { source: "rule" };
        let done = Family::<Source, Counter>::default();
        let times: fn() -> Histogram = || Histogram::new(MICROS, MICROS_PER_SECOND);
        let latency = Family::<Source, Histogram, _>::new_with_constructor(times);
        let events = Self {
            accepted: Counter::default(),
            duplicates: Counter::default(),
            done_root: member(&done, &root),
            done_follow_up: member(&done, &follow_up),
            latency_root: member(&latency, &root),
            latency_follow_up: member(&latency, &follow_up),
        };
        registry.register(
            "events_accepted",
            "Events from outside that were made durable",
            events.accepted.clone(),
        );
        registry.register(
            "events_duplicate",
            "Events from outside that had been accepted before",
            events.duplicates.clone(),
        );
        registry.register(
            "events_done",
            "Events finished, durably, by where they came from",
            done,
        );
        registry.register_with_unit(
            "event_latency",
            "From an event's acceptance to its durable end",
            Unit::Seconds,
            latency,
        );
        events
    }
}

/// What is read when metrics are asked for.
#[derive(Debug)]
struct Moment {
    tenants: Gauge,
    waiting: Gauge,
    waiting_memory: Gauge,
    running: Gauge,
    committing: Gauge,
    large_runs_max: Gauge,
    evaluations: Gauge,
    reserved: Gauge,
    workers: Gauge,
    utilisation: Gauge<f64, AtomicU64>,
    busy: Counter<f64, AtomicU64>,
    uploads_waiting: Gauge,
    uploads_compiling: Gauge,
    overload_level: Gauge,
    turn_wait: Gauge<f64, AtomicU64>,
    memory: Gauge,
    code: code::Code,
}

impl Moment {
    fn register(registry: &mut Registry) -> Self {
        let (turn_wait, memory) = (Gauge::default(), Gauge::default());
        registry.register_with_unit(
            "turn_wait",
            "The least that a tenant had to wait for its turn a moment ago",
            Unit::Seconds,
            turn_wait.clone(),
        );
        registry.register_with_unit(
            "memory_used",
            "Memory of the server and its processes",
            Unit::Bytes,
            memory.clone(),
        );
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let moment = Self {
            tenants: gauge("tenants", "Tenants known"),
            waiting: gauge("events_waiting", "Events that wait, in memory and on disk"),
            waiting_memory: gauge(
                "waiting_memory_bytes",
                "What those events that wait in memory take of it, about",
            ),
            running: gauge("executions_running", "Executions running now"),
            committing: gauge(
                "commits_waiting",
                "Results of executions on their way to the disk",
            ),
            large_runs_max: gauge(
                "large_runs_max",
                "Executions that are not cheap that may run at one moment",
            ),
            evaluations: gauge("evaluations_waiting", "Evaluations that somebody waits for"),
            uploads_waiting: gauge(
                "uploads_waiting",
                "Uploads that arrive, or wait to be compiled",
            ),
            uploads_compiling: gauge("uploads_compiling", "Uploads that are compiled now"),
            overload_level: gauge(
                "overload_level",
                "0: all are served; 1: the host is behind; 2: it is overloaded",
            ),
            workers: gauge("workers", "Workers, each of which makes one run at a time"),
            turn_wait,
            memory,
            code: code::Code::register(registry),
            reserved: Gauge::default(),
            utilisation: Gauge::default(),
            busy: Counter::default(),
        };
        registry.register_with_unit(
            "memory_reserved",
            "Memory set aside for executions that run",
            Unit::Bytes,
            moment.reserved.clone(),
        );
        registry.register_with_unit(
            "utilisation",
            "Part of the workers' time that was work, lately: 10 seconds ago counts half",
            Unit::Other("ratio".into()),
            moment.utilisation.clone(),
        );
        registry.register_with_unit(
            "worker_busy",
            "How long all workers together have been at work",
            Unit::Seconds,
            moment.busy.clone(),
        );
        moment
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("ringfence");
        Self {
            requests: Requests::register(&mut registry),
            executions: Executions::register(&mut registry),
            events: Events::register(&mut registry),
            moment: Moment::register(&mut registry),
            pauses: pauses::Pauses::register(&mut registry),
            pulse: pulse::Pulse::register(&mut registry),
            shares: shares::Tenants::register(&mut registry),
            scraping: tokio::sync::Mutex::default(),
            registry,
            hasher: RandomState::new(),
            bells: (0..BELLS).map(|_| Notify::new()).collect(),
            listeners: AtomicUsize::new(0),
        }
    }
}

/// A member of a family, for use without the family. The family's lock is
/// free again when this returns.
fn member<S, M, C>(family: &Family<S, M, C>, labels: &S) -> M
where
    S: Clone + std::hash::Hash + Eq,
    M: Clone,
    C: MetricConstructor<M>,
{
    family.get_or_create(labels).clone()
}

impl Observer for Metrics {
    fn anomaly(&self, _: &TenantId, kind: AnomalyKind, ended: bool) {
        if !ended {
            self.pulse.began(kind);
        }
    }

    fn alert_lost(&self) {
        self.alert(AlertEnd::Lost);
    }

    fn queued(&self, us: u64) {
        self.executions.queueing.observe(us);
    }

    fn dead_lettered(&self, _: &TenantId, code: StopCode) {
        // `ALL` lists the codes in the order of their definition.
        if let Some(counter) = self.executions.dead_letters.get(code as usize) {
            counter.inc();
        }
    }

    fn executed(&self, tenant: &TenantId, _: &RuleName, usage: &Usage, stop: Option<StopCode>) {
        let executions = &self.executions;
        match stop {
            None => executions.ok.inc(),
            Some(_) => executions.stopped.inc(),
        };
        executions.fuel_used.inc_by(usage.fuel);
        executions.wall.observe(usage.wall_us);
        executions.fuel.observe(usage.fuel);
        if usage.effects > 0 && stop.is_none() && self.listeners.load(Ordering::SeqCst) > 0 {
            self.bell(tenant).notify_waiters();
        }
    }

    fn evaluated(&self, _: &TenantId, usage: &Usage, stop: Option<StopCode>) {
        let executions = &self.executions;
        match stop {
            None => executions.evaluated_ok.inc(),
            Some(_) => executions.evaluated_stopped.inc(),
        };
        executions.fuel_used.inc_by(usage.fuel);
    }

    fn done(&self, event: &EventDone<'_>) {
        let events = &self.events;
        let (count, latency) = match event.depth {
            0 => (&events.done_root, &events.latency_root),
            _ => (&events.done_follow_up, &events.latency_follow_up),
        };
        count.inc();
        latency.observe(event.durable_us.saturating_sub(event.accepted_us));
    }
}

impl Metrics {
    /// What became of an alert.
    pub(crate) fn alert(&self, end: AlertEnd) {
        self.pulse.alert(end);
    }

    /// Events of one request were made durable.
    pub(crate) fn accepted(&self, new: u64, duplicates: u64) {
        self.events.accepted.inc_by(new);
        self.events.duplicates.inc_by(duplicates);
    }

    /// A request was answered. `micros` is none for a long poll.
    pub(crate) fn answered(
        &self,
        method: &axum::http::Method,
        route: &str,
        status: u16,
        refused: Option<&'static str>,
        micros: Option<u64>,
    ) {
        let answered = Answered {
            method: bounded_method(method),
            route: Route(route.to_owned()),
            status,
        };
        self.requests.answered.get_or_create(&answered).inc();
        if let Some(code) = refused {
            self.requests.refused.get_or_create(&Code { code }).inc();
        }
        if let Some(micros) = micros {
            self.requests.time.observe(micros);
        }
    }

    /// An answer to a refused request is held back.
    pub(crate) fn held_back(&self) {
        self.requests.held_back.inc();
    }

    /// All metrics as they are now, in the OpenMetrics text format.
    pub(crate) async fn scrape(&self, engine: &Engine) -> Result<String, Problem> {
        let _one_at_a_time = self.scraping.lock().await;
        let shares = Shares::now(engine, &self.shares.listed()).await;
        let text = self.text(engine.stats(), &engine.vital_signs(), &shares);
        text.map_err(|error| {
            tracing::error!(%error, "writing metrics failed");
            Problem::new(Kind::INTERNAL, "The metrics could not be written.")
        })
    }

    fn text(
        &self,
        stats: Stats,
        signs: &VitalSigns,
        shares: &Shares,
    ) -> Result<String, std::fmt::Error> {
        self.pauses.set(&stats.pauses);
        self.pulse.set(signs);
        self.shares.set(shares, stats.waiting);
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.moment.tenants.set(signed(stats.tenants));
        self.moment.waiting.set(signed(stats.waiting));
        self.moment.waiting_memory.set(signed(stats.waiting_memory));
        self.moment.running.set(signed(stats.running));
        self.moment.committing.set(signed(stats.committing));
        let large_runs_max = signed(stats.large_runs_max);
        self.moment.large_runs_max.set(large_runs_max);
        self.moment.code.set(&stats.code);
        let moment = &self.moment;
        moment.evaluations.set(signed(stats.evaluations));
        moment.reserved.set(signed(stats.reserved_bytes));
        moment.workers.set(signed(signs.workers));
        moment.utilisation.set(signs.utilisation);
        let busy_s = signs.busy_us as f64 / MICROS_PER_SECOND;
        // Of floats that are not negative, the greater has the greater bits.
        let busy = moment.busy.inner();
        busy.fetch_max(busy_s.to_bits(), Ordering::Relaxed);
        moment.uploads_waiting.set(signed(stats.uploads_waiting));
        moment
            .uploads_compiling
            .set(signed(stats.uploads_compiling));
        let pressure = &stats.pressure;
        moment.overload_level.set(pressure.level as i64);
        let seconds = pressure.queueing_us as f64 / MICROS_PER_SECOND;
        moment.turn_wait.set(seconds);
        moment.memory.set(signed(pressure.memory_bytes));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Is rung when a run of the tenant (or, rarely, of another) has effects.
    pub(crate) fn bell(&self, tenant: &TenantId) -> &Notify {
        let hash = self.hasher.hash_one(tenant.as_str()) as usize;
        &self.bells[hash % BELLS]
    }

    /// Keeps the bells ringing until the answer is dropped.
    pub(crate) fn listen(&self) -> Listening<'_> {
        self.listeners.fetch_add(1, Ordering::SeqCst);
        Listening(&self.listeners)
    }
}

/// Somebody listens to the bells.
#[derive(Debug)]
pub(crate) struct Listening<'a>(&'a AtomicUsize);

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Clients choose the method, so only known ones become labels.
fn bounded_method(method: &axum::http::Method) -> &'static str {
    ["GET", "PUT", "POST", "DELETE", "HEAD"]
        .into_iter()
        .find(|known| method.as_str() == *known)
        .unwrap_or("other")
}

#[cfg(test)]
mod tests;
