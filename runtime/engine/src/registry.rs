//! Tenants as the loop needs them: limits and rules in force.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use ringfence_governor::{ActiveRule, RuleSet, Share};
use ringfence_model::{Limits, Tenant, TenantId};

/// A tenant's results on their way to the disk, if its runs at one moment are
/// fewer. At a few milliseconds per commit it allows some 20,000 runs a
/// second.
const UNRELEASED: u64 = 64;

/// A tenant: a snapshot, replaced whole when something changes.
#[derive(Debug, Clone)]
pub(crate) struct TenantState {
    pub(crate) limits: Arc<Limits>,
    pub(crate) rules: Arc<RuleSet>,
}

impl TenantState {
    pub(crate) fn share(&self) -> Share {
        Share {
            weight: self.limits.weight,
            concurrent: self.limits.concurrent_executions,
            unreleased: self.limits.concurrent_executions.max(UNRELEASED),
        }
    }
}

/// All tenants.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    tenants: RwLock<HashMap<TenantId, Arc<TenantState>>>,
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
        let rules = tenants
            .get(&tenant.id)
            .map(|state| Arc::clone(&state.rules));
        let state = Arc::new(TenantState {
            limits: Arc::new(limits),
            rules: rules.unwrap_or_default(),
        });
        tenants.insert(tenant.id.clone(), Arc::clone(&state));
        state
    }

    /// Replaces a tenant's rules in force.
    pub(crate) fn set_rules(&self, tenant: &TenantId, rules: Vec<Arc<ActiveRule>>) {
        if let Some(state) = self.tenants.write().get_mut(tenant) {
            *state = Arc::new(TenantState {
                limits: Arc::clone(&state.limits),
                rules: Arc::new(RuleSet::new(rules)),
            });
        }
    }
}
