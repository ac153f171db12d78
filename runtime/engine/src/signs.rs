//! Questions about what is out of the ordinary.

use ringfence_governor::PulseView;
use ringfence_model::TenantId;
use tokio::sync::mpsc;

use crate::{Alert, Engine, VitalSigns};

impl Engine {
    /// A tenant's pulse now: what its rules' runs set off.
    pub fn pulse(&self, tenant: &TenantId) -> PulseView {
        self.inner.vitals.view(tenant, self.clock().now_us())
    }

    /// Whether a tenant's root events go before its follow-ups, because its
    /// runs grow.
    pub fn is_dampened(&self, tenant: &TenantId) -> bool {
        self.inner.queue.is_dampened(tenant)
    }

    /// What goes on that is out of the ordinary, of all tenants.
    pub fn vital_signs(&self) -> VitalSigns {
        self.inner.vitals.signs()
    }

    /// Where it is told that anomalies begin and end. There is one; later
    /// calls answer none.
    pub fn alerts(&self) -> Option<mpsc::Receiver<Alert>> {
        self.inner.alerts.lock().take()
    }
}
