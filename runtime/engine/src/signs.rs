//! Questions about what is out of the ordinary.

use ringfence_governor::PulseView;
use ringfence_model::TenantId;
use ringfence_store::StoreError;
use tokio::sync::mpsc;

use crate::{Alert, Engine, Leader, Tally, TallyOfAll, VitalSigns};

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

    /// What a tenant took of the host, and what of it was refused.
    pub fn tally(&self, tenant: &TenantId) -> Option<Tally> {
        let now_us = self.clock().now_us();
        self.inner.vitals.lock().tallies.of(tenant, now_us)
    }

    /// The tenants that took most lately, the greatest first, at most so many;
    /// and what all took. Who is `listed` already stays until another took a
    /// quarter more. Looks at all tenants.
    pub fn leaders(&self, most: usize, listed: &[TenantId]) -> (TallyOfAll, Vec<Leader>) {
        let now_us = self.clock().now_us();
        let (all, leaders) = {
            let tallies = &self.inner.vitals.lock().tallies;
            (tallies.of_all(), tallies.leaders(most, listed, now_us))
        };
        let leader = |(tenant, tally)| Leader {
            waiting: self.waiting(&tenant).0,
            tenant,
            tally,
        };
        (all, leaders.into_iter().map(leader).collect())
    }

    /// How many events of a tenant wait, in memory and on disk, and their
    /// size in bytes.
    pub fn waiting(&self, tenant: &TenantId) -> (u64, u64) {
        self.inner.queue.waiting(tenant)
    }

    /// When the oldest of a tenant's events that wait was accepted, in
    /// microseconds since 1970; those that sleep for a rule in quarantine or
    /// paused left out. Asks the store.
    pub async fn oldest_waiting(&self, tenant: &TenantId) -> Result<Option<u64>, StoreError> {
        if self.waiting(tenant).0 == 0 {
            return Ok(None);
        }
        let oldest = self.store().pending(tenant, 0, 1, 1).await?;
        Ok(oldest.first().map(|pending| pending.event.accepted_us))
    }

    /// A request of a tenant was refused with a problem of this code.
    pub fn refused(&self, tenant: &TenantId, code: &'static str) {
        self.inner.vitals.lock().tallies.refused(tenant, code);
    }

    /// Where it is told that anomalies begin and end. There is one; later
    /// calls answer none.
    pub fn alerts(&self) -> Option<mpsc::Receiver<Alert>> {
        self.inner.alerts.lock().take()
    }
}
