//! Tenants whose work waits until it is resumed, and the host whose work does.

use ringfence_model::TenantId;

use super::Queue;

impl Queue {
    /// From now on nothing of a tenant is begun, or something is again. What
    /// somebody waits for is given up.
    pub(crate) fn set_paused(&self, tenant: &TenantId, is_paused: bool) {
        let withdrawn = {
            let state = &mut *self.state.lock();
            state.scheduler.set_paused(tenant, is_paused);
            if let Some(window) = state.windows.get_mut(tenant) {
                // What waits for somebody's word is not what the host is late with.
                window.is_paused = is_paused;
                let wanted = window.wanted();
                let now_us = self.clock.now_us();
                state.overload.waits(&mut window.load, wanted, now_us);
            }
            let withdrawn = is_paused.then(|| state.scheduler.withdraw_all_of(tenant));
            self.wake_all(state);
            withdrawn
        };
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
}
