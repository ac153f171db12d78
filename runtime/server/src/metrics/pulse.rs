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

/// What became of an alert.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AlertEnd {
    /// The receiver took it.
    Delivered,
    /// It did not, however often it was tried.
    Failed,
    /// There were too many of its tenant, or of all, in a short time.
    Limited,
    /// Too many waited or were under way.
    Lost,
}

impl AlertEnd {
    /// In the order of their definition.
    const ALL: [(Self, &'static str); 4] = [
        (Self::Delivered, "delivered"),
        (Self::Failed, "failed"),
        (Self::Limited, "limited"),
        (Self::Lost, "lost"),
    ];
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    result: &'static str,
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
    /// By `AlertEnd`.
    alerts: [Counter; 4],
}

impl Pulse {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let began = Family::<Kind, Counter>::default();
        let ongoing = Family::<Kind, Gauge>::default();
        let alerts = Family::<Ended, Counter>::default();
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
            alerts: AlertEnd::ALL.map(|(_, result)| member(&alerts, &Ended { result })),
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
            "alerts",
            "Alerts of anomalies, by what became of them",
            alerts,
        );
        pulse
    }

    pub(super) fn alert(&self, end: AlertEnd) {
        self.alerts[end as usize].inc();
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
