//! What runs have asked to remember and the store has not yet committed.
//!
//! Results wait for the disk together, so many runs of a rule may be on their
//! way at once. Each sees what those before it will have written, and they
//! are committed in the same order; otherwise all but the first of them would
//! have been run on a value that is out of date. If one of them is not
//! committed after all, the store refuses those that built on it, and they
//! are repeated.

use std::collections::HashMap;

use parking_lot::Mutex;
use ringfence_model::{Effect, Execution, Json, Mode, RuleName, TenantId};

/// Values on their way to the store.
#[derive(Debug, Default)]
pub(crate) struct Unsaved {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rules: HashMap<(TenantId, RuleName), HashMap<String, Value>>,
    generations: u64,
}

#[derive(Debug)]
struct Value {
    value: Option<Json>,
    /// Distinguishes it from one that was dropped before.
    generation: u64,
    /// Commits on their way that wrote it.
    commits: u64,
}

/// A value that a commit on its way wrote.
#[derive(Debug)]
pub(crate) struct Kept {
    key: String,
    generation: u64,
}

/// A value that the run recalled has been replaced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stale;

/// Whether a run has to do with remembered values at all.
pub(crate) fn is_concerned(execution: &Execution) -> bool {
    let remembers = |effect: &Effect| matches!(effect, Effect::Remember(_));
    !execution.recalled.is_empty() || execution.effects.iter().any(remembers)
}

impl Unsaved {
    /// The value under a key, if one is on its way.
    pub(crate) fn recall(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
        key: &str,
    ) -> Option<Option<Json>> {
        let state = self.state.lock();
        let rule = state.rules.get(&(tenant.clone(), rule.clone()))?;
        rule.get(key).map(|value| value.value.clone())
    }

    /// Sends a run's commit on its way, unless what it recalled has been
    /// replaced. `send` must not block; commits that touch the same values
    /// are sent in the order in which the values were replaced.
    pub(crate) fn send(
        &self,
        execution: &Execution,
        send: impl FnOnce(Vec<Kept>),
    ) -> Result<(), Stale> {
        let state = &mut *self.state.lock();
        let name = (execution.tenant.clone(), execution.rule.clone());
        if let Some(values) = state.rules.get(&name) {
            for recalled in &execution.recalled {
                let present = values.get(&recalled.key);
                if present.is_some_and(|present| present.value != recalled.value) {
                    return Err(Stale);
                }
            }
        }
        let mut kept = Vec::new();
        for effect in &execution.effects {
            let Effect::Remember(entry) = effect else {
                continue;
            };
            if execution.mode == Mode::Shadow {
                continue;
            }
            let generations = &mut state.generations;
            let values = state.rules.entry(name.clone()).or_default();
            let value = values.entry(entry.key.clone()).or_insert_with(|| {
                *generations += 1;
                Value {
                    value: None,
                    generation: *generations,
                    commits: 0,
                }
            });
            value.value.clone_from(&entry.value);
            value.commits += 1;
            kept.push(Kept {
                key: entry.key.clone(),
                generation: value.generation,
            });
        }
        send(kept);
        Ok(())
    }

    /// The commit is durable.
    pub(crate) fn saved(&self, tenant: &TenantId, rule: &RuleName, kept: Vec<Kept>) {
        self.settle(tenant, rule, kept, |value| {
            value.commits -= 1;
            value.commits == 0
        });
    }

    /// The commit did not take place: what was built on its values will not
    /// either, and later runs see what the store has.
    pub(crate) fn dropped(&self, tenant: &TenantId, rule: &RuleName, kept: Vec<Kept>) {
        self.settle(tenant, rule, kept, |_| true);
    }

    fn settle(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
        kept: Vec<Kept>,
        mut is_over: impl FnMut(&mut Value) -> bool,
    ) {
        if kept.is_empty() {
            return;
        }
        let state = &mut *self.state.lock();
        let name = (tenant.clone(), rule.clone());
        let Some(values) = state.rules.get_mut(&name) else {
            return;
        };
        for Kept { key, generation } in kept {
            let value = values.get_mut(&key);
            let value = value.filter(|value| value.generation == generation);
            if value.is_some_and(&mut is_over) {
                values.remove(&key);
            }
        }
        if values.is_empty() {
            state.rules.remove(&name);
        }
    }
}
