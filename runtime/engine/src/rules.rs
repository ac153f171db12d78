//! Tenants, versions and activations: what people change while events flow.
//! Each change is durable before the loop sees it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use ringfence_governor::ActiveRule;
use ringfence_model::{
    Activation, CyclePolicy, Inference, Json, LimitOverrides, Limits, LoopPolicy, Manifest, Mode,
    Paused, Plan, Policy, RuleName, Tenant, TenantId, VersionId, Webhook,
};
use ringfence_sandbox::Inspected;
use ringfence_store::{NewVersion, PutVersion, VersionRecord};

use crate::graph::Activated;
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
            paused: self.tenant_paused(tenant),
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
        let is_paused = state.paused.is_some();
        self.inner.queue.set_paused(&tenant.id, is_paused);
        self.inner.vitals.lock().tallies.admit(&tenant.id);
    }

    fn rule_paused(&self, tenant: &TenantId, rule: &RuleName) -> Option<Paused> {
        self.inner.registry.get(tenant)?.pause_of(rule)?
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
        self.admits_upload()?;
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
            paused: self.rule_paused(tenant, rule),
            loops: new.loops,
        };
        self.store()
            .put_activation(tenant, activation.clone())
            .await?;
        let active = ActiveRule {
            activation: Arc::new(activation.clone()),
            manifest: declared(version.manifest),
        };
        self.replace_rule(tenant, rule, Some(active));
        Ok(Activated { activation, cycles })
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
        let sleeping = self.inner.quarantines.sleepers.asleep(tenant, rule);
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

    /// How many events sleep for a rule.
    pub fn parked(&self, tenant: &TenantId, rule: &RuleName) -> u64 {
        self.inner.quarantines.sleepers.asleep(tenant, rule)
    }

    /// Gives up the events that sleep for a rule, for this rule; answers how
    /// many.
    pub async fn discard_parked(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
    ) -> Result<u64, EngineError> {
        self.limits(tenant)?;
        let why = "What waited for it was discarded.";
        Ok(self.give_up_parked(tenant, rule, None, why).await?)
    }

    pub(crate) fn replace_rule(&self, tenant: &TenantId, rule: &RuleName, new: Option<ActiveRule>) {
        self.inner.quarantines.forget(tenant, rule);
        self.inner.registry.replace_rule(tenant, rule, new);
        let queue = &self.inner.queue;
        queue.with(|state| state.costs.forget(tenant, rule));
        self.inner.vitals.forget(tenant, rule);
    }

    /// Reads all rules in force from the store.
    pub(crate) async fn recover_rules(&self) -> Result<(), EngineError> {
        const PAGE: u32 = 500;
        // Versions that are in force under several names are declared once.
        let mut manifests = HashMap::new();
        let mut tenant: Option<(TenantId, Vec<Arc<ActiveRule>>)> = None;
        let mut after: Option<(TenantId, RuleName)> = None;
        loop {
            let place = after.as_ref().map(|(tenant, rule)| (tenant, rule));
            let page = self.store().rules_in_force(place, PAGE).await?;
            if page.is_empty() {
                break;
            }
            for rule in page {
                after = Some((rule.tenant.clone(), rule.activation.rule.clone()));
                self.inner
                    .quarantines
                    .restore(&rule.tenant, &rule.activation);
                let version = rule.activation.version;
                let manifest = manifests.entry(version);
                let manifest = manifest.or_insert_with(|| declared(rule.manifest));
                let active = Arc::new(ActiveRule {
                    activation: Arc::new(rule.activation),
                    manifest: Arc::clone(manifest),
                });
                match &mut tenant {
                    Some((same, rules)) if *same == rule.tenant => rules.push(active),
                    _ => {
                        let next = (rule.tenant, vec![active]);
                        if let Some((done, rules)) = tenant.replace(next) {
                            self.inner.registry.set_rules(&done, rules);
                        }
                    }
                }
            }
        }
        if let Some((last, rules)) = tenant {
            self.inner.registry.set_rules(&last, rules);
        }
        Ok(())
    }
}

/// What is kept in memory of what a version declares. The schema of its
/// configuration, which may be large, is read from the store when a
/// configuration is checked.
fn declared(manifest: Manifest) -> Arc<Manifest> {
    Arc::new(Manifest {
        config_schema: None,
        ..manifest
    })
}
