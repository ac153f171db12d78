//! Tenants whose work waits until it is resumed, and the host whose work does.

use ringfence_model::TenantId;

use super::Queue;
use crate::piece::Piece;

impl Queue {
    /// From now on nothing of a tenant is begun, or something is again. What
    /// somebody waits for is given up.
    pub(crate) fn set_paused(&self, tenant: &TenantId, is_paused: bool) {
        let mut withdrawn = Vec::new();
        {
            let state = &mut *self.state.lock();
            let scheduler = &mut state.scheduler;
            scheduler.set_paused(tenant, is_paused);
            while let Some(piece) = is_paused
                .then(|| scheduler.withdraw(tenant, |_: &Piece| true))
                .flatten()
            {
                withdrawn.push(piece);
            }
            self.wake_all(state);
        }
        // Who waits is told, which is not for under the lock.
        drop(withdrawn);
    }

    /// The same for all tenants.
    pub(crate) fn set_halted(&self, is_halted: bool) {
        let withdrawn = {
            let state = &mut *self.state.lock();
            state.scheduler.set_halted(is_halted);
            let withdrawn = is_halted.then(|| state.scheduler.withdraw_all());
            self.wake_all(state);
            withdrawn
        };
        drop(withdrawn);
    }

    /// How many events of a tenant wait, in memory and on disk.
    pub(crate) fn waiting_of(&self, tenant: &TenantId) -> u64 {
        let state = self.state.lock();
        let window = state.windows.get(tenant);
        window.map_or(0, |window| window.waiting_events)
    }
}
