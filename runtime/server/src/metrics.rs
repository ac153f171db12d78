//! All metrics of a server, each with its unit and meaning.
//!
//! No metric but one has a label that tenants choose, and that one
//! (`reproduction_number`) shows at most 20 of them; so their number is bounded
//! by the code. What happens per execution or event costs a few atomic
//! additions; the rest is counted per request.

mod pulse;

pub(crate) use pulse::AlertEnd;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use ringfence_engine::{EventDone, Observer, Stats, VitalSigns};
use ringfence_model::{AnomalyKind, RuleName, StopCode, TenantId, Usage};
use tokio::sync::Notify;

use crate::histogram::Histogram;

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
    pulse: pulse::Pulse,
    hasher: RandomState,
    bells: Box<[Notify]>,
    listeners: AtomicUsize,
}

#[derive(Debug)]
struct Requests {
    answered: Family<Answered, Counter>,
    refused: Family<Code, Counter>,
    time: Histogram,
}

impl Requests {
    fn register(registry: &mut Registry) -> Self {
        let requests = Self {
            answered: Family::default(),
            refused: Family::default(),
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
    fuel_used: Counter,
    fuel: Histogram,
    wall: Histogram,
}

impl Executions {
    fn register(registry: &mut Registry) -> Self {
        let ended = Family::<Ended, Counter>::default();
        let dead_letters = Family::<Code, Counter>::default();
        let of_code = |code: &StopCode| {
            let code = code.as_str();
            member(&dead_letters, &Code { code })
        };
        let executions = Self {
            ok: member(&ended, &Ended { result: "ok" }),
            stopped: member(&ended, &Ended { result: "stopped" }),
            dead_letters: StopCode::ALL.iter().map(of_code).collect(),
            fuel_used: Counter::default(),
            fuel: Histogram::new(FUEL, 1.0),
            wall: Histogram::new(MICROS, MICROS_PER_SECOND),
        };
        registry.register("executions", "Executions made durable, by end", ended);
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
    running: Gauge,
    committing: Gauge,
    uploads_waiting: Gauge,
    uploads_compiling: Gauge,
}

impl Moment {
    fn register(registry: &mut Registry) -> Self {
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        Self {
            tenants: gauge("tenants", "Tenants known"),
            waiting: gauge("events_waiting", "Events that wait, in memory and on disk"),
            running: gauge("executions_running", "Executions running now"),
            committing: gauge(
                "commits_waiting",
                "Results of executions on their way to the disk",
            ),
            uploads_waiting: gauge(
                "uploads_waiting",
                "Uploads that arrive, or wait to be compiled",
            ),
            uploads_compiling: gauge("uploads_compiling", "Uploads that are compiled now"),
        }
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
            pulse: pulse::Pulse::register(&mut registry),
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

    /// All metrics in the OpenMetrics text format.
    pub(crate) fn text(&self, stats: Stats, signs: &VitalSigns) -> Result<String, std::fmt::Error> {
        self.pulse.set(signs);
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.moment.tenants.set(signed(stats.tenants));
        self.moment.waiting.set(signed(stats.waiting));
        self.moment.running.set(signed(stats.running));
        self.moment.committing.set(signed(stats.committing));
        let moment = &self.moment;
        moment.uploads_waiting.set(signed(stats.uploads_waiting));
        moment
            .uploads_compiling
            .set(signed(stats.uploads_compiling));
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
mod tests {
    use super::*;

    #[test]
    fn stop_codes_are_listed_in_the_order_of_their_definition() {
        for (index, code) in StopCode::ALL.iter().enumerate() {
            assert_eq!(*code as usize, index, "{code}");
        }
    }

    #[test]
    fn what_happens_is_counted() {
        let metrics = Metrics::default();
        let (tenant, rule) = ("acme".parse().unwrap(), "r".parse().unwrap());
        let usage = Usage {
            fuel: 20_000,
            wall_us: 70,
            ..Usage::default()
        };
        metrics.executed(&tenant, &rule, &usage, None);
        metrics.executed(&tenant, &rule, &usage, Some(StopCode::OutOfFuel));
        metrics.dead_lettered(&tenant, StopCode::OutOfFuel);
        metrics.done(&EventDone {
            tenant: &tenant,
            event: ringfence_model::EventId::from_bytes([0; 16]),
            depth: 0,
            accepted_us: 1_000,
            durable_us: 3_000,
        });
        metrics.accepted(3, 1);
        metrics.answered(
            &axum::http::Method::PATCH,
            "/x",
            404,
            Some("no-path"),
            Some(10),
        );
        let text = metrics
            .text(
                Stats {
                    waiting: 5,
                    ..Stats::default()
                },
                &VitalSigns::default(),
            )
            .unwrap();
        for line in [
            r#"ringfence_executions_total{result="ok"} 1"#,
            r#"ringfence_dead_letters_total{code="out-of-fuel"} 1"#,
            r#"ringfence_dead_letters_total{code="trap"} 0"#,
            "ringfence_fuel_used_total 40000",
            r#"ringfence_execution_wall_seconds_bucket{le="0.0001"} 2"#,
            r#"ringfence_event_latency_seconds_bucket{le="0.0025",source="outside"} 1"#,
            "ringfence_events_accepted_total 3",
            "ringfence_events_duplicate_total 1",
            "ringfence_events_waiting 5",
            r#"ringfence_refusals_total{code="no-path"} 1"#,
            r#"ringfence_http_requests_total{method="other",route="/x",status="404"} 1"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
