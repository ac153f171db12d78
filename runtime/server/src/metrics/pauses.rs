//! Metrics of what is paused.

use std::sync::atomic::Ordering;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use ringfence_engine::Pauses as Now;

use super::member;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct What {
    what: &'static str,
}

#[derive(Debug)]
pub(super) struct Pauses {
    host: Gauge,
    tenants: Gauge,
    rules: Gauge,
    interrupted: Counter,
}

impl Pauses {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let paused = Family::<What, Gauge>::default();
        let of = |what| member(&paused, &What { what });
        let pauses = Self {
            host: of("host"),
            tenants: of("tenant"),
            rules: of("rule"),
            interrupted: Counter::default(),
        };
        registry.register(
            "paused",
            "What is paused now: the host, tenants, rules",
            paused,
        );
        registry.register(
            "runs_interrupted",
            "Runs that were ended, because what they were of was paused or removed, or because \
             nobody waited for them any more",
            pauses.interrupted.clone(),
        );
        pauses
    }

    /// Takes over what is so now.
    pub(super) fn set(&self, now: &Now) {
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.host.set(now.host.into());
        self.tenants.set(signed(now.tenants));
        self.rules.set(signed(now.rules));
        let interrupted = self.interrupted.inner();
        interrupted.fetch_max(now.interrupted, Ordering::Relaxed);
    }
}
