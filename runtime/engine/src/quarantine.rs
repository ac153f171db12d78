//! Quarantine: rules that ended the processes that ran them are not run any
//! more, until somebody activates them again.

use std::sync::Arc;

use ringfence_governor::ActiveRule;
use ringfence_model::{Activation, Quarantine, Stop, TenantId};
use ringfence_store::{Result, Store};

use crate::clock::Clock;
use crate::registry::Registry;

/// Puts rules into quarantine.
pub(crate) struct Quarantines {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Held by whoever changes tenants or rules.
    pub(crate) changes: Arc<tokio::sync::Mutex<()>>,
}

impl Quarantines {
    /// Puts a rule into quarantine, unless it was activated again meanwhile.
    /// It is in force at once, and durable when this answers.
    pub(crate) async fn put(
        &self,
        tenant: &TenantId,
        rule: &ActiveRule,
        stop: &Stop,
    ) -> Result<()> {
        let _one_at_a_time = self.changes.lock().await;
        let of_then = &rule.activation;
        let Some(state) = self.registry.get(tenant) else {
            return Ok(());
        };
        let Some(present) = state.rules.rule(&of_then.rule) else {
            return Ok(());
        };
        let is_same = present.activation.version == of_then.version
            && present.activation.activated_us == of_then.activated_us;
        if !is_same || present.activation.quarantine.is_some() {
            return Ok(());
        }
        let activation = Activation {
            quarantine: Some(Quarantine {
                since_us: self.clock.now_us(),
                stop: stop.clone(),
                until_us: None,
                times: 1,
            }),
            ..(**of_then).clone()
        };
        tracing::error!(%tenant, rule = %of_then.rule, version = %of_then.version, evidence = stop.message, "a rule is in quarantine");
        let quarantined = ActiveRule {
            activation: Arc::new(activation.clone()),
            manifest: Arc::clone(&present.manifest),
        };
        // First: it must not go on where the store does not answer.
        self.registry
            .replace_rule(tenant, &of_then.rule, Some(quarantined));
        self.store.put_activation(tenant, activation).await
    }
}
