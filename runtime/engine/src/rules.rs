//! Tenants, versions and activations: what people change while events flow.
//! Each change is durable before the loop sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ringfence_governor::ActiveRule;
use ringfence_model::{
    Activation, CyclePolicy, Inference, Json, LimitOverrides, Limits, LoopPolicy, Mode, Plan,
    Policy, RuleName, Tenant, TenantId, VersionId, Webhook,
};
use ringfence_sandbox::Inspected;
use ringfence_store::{NewVersion, PutVersion, Sleepers, StoreError, VersionRecord};

use crate::giving_up::give_up;
use crate::graph::Activated;
use crate::pager::GIVEN_UP_MAX;
use crate::uploads::{Turn, UploadPlace};
use crate::{Engine, EngineError};

/// A version to put in force.
#[derive(Debug, Clone)]
pub struct NewActivation {
    /// Which.
    pub version: VersionId,
    /// Its configuration; the caller has checked it against the schema.
    pub config: Json,
    /// Whether effects take place.
    pub mode: Mode,
    /// The share of events, 1 to 100.
    pub percent: u8,
    /// Limits to lower.
    pub limits: LimitOverrides,
    /// What is done about its loops, if otherwise than for its tenant.
    pub loops: Option<LoopPolicy>,
}

/// What is to change about a tenant; what is none stays, or is the default.
#[derive(Debug, Clone, Default)]
pub struct TenantChange {
    /// A plan's name.
    pub plan: Option<String>,
    /// Its own changes to the plan's limits.
    pub limits: Option<LimitOverrides>,
    /// When a run would repeat one of its ancestors.
    pub loops: Option<LoopPolicy>,
    /// When an activation closes a cycle of rules.
    pub cycles: Option<CyclePolicy>,
    /// When an event comes back without lineage.
    pub infer: Option<Inference>,
    /// Which event types each action comes back as.
    pub causes: Option<BTreeMap<String, Vec<String>>>,
    /// Where its alerts go; `Some(None)` ends that.
    pub webhook: Option<Option<Webhook>>,
}

impl TenantChange {
    fn policy(&mut self, present: Policy) -> Policy {
        Policy {
            loops: self.loops.unwrap_or(present.loops),
            cycles: self.cycles.unwrap_or(present.cycles),
            infer: self.infer.unwrap_or(present.infer),
            causes: self.causes.take().unwrap_or(present.causes),
            webhook: self.webhook.take().unwrap_or(present.webhook),
        }
    }
}

impl Engine {
    /// Creates a tenant or changes its plan and overrides; true if it is new.
    /// What is not named stays, or is the plan `standard` without overrides.
    pub async fn put_tenant(
        &self,
        tenant: &TenantId,
        mut change: TenantChange,
    ) -> Result<(Tenant, bool), EngineError> {
        let _one_at_a_time = self.inner.changes.lock().await;
        let present = self.store().tenant(tenant).await?;
        let says_causes = change.causes.is_some();
        let record = Tenant {
            id: tenant.clone(),
            plan: change
                .plan
                .take()
                .or_else(|| present.as_ref().map(|present| present.plan.clone()))
                .unwrap_or_else(|| Plan::STANDARD.to_owned()),
            limits: change
                .limits
                .take()
                .or_else(|| present.as_ref().map(|present| present.limits.clone()))
                .unwrap_or_default(),
            policy: change.policy(
                present
                    .as_ref()
                    .map(|present| present.policy.clone())
                    .unwrap_or_default(),
            ),
            created_us: present.map_or_else(|| self.clock().now_us(), |p| p.created_us),
        };
        record.policy.check()?;
        if says_causes && !record.policy.causes.is_empty() {
            self.check_actions(tenant, &record.policy).await?;
        }
        let in_force = self.limits_of(&record)?;
        let created = self.store().put_tenant(record.clone()).await?;
        self.admit_tenant(&record, in_force);
        Ok((record, created))
    }

    /// The limits in force for a tenant's record.
    pub(crate) fn limits_of(&self, tenant: &Tenant) -> Result<Limits, EngineError> {
        tenant.limits.check()?;
        let plan = self.inner.config.plan(&tenant.plan);
        let plan = plan.ok_or_else(|| EngineError::NoPlan(tenant.plan.clone()))?;
        Ok(plan.with(&tenant.limits).consistent())
    }

    pub(crate) fn admit_tenant(&self, tenant: &Tenant, limits: Limits) {
        let state = self.inner.registry.set_limits(tenant, limits);
        self.inner.queue.set_share(&tenant.id, state.share());
    }

    /// Removes a tenant and everything of it; false if there is none.
    pub async fn delete_tenant(&self, tenant: &TenantId) -> Result<bool, EngineError> {
        let _one_at_a_time = self.inner.changes.lock().await;
        self.inner.registry.remove(tenant);
        self.inner.queue.remove(tenant);
        self.inner.quarantines.forget_tenant(tenant);
        self.inner.causes.remove(tenant);
        self.inner.vitals.forget_tenant(tenant);
        Ok(self.store().delete_tenant(tenant).await?)
    }

    /// The limits on an upload of a rule's next version: the tenant's, or
    /// lower where the rule in force says so.
    pub fn upload_limits(&self, tenant: &TenantId, rule: &RuleName) -> Result<Limits, EngineError> {
        let state = self.inner.registry.get(tenant);
        let state = state.ok_or_else(|| EngineError::NoTenant(tenant.clone()))?;
        Ok(state.upload_limits(rule))
    }

    /// A place for an upload of this size, to be had before its body is read.
    /// It is given up when it is dropped.
    pub fn upload_place(&self, tenant: &TenantId, bytes: u64) -> Result<UploadPlace, EngineError> {
        self.inner.uploads.place(tenant, bytes)
    }

    /// Inspects a component and keeps it as a version of a rule; true if it is
    /// new. The second upload of the same bytes answers the first's record.
    pub async fn upload(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
        component: Bytes,
        place: UploadPlace,
    ) -> Result<(VersionRecord, bool), EngineError> {
        let limits = self.upload_limits(tenant, rule)?;
        let version = VersionId::of(&component);
        if let Some(record) = self.store().version(tenant, rule, version).await? {
            return Ok((record, false));
        }
        let turn = place.turn(limits.concurrent_compiles).await;
        let inspected = self
            .inspect(component.clone(), limits.clone(), turn)
            .await?;
        let record = VersionRecord {
            rule: rule.clone(),
            version: inspected.version,
            manifest: inspected.manifest,
            imports: inspected.imports,
            size: inspected.size,
            compile_ms: inspected.compile_ms,
            warnings: inspected.warnings,
            uploaded_us: self.clock().now_us(),
        };
        let new = NewVersion {
            record: record.clone(),
            component,
        };
        let put = self.store().put_version(tenant, new, &limits).await;
        match put.map_err(|error| self.of_tenant(tenant, error))? {
            PutVersion::Created => Ok((record, true)),
            PutVersion::Existed(first) => Ok((*first, false)),
        }
    }

    /// Compiling takes a core for seconds, and goes on to its end also when
    /// nobody waits for it any more: so long it takes its turn.
    async fn inspect(
        &self,
        component: Bytes,
        limits: Limits,
        turn: Turn,
    ) -> Result<Inspected, EngineError> {
        let sandbox = self.inner.executor.sandbox.clone();
        let inspect = move || {
            let inspected = sandbox.inspect(&component, &limits);
            drop(turn);
            inspected
        };
        match tokio::task::spawn_blocking(inspect).await {
            Ok(inspected) => Ok(inspected?),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// Puts a version in force, from the next event on, unless it closes a
    /// cycle of rules and its tenant wants that refused.
    pub async fn activate(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
        new: NewActivation,
    ) -> Result<Activated, EngineError> {
        new.limits.check_of_rule()?;
        if !(1..=100).contains(&new.percent) {
            return Err(EngineError::Percent(new.percent));
        }
        let _one_at_a_time = self.inner.changes.lock().await;
        self.limits(tenant)?;
        let version = self.store().version(tenant, rule, new.version).await?;
        let version = version.ok_or_else(|| EngineError::NoVersion {
            rule: rule.clone(),
            version: new.version,
        })?;
        let cycles = self.cycles_of(tenant, &version, new.mode).await?;
        cycles.admit(rule)?;
        let activation = Activation {
            rule: rule.clone(),
            version: new.version,
            config: new.config,
            mode: new.mode,
            percent: new.percent,
            limits: new.limits,
            activated_us: self.clock().now_us(),
            quarantine: None,
            loops: new.loops,
        };
        self.store()
            .put_activation(tenant, activation.clone())
            .await?;
        let active = ActiveRule {
            activation: Arc::new(activation.clone()),
            manifest: Arc::new(version.manifest),
        };
        self.replace_rule(tenant, rule, Some(active));
        Ok(Activated { activation, cycles })
    }

    /// Ends a rule's activation; false if it has none.
    pub async fn deactivate(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
    ) -> Result<bool, EngineError> {
        let _one_at_a_time = self.inner.changes.lock().await;
        self.limits(tenant)?;
        let ended = self.store().delete_activation(tenant, rule).await?;
        // While it is known which version they slept for.
        let given_up = self.give_up_parked(tenant, rule, "It is not in force any more.");
        let given_up = given_up.await;
        self.replace_rule(tenant, rule, None);
        given_up?;
        Ok(ended)
    }

    /// Ends a rule's quarantine before its time; answers how many events that
    /// slept for it go on. None if it is in none.
    pub async fn lift_quarantine(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
    ) -> Result<Option<u64>, EngineError> {
        let _one_at_a_time = self.inner.changes.lock().await;
        let active = self.activations(tenant)?;
        let is_held = |active: &&Arc<ActiveRule>| {
            active.activation.rule == *rule && active.activation.quarantine.is_some()
        };
        let Some(active) = active.iter().find(is_held) else {
            return Ok(None);
        };
        let activation = Activation {
            quarantine: None,
            ..(*active.activation).clone()
        };
        let sleeping = self.inner.quarantines.parked(tenant, rule);
        self.store()
            .put_activation(tenant, activation.clone())
            .await?;
        let active = ActiveRule {
            activation: Arc::new(activation),
            manifest: Arc::clone(&active.manifest),
        };
        self.replace_rule(tenant, rule, Some(active));
        Ok(Some(sleeping))
    }

    /// How many events sleep for a rule in quarantine.
    pub fn parked(&self, tenant: &TenantId, rule: &RuleName) -> u64 {
        self.inner.quarantines.parked(tenant, rule)
    }

    /// Gives up the events that sleep for a rule in quarantine, for this rule;
    /// answers how many.
    pub async fn discard_parked(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
    ) -> Result<u64, EngineError> {
        self.limits(tenant)?;
        self.give_up_parked(tenant, rule, "What waited for it was discarded.")
            .await
    }

    async fn give_up_parked(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
        why: &str,
    ) -> Result<u64, EngineError> {
        let which = Sleepers::Of(tenant.clone(), rule.clone());
        let mut discarded = 0;
        loop {
            let some = give_up(&self.inner.pager, &which, GIVEN_UP_MAX, why).await?;
            discarded += some;
            if some == 0 {
                return Ok(discarded);
            }
        }
    }

    fn replace_rule(&self, tenant: &TenantId, rule: &RuleName, new: Option<ActiveRule>) {
        self.inner.quarantines.forget(tenant, rule);
        self.inner.registry.replace_rule(tenant, rule, new);
        let queue = &self.inner.queue;
        queue.with(|state| state.costs.forget(tenant, rule));
        self.inner.vitals.forget(tenant, rule);
    }

    /// Reads a tenant's rules in force from the store.
    pub(crate) async fn load_rules(
        &self,
        tenant: &TenantId,
    ) -> Result<Vec<Arc<ActiveRule>>, EngineError> {
        let mut rules = Vec::new();
        for activation in self.store().activations(tenant).await? {
            let (rule, version) = (&activation.rule, activation.version);
            let record = self.store().version(tenant, rule, version).await?;
            let record = record.ok_or_else(|| StoreError::Damaged {
                what: "activation",
                cause: format!("rule `{rule}` of `{tenant}` has no version {version}"),
            })?;
            rules.push(Arc::new(ActiveRule {
                activation: Arc::new(activation),
                manifest: Arc::new(record.manifest),
            }));
        }
        Ok(rules)
    }
}
