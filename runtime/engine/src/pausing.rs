//! Off is off: a rule, a tenant or the whole host is paused, which ends what
//! runs and begins nothing more, and resumed.
//!
//! A pause is in force first and durable then: it must not wait for a disk that
//! is behind, and where the store does not answer it stays in force until the
//! process ends. To resume is durable first.

use std::sync::Arc;

use ringfence_governor::ActiveRule;
use ringfence_model::{Activation, Paused, PausedBy, RuleName, Tenant, TenantId};
use ringfence_store::{Sleepers, StoreError};

use crate::giving_up::GivingUp;
use crate::interrupts::Which;
use crate::pager::GIVEN_UP_MAX;
use crate::{Engine, EngineError};

/// What pausing, resuming or removing something did to its work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Halted {
    /// Runs that were ended, to be made again from their beginning, if ever.
    pub interrupted: u64,
    /// Events that wait: until it is resumed, or from now on no more.
    pub parked: u64,
}

/// What is paused, and what that ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pauses {
    /// Whether the host is.
    pub host: bool,
    /// Tenants.
    pub tenants: u64,
    /// Rules.
    pub rules: u64,
    /// Runs that were ended since the process began, for a pause or because
    /// nobody waited for them any more.
    pub interrupted: u64,
}

impl Engine {
    /// Since when the whole host is paused, if it is.
    pub fn host_paused(&self) -> Option<Paused> {
        self.inner.registry.host_paused()
    }

    /// What is paused now.
    pub fn pauses(&self) -> Pauses {
        let (tenants, rules) = self.inner.registry.paused();
        Pauses {
            host: self.host_paused().is_some(),
            tenants,
            rules,
            interrupted: self.inner.interrupts.interrupted(),
        }
    }

    /// Refuses what somebody would wait for where nothing is run.
    pub(crate) fn refuse_if_paused(&self, tenant: &TenantId) -> Result<(), EngineError> {
        let registry = &self.inner.registry;
        if registry.host_paused().is_some() {
            return Err(EngineError::Paused(None));
        }
        match registry.is_paused(tenant) {
            true => Err(EngineError::Paused(Some(tenant.clone()))),
            false => Ok(()),
        }
    }

    fn paused_now(&self, by: PausedBy) -> Paused {
        Paused {
            since_us: self.clock().now_us(),
            by,
        }
    }

    /// Ends all runs and begins nothing more, until [`Engine::resume_host`].
    /// Events are accepted as before.
    pub async fn pause_host(&self) -> Result<Halted, EngineError> {
        let new = self.paused_now(PausedBy::Operator);
        let registry = &self.inner.registry;
        let paused = registry.host_paused().unwrap_or(new);
        self.halt_host(Some(paused));
        let keep = async {
            let _one_at_a_time = self.inner.changes.lock().await;
            // It may have been resumed meanwhile, before this.
            self.halt_host(Some(paused));
            self.store().put_host_pause(Some(paused)).await
        };
        let (ended, kept) = tokio::join!(self.inner.interrupts.raise(Which::All), keep);
        kept?;
        let (_, waiting, _) = self.inner.queue.counts();
        Ok(Halted {
            interrupted: ended.interrupted,
            parked: waiting,
        })
    }

    /// Lets the host go on; answers how many events do.
    pub async fn resume_host(&self) -> Result<Halted, EngineError> {
        let _one_at_a_time = self.inner.changes.lock().await;
        if self.host_paused().is_none() {
            return Ok(Halted::default());
        }
        self.store().put_host_pause(None).await?;
        self.keep_sleepers(None).await;
        let (_, waiting, _) = self.inner.queue.counts();
        self.halt_host(None);
        Ok(Halted {
            interrupted: 0,
            parked: waiting,
        })
    }

    /// Sets whether the host is paused, where workers look.
    pub(crate) fn halt_host(&self, paused: Option<Paused>) {
        self.inner.registry.set_host_paused(paused);
        self.inner.queue.set_halted(paused.is_some());
    }

    /// Ends a tenant's runs and begins no more of them, until
    /// [`Engine::resume_tenant`]. Events are accepted as before, up to its
    /// limits.
    pub async fn pause_tenant(
        &self,
        tenant: &TenantId,
        by: PausedBy,
    ) -> Result<Halted, EngineError> {
        self.limits(tenant)?;
        let new = self.paused_now(by);
        let present = self.tenant_paused(tenant);
        let paused = present.map_or(new, |present| present.with(new));
        self.halt_tenant(tenant, Some(paused));
        let keep = async {
            let _one_at_a_time = self.inner.changes.lock().await;
            // It may have been resumed or changed meanwhile, before this.
            self.halt_tenant(tenant, Some(paused));
            self.keep_tenant_paused(tenant, Some(paused)).await
        };
        let which = Which::Tenant(tenant);
        let (ended, kept) = tokio::join!(self.inner.interrupts.raise(which), keep);
        kept?;
        Ok(Halted {
            interrupted: ended.interrupted,
            parked: self.inner.queue.waiting(tenant).0,
        })
    }

    /// Lets a tenant go on; answers how many events do.
    pub async fn resume_tenant(
        &self,
        tenant: &TenantId,
        by: PausedBy,
    ) -> Result<Halted, EngineError> {
        let _one_at_a_time = self.inner.changes.lock().await;
        self.limits(tenant)?;
        let Some(paused) = self.tenant_paused(tenant) else {
            return Ok(Halted::default());
        };
        may_resume(&paused, by, || format!("tenant `{tenant}`"))?;
        self.keep_tenant_paused(tenant, None).await?;
        self.keep_sleepers(Some(tenant)).await;
        let parked = self.inner.queue.waiting(tenant).0;
        self.halt_tenant(tenant, None);
        Ok(Halted {
            interrupted: 0,
            parked,
        })
    }

    /// Since when a tenant is paused, if it is.
    pub fn tenant_paused(&self, tenant: &TenantId) -> Option<Paused> {
        self.inner.registry.get(tenant)?.paused
    }

    /// Sets whether a tenant is paused, where workers look.
    pub(crate) fn halt_tenant(&self, tenant: &TenantId, paused: Option<Paused>) {
        self.inner.registry.set_paused(tenant, paused);
        self.inner.queue.set_paused(tenant, paused.is_some());
    }

    async fn keep_tenant_paused(
        &self,
        tenant: &TenantId,
        paused: Option<Paused>,
    ) -> Result<(), EngineError> {
        let record = self.store().tenant(tenant).await?;
        let record = record.ok_or_else(|| EngineError::NoTenant(tenant.clone()))?;
        self.store().put_tenant(Tenant { paused, ..record }).await?;
        Ok(())
    }

    /// What sleeps for rules in quarantine has not slept too long because of a
    /// pause that ends.
    async fn keep_sleepers(&self, of: Option<&TenantId>) {
        for (tenant, rule) in self.inner.quarantines.sleepers.rules() {
            if of.is_none_or(|of| *of == tenant) {
                self.inner.pager.keep(&tenant, &rule, 0).await;
            }
        }
    }

    /// Ends a rule's runs and begins no more of them, until
    /// [`Engine::resume_rule`]; events sleep for it, and go on with other
    /// rules. None if it has no version in force.
    pub async fn pause_rule(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
        by: PausedBy,
    ) -> Result<Option<Halted>, EngineError> {
        let one_at_a_time = self.inner.changes.lock().await;
        let Some(active) = self.active(tenant, rule)? else {
            return Ok(None);
        };
        let new = self.paused_now(by);
        let present = active.activation.paused;
        let paused = present.map_or(new, |present| present.with(new));
        let changed = self.set_rule_paused(tenant, &active, Some(paused));
        let asleep = self.inner.quarantines.sleepers.sleeping(tenant, rule);
        let raised = self.inner.interrupts.start(Which::Rule(tenant, rule));
        let kept = self.store().put_activation(tenant, changed).await;
        drop(one_at_a_time);
        let ended = raised.over().await;
        kept.map_err(|error| self.of_tenant(tenant, error))?;
        Ok(Some(Halted {
            interrupted: ended.interrupted,
            parked: asleep + ended.interrupted + ended.not_begun,
        }))
    }

    /// Lets a rule go on; answers how many events slept for it, which go on in
    /// their order. None if it has no version in force.
    pub async fn resume_rule(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
        by: PausedBy,
    ) -> Result<Option<Halted>, EngineError> {
        let _one_at_a_time = self.inner.changes.lock().await;
        let Some(active) = self.active(tenant, rule)? else {
            return Ok(None);
        };
        let Some(paused) = active.activation.paused else {
            return Ok(Some(Halted::default()));
        };
        may_resume(&paused, by, || format!("rule `{rule}`"))?;
        let resumed = Activation {
            paused: None,
            ..(*active.activation).clone()
        };
        let resumed = self.store().put_activation(tenant, resumed);
        let resumed = resumed.await;
        resumed.map_err(|error| self.of_tenant(tenant, error))?;
        self.inner.pager.keep(tenant, rule, 0).await;
        let sleepers = &self.inner.quarantines.sleepers;
        let parked = sleepers.sleeping(tenant, rule);
        // As it is now: it may have come into quarantine meanwhile.
        if let Some(active) = self.active(tenant, rule)? {
            self.set_rule_paused(tenant, &active, None);
        }
        sleepers.wish(tenant, rule);
        Ok(Some(Halted {
            interrupted: 0,
            parked,
        }))
    }

    /// Sets whether a rule is paused, where workers look; answers its record.
    fn set_rule_paused(
        &self,
        tenant: &TenantId,
        active: &ActiveRule,
        paused: Option<Paused>,
    ) -> Activation {
        let activation = Activation {
            paused,
            ..(*active.activation).clone()
        };
        let changed = ActiveRule {
            activation: Arc::new(activation.clone()),
            manifest: Arc::clone(&active.manifest),
        };
        let rule = &activation.rule;
        self.inner
            .registry
            .replace_rule(tenant, rule, Some(changed));
        activation
    }

    fn active(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
    ) -> Result<Option<Arc<ActiveRule>>, EngineError> {
        let active = self.activations(tenant)?;
        Ok(active.into_iter().find(|one| one.activation.rule == *rule))
    }

    /// Ends a rule's activation: its runs are ended, and their events go on with
    /// their other rules; what slept for it is given up. None if it has none.
    pub async fn deactivate(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
    ) -> Result<Option<Halted>, EngineError> {
        let one_at_a_time = self.inner.changes.lock().await;
        let Some(active) = self.active(tenant, rule)? else {
            return Ok(None);
        };
        self.replace_rule(tenant, rule, None);
        let raised = self.inner.interrupts.start(Which::Rule(tenant, rule));
        if let Err(error) = self.store().delete_activation(tenant, rule).await {
            self.replace_rule(tenant, rule, Some((*active).clone()));
            self.inner.quarantines.restore(tenant, &active.activation);
            return Err(error.into());
        }
        let why = "It is not in force any more.";
        let given_up = self.give_up_parked(tenant, rule, Some(&active), why);
        let given_up = given_up.await;
        drop(one_at_a_time);
        let ended = raised.over().await;
        let parked = given_up?;
        Ok(Some(Halted {
            interrupted: ended.interrupted,
            parked,
        }))
    }

    /// Gives up what sleeps for a rule; answers how many events.
    pub(crate) async fn give_up_parked(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
        was: Option<&Arc<ActiveRule>>,
        why: &str,
    ) -> Result<u64, StoreError> {
        let giving_up = GivingUp {
            which: Sleepers::Of(tenant.clone(), rule.clone()),
            was,
            why,
        };
        let mut given_up = 0;
        loop {
            let some = giving_up.some(&self.inner.pager, GIVEN_UP_MAX).await?;
            given_up += some;
            if some == 0 {
                return Ok(given_up);
            }
        }
    }

    /// Removes a tenant and everything of it: its runs are ended, and what
    /// waited is gone. None if there is none.
    pub async fn delete_tenant(&self, tenant: &TenantId) -> Result<Option<Halted>, EngineError> {
        let one_at_a_time = self.inner.changes.lock().await;
        self.inner.registry.remove(tenant);
        let waiting = self.inner.queue.remove(tenant);
        self.inner.quarantines.forget_tenant(tenant);
        self.inner.causes.remove(tenant);
        self.inner.vitals.forget_tenant(tenant);
        let raised = self.inner.interrupts.start(Which::Tenant(tenant));
        let deleted = self.store().delete_tenant(tenant).await;
        // What went to sleep meanwhile.
        self.inner.quarantines.forget_tenant(tenant);
        drop(one_at_a_time);
        let ended = raised.over().await;
        let halted = Halted {
            interrupted: ended.interrupted,
            parked: waiting,
        };
        Ok(deleted?.then_some(halted))
    }
}

fn may_resume(
    paused: &Paused,
    by: PausedBy,
    what: impl FnOnce() -> String,
) -> Result<(), EngineError> {
    match by < paused.by {
        true => Err(EngineError::PausedByOperator(what())),
        false => Ok(()),
    }
}
