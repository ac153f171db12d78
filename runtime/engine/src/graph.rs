//! What the graph of a tenant's rules has to say when they change.

use std::sync::Arc;

use ringfence_governor::{Cycles, GraphRule, RuleGraph};
use ringfence_model::{Activation, CyclePolicy, Manifest, Mode, Policy, RuleName, TenantId};
use ringfence_store::VersionRecord;

use crate::registry::TenantState;
use crate::{Engine, EngineError};

/// What an activation came to.
#[derive(Debug, Clone)]
pub struct Activated {
    /// What is in force.
    pub activation: Activation,
    /// The cycles that it closes.
    pub cycles: ClosedCycles,
}

/// The cycles through a rule that a version of it closes.
#[derive(Debug, Clone)]
pub struct ClosedCycles {
    /// What the tenant wants done about them.
    pub policy: CyclePolicy,
    /// They, each from the rule on; none if the tenant allows cycles, and
    /// nobody looked.
    pub cycles: Option<Cycles>,
}

impl Engine {
    /// The graph of a tenant's rules in force.
    pub async fn graph(&self, tenant: &TenantId) -> Result<RuleGraph, EngineError> {
        let state = self.state(tenant)?;
        Ok(compute(move || graph(&state, None)).await)
    }

    /// The cycles that a version would close if it were activated now.
    pub async fn cycles_closed_by(
        &self,
        tenant: &TenantId,
        version: &VersionRecord,
    ) -> Result<ClosedCycles, EngineError> {
        self.cycles_of(tenant, version, Mode::Enforce).await
    }

    pub(crate) async fn cycles_of(
        &self,
        tenant: &TenantId,
        version: &VersionRecord,
        mode: Mode,
    ) -> Result<ClosedCycles, EngineError> {
        let state = self.state(tenant)?;
        let policy = state.policy.cycles;
        let rule = GraphRule {
            rule: version.rule.clone(),
            version: version.version,
            mode,
            manifest: Arc::new(version.manifest.clone()),
        };
        let cycles = match policy {
            CyclePolicy::Allow => None,
            CyclePolicy::Warn | CyclePolicy::Refuse => {
                let name = version.rule.clone();
                let through = move || graph(&state, Some(rule)).cycles_through(&name);
                Some(compute(through).await)
            }
        };
        Ok(ClosedCycles { policy, cycles })
    }

    /// Checks that what a tenant says about actions is about those that its
    /// rules can ask for.
    pub(crate) async fn check_actions(
        &self,
        tenant: &TenantId,
        policy: &Policy,
    ) -> Result<(), EngineError> {
        let mut manifests: Vec<Manifest> = Vec::new();
        for rule in self.store().rules(tenant).await? {
            let versions = self.store().versions(tenant, &rule).await?;
            manifests.extend(versions.into_iter().map(|version| version.manifest));
        }
        Ok(policy.check_actions(&manifests)?)
    }

    fn state(&self, tenant: &TenantId) -> Result<Arc<TenantState>, EngineError> {
        let state = self.inner.registry.get(tenant);
        state.ok_or_else(|| EngineError::NoTenant(tenant.clone()))
    }
}

impl ClosedCycles {
    /// Refuses an activation, if its tenant wants that. Where not all is known
    /// it is refused, too: it might close a cycle.
    pub(crate) fn admit(&self, rule: &RuleName) -> Result<(), EngineError> {
        let (CyclePolicy::Refuse, Some(cycles)) = (self.policy, &self.cycles) else {
            return Ok(());
        };
        if !cycles.list.is_empty() {
            return Err(EngineError::ClosesCycle {
                rule: rule.clone(),
                cycles: cycles.clone(),
            });
        }
        match cycles.truncated {
            true => Err(EngineError::CyclesUnknown(rule.clone())),
            false => Ok(()),
        }
    }
}

/// The graph of the rules in force, with one of them replaced or added.
fn graph(state: &TenantState, new: Option<GraphRule>) -> RuleGraph {
    let active = state.rules.rules().iter();
    let active = active.map(|active| GraphRule::from(&**active));
    let replaced = |rule: &GraphRule| new.as_ref().is_some_and(|new| new.rule == rule.rule);
    let mut rules: Vec<GraphRule> = active.filter(|rule| !replaced(rule)).collect();
    rules.extend(new);
    RuleGraph::new(rules, &state.policy.causes)
}

/// On a thread of its own: the graph of many rules takes milliseconds.
async fn compute<T: Send + 'static>(compute: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(compute).await {
        Ok(computed) => computed,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use ringfence_governor::{Cycle, Hop};

    use super::*;

    fn cycles(count: usize, truncated: bool) -> Cycles {
        let own = Cycle(vec![Hop {
            rule: "echo".parse().unwrap(),
            event: "said".into(),
            action: None,
        }]);
        Cycles {
            list: vec![own; count],
            truncated,
        }
    }

    #[test]
    fn only_what_is_known_to_close_no_cycle_passes_a_policy_that_refuses() {
        let (one, drawn) = ("closes a cycle of rules: ", "echo → said → echo");
        for (policy, found, refused) in [
            (CyclePolicy::Refuse, None, None),
            (CyclePolicy::Refuse, Some(cycles(0, false)), None),
            (CyclePolicy::Refuse, Some(cycles(1, false)), Some(one)),
            (
                CyclePolicy::Refuse,
                Some(cycles(2, false)),
                Some("closes 2 cycles"),
            ),
            (
                CyclePolicy::Refuse,
                Some(cycles(3, true)),
                Some("more than 3"),
            ),
            (
                CyclePolicy::Refuse,
                Some(cycles(0, true)),
                Some("too many, and set off"),
            ),
            (CyclePolicy::Warn, Some(cycles(1, false)), None),
            (CyclePolicy::Warn, Some(cycles(0, true)), None),
            (CyclePolicy::Allow, None, None),
        ] {
            let count = found.as_ref().map_or(0, |cycles| cycles.list.len());
            let closed = ClosedCycles {
                policy,
                cycles: found,
            };
            let answer = closed.admit(&"echo".parse().unwrap());
            let told = answer.err().map(|error| error.to_string());
            assert_eq!(told.is_some(), refused.is_some(), "{closed:?}: {told:?}");
            if let (Some(told), Some(part)) = (told, refused) {
                assert!(told.contains(part), "{told}");
                assert_eq!(told.contains(drawn), count > 0, "{told}");
            }
        }
    }
}
