//! Metrics of what is out of the ordinary.

use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use ringfence_engine::VitalSigns;
use ringfence_model::AnomalyKind;

use super::member;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

/// The one label that tenants choose: of those few whose number is near the
/// threshold only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTenant {
    tenant: String,
}

#[derive(Debug)]
pub(super) struct Pulse {
    /// Where `AnomalyKind::ALL` has the kind.
    began: Vec<Counter>,
    ongoing: Vec<Gauge>,
    numbers: Family<OfTenant, Gauge<f64, AtomicU64>>,
    /// The numbers are replaced as a whole.
    replacing: Mutex<()>,
    pub(super) alerts_lost: Counter,
}

impl Pulse {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let began = Family::<Kind, Counter>::default();
        let ongoing = Family::<Kind, Gauge>::default();
        let label = |kind: AnomalyKind| Kind {
            kind: kind.as_str(),
        };
        let pulse = Self {
            began: AnomalyKind::ALL
                .map(|kind| member(&began, &label(kind)))
                .into(),
            ongoing: AnomalyKind::ALL
                .map(|kind| member(&ongoing, &label(kind)))
                .into(),
            numbers: Family::default(),
            replacing: Mutex::default(),
            alerts_lost: Counter::default(),
        };
        registry.register("anomalies", "Anomalies that began, by kind", began);
        registry.register(
            "anomalies_ongoing",
            "Anomalies that go on now, by kind",
            ongoing,
        );
        registry.register(
            "reproduction_number",
            "Runs that one run sets off along the strongest cycle; of the at most 20 tenants \
             near the threshold or above it",
            pulse.numbers.clone(),
        );
        registry.register(
            "alerts_lost",
            "Alerts that were not handed to their delivery, because too many waited",
            pulse.alerts_lost.clone(),
        );
        pulse
    }

    pub(super) fn began(&self, kind: AnomalyKind) {
        // `ALL` lists the kinds in the order of their definition.
        if let Some(counter) = self.began.get(kind as usize) {
            counter.inc();
        }
    }

    /// Takes over what is so now.
    pub(super) fn set(&self, signs: &VitalSigns) {
        for (kind, count) in &signs.ongoing {
            if let Some(gauge) = self.ongoing.get(*kind as usize) {
                gauge.set(i64::try_from(*count).unwrap_or(i64::MAX));
            }
        }
        let _one_at_a_time = self.replacing.lock();
        self.numbers.clear();
        for (tenant, number) in &signs.numbers {
            let tenant = tenant.to_string();
            member(&self.numbers, &OfTenant { tenant }).set(*number);
        }
    }
}
