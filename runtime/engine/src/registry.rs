//! Tenants as the loop needs them: limits and rules in force.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use ringfence_governor::{ActiveRule, RuleSet, Share};
use ringfence_model::{Event, Limits, Paused, Policy, Quarantine, RuleName, Tenant, TenantId};

use crate::job::Job;

/// A tenant's results on their way to the disk, if its runs at one moment are
/// fewer. At a few milliseconds per commit it allows some 20,000 runs a
/// second.
const UNRELEASED: u64 = 64;

/// A tenant: a snapshot, replaced whole when something changes.
#[derive(Debug, Clone)]
pub(crate) struct TenantState {
    pub(crate) limits: Arc<Limits>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) rules: Arc<RuleSet>,
    /// Nothing of it is run.
    pub(crate) paused: Option<Paused>,
}

impl TenantState {
    /// What the next run of a job may take, in bytes: as much as the heaviest
    /// of the rules that have not had their turn, since any of them may be the
    /// next that is run.
    pub(crate) fn memory_of(&self, job: &Job) -> u64 {
        let event = &job.event;
        let undecided = |rule: &&Arc<ActiveRule>| !job.decided.contains(&rule.activation.rule);
        match &job.routes {
            Some(routes) => self.heaviest(event, routes.get(job.next..).unwrap_or_default()),
            None => self.heaviest(event, self.rules.wanting(&event.ty).filter(undecided)),
        }
    }

    /// What the heaviest of these rules that takes an event may take, in bytes.
    pub(crate) fn heaviest<'a>(
        &self,
        event: &Event,
        rules: impl IntoIterator<Item = &'a Arc<ActiveRule>>,
    ) -> u64 {
        let rules = rules.into_iter().filter(|rule| rule.takes(event.id));
        rules
            .map(|rule| self.memory_of_rule(rule))
            .max()
            .unwrap_or(0)
    }

    /// The rule that a job's next run is of, as far as is known before it.
    pub(crate) fn next_rule<'a>(&'a self, job: &'a Job) -> Option<&'a Arc<ActiveRule>> {
        let event = &job.event;
        let takes = |rule: &&'a Arc<ActiveRule>| rule.takes(event.id);
        if let Some(routes) = &job.routes {
            return routes
                .get(job.next..)
                .unwrap_or_default()
                .iter()
                .find(takes);
        }
        let undecided = |rule: &&Arc<ActiveRule>| !job.decided.contains(&rule.activation.rule);
        let wanting = self.rules.wanting(&event.ty);
        let next = wanting.filter(takes).filter(undecided);
        next.min_by(|one, other| one.activation.rule.cmp(&other.activation.rule))
    }

    /// Whether a rule is in force, and since when it is paused.
    pub(crate) fn pause_of(&self, rule: &RuleName) -> Option<Option<Paused>> {
        let present = self.rules.rule(rule)?;
        Some(present.activation.paused)
    }

    /// The quarantine that a rule, as it was when an event was routed, is in
    /// now.
    pub(crate) fn quarantine_of(&self, rule: &ActiveRule) -> Option<&Quarantine> {
        self.present(rule)?.activation.quarantine.as_ref()
    }

    /// Whether such a rule is not to be run until it is activated again.
    pub(crate) fn is_barred(&self, rule: &ActiveRule) -> bool {
        let present = self.present(rule);
        present.is_some_and(|present| present.activation.is_barred())
    }

    /// A rule as it is now, if it has the version that it had.
    fn present(&self, rule: &ActiveRule) -> Option<&Arc<ActiveRule>> {
        let present = self.rules.rule(&rule.activation.rule)?;
        (present.activation.version == rule.activation.version).then_some(present)
    }

    /// What a run of a rule may take, in bytes.
    fn memory_of_rule(&self, rule: &ActiveRule) -> u64 {
        let own = rule.activation.limits.memory_bytes;
        own.map_or(self.limits.memory_bytes, |own| {
            own.min(self.limits.memory_bytes)
        })
    }

    /// The limits for uploads of a rule's next versions.
    pub(crate) fn upload_limits(&self, rule: &RuleName) -> Limits {
        let active = self.rules.rules().iter();
        let mut active = active.filter(|active| active.activation.rule == *rule);
        match active.next() {
            Some(active) => self.limits.lowered(&active.activation.limits),
            None => (*self.limits).clone(),
        }
    }

    pub(crate) fn share(&self) -> Share {
        Share {
            weight: self.limits.weight,
            concurrent: self.limits.concurrent_executions,
            memory: self.limits.running_memory_bytes,
            unreleased: self.limits.concurrent_executions.max(UNRELEASED),
        }
    }
}

/// All tenants.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    tenants: RwLock<HashMap<TenantId, Arc<TenantState>>>,
    /// Nothing at all is run.
    host: RwLock<Option<Paused>>,
}

impl Registry {
    pub(crate) fn get(&self, tenant: &TenantId) -> Option<Arc<TenantState>> {
        self.tenants.read().get(tenant).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.tenants.read().len()
    }

    pub(crate) fn remove(&self, tenant: &TenantId) {
        self.tenants.write().remove(tenant);
    }

    /// Adds a tenant, or changes its limits.
    pub(crate) fn set_limits(&self, tenant: &Tenant, limits: Limits) -> Arc<TenantState> {
        let mut tenants = self.tenants.write();
        let present = tenants.get(&tenant.id);
        let state = Arc::new(TenantState {
            limits: Arc::new(limits),
            policy: Arc::new(tenant.policy.clone()),
            rules: present
                .map(|state| Arc::clone(&state.rules))
                .unwrap_or_default(),
            // Whoever pauses it does so here first, and then in its record.
            paused: present.map_or(tenant.paused, |state| state.paused),
        });
        tenants.insert(tenant.id.clone(), Arc::clone(&state));
        state
    }

    /// Replaces, adds or removes one of a tenant's rules in force.
    pub(crate) fn replace_rule(&self, tenant: &TenantId, rule: &RuleName, new: Option<ActiveRule>) {
        let Some(state) = self.get(tenant) else {
            return;
        };
        let others = state.rules.rules().iter();
        let others = others.filter(|active| active.activation.rule != *rule);
        let rules = others.cloned().chain(new.map(Arc::new)).collect();
        self.set_rules(tenant, rules);
    }

    /// Replaces a tenant's rules in force.
    pub(crate) fn set_rules(&self, tenant: &TenantId, rules: Vec<Arc<ActiveRule>>) {
        if let Some(state) = self.tenants.write().get_mut(tenant) {
            *state = Arc::new(TenantState {
                limits: Arc::clone(&state.limits),
                policy: Arc::clone(&state.policy),
                rules: Arc::new(RuleSet::new(rules)),
                paused: state.paused,
            });
        }
    }

    /// Pauses a tenant, or lets it go on.
    pub(crate) fn set_paused(&self, tenant: &TenantId, paused: Option<Paused>) {
        if let Some(state) = self.tenants.write().get_mut(tenant) {
            *state = Arc::new(TenantState {
                paused,
                ..(**state).clone()
            });
        }
    }

    /// Pauses all, or lets them go on.
    pub(crate) fn set_host_paused(&self, paused: Option<Paused>) {
        *self.host.write() = paused;
    }

    /// Since when all are paused.
    pub(crate) fn host_paused(&self) -> Option<Paused> {
        *self.host.read()
    }

    /// Whether nothing of a tenant is run: it is paused, or all are.
    pub(crate) fn is_paused(&self, tenant: &TenantId) -> bool {
        let state = self.get(tenant);
        self.host_paused().is_some() || state.is_some_and(|state| state.paused.is_some())
    }

    /// Whether a rule is to be run now: it is in force and neither barred nor
    /// paused, nor is its tenant, nor are all.
    pub(crate) fn runs(&self, tenant: &TenantId, rule: &ActiveRule) -> bool {
        let is_on = |state: Arc<TenantState>| {
            state.paused.is_none()
                && state.pause_of(&rule.activation.rule) == Some(None)
                && !state.is_barred(rule)
        };
        self.host_paused().is_none() && self.get(tenant).is_some_and(is_on)
    }

    /// How many tenants are paused, and how many rules.
    pub(crate) fn paused(&self) -> (u64, u64) {
        let tenants = self.tenants.read();
        let paused = tenants.values().filter(|state| state.paused.is_some());
        let rules = tenants.values().flat_map(|state| state.rules.rules());
        let rules = rules.filter(|rule| rule.activation.paused.is_some());
        (paused.count() as u64, rules.count() as u64)
    }
}
