//! Routing: which of a tenant's rules want an event.

use std::collections::HashMap;
use std::sync::Arc;

use ringfence_model::{Activation, EventId, Manifest, RuleName};

/// A rule in force, with what its version declares.
#[derive(Debug, Clone)]
pub struct ActiveRule {
    /// The version in force and its configuration.
    pub activation: Arc<Activation>,
    /// What the version declares.
    pub manifest: Arc<Manifest>,
}

impl ActiveRule {
    /// Whether the activation's `percent` takes this event. The same events
    /// are taken again when the percentage is raised.
    pub fn takes(&self, event: EventId) -> bool {
        // Ids are uniform hashes, so any of their bytes are as good as random.
        let [a, b, c, d, ..] = *event.as_bytes();
        u32::from_le_bytes([a, b, c, d]) % 100 < u32::from(self.activation.percent)
    }
}

/// A tenant's rules in force: a snapshot, replaced whole when one changes.
#[derive(Debug, Default)]
pub struct RuleSet {
    /// By name.
    rules: Vec<Arc<ActiveRule>>,
    /// Trigger types without `*`, and the rules that name them.
    exact: HashMap<String, Vec<usize>>,
    /// Trigger types before their `*`, and the rule that names each.
    prefixes: Vec<(String, usize)>,
}

impl RuleSet {
    /// Of these rules.
    pub fn new(mut rules: Vec<Arc<ActiveRule>>) -> Self {
        rules.sort_by(|a, b| a.activation.rule.cmp(&b.activation.rule));
        let mut exact = HashMap::<String, Vec<usize>>::new();
        let mut prefixes = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            for trigger in &rule.manifest.triggers {
                match trigger.ty.strip_suffix('*') {
                    Some(prefix) => prefixes.push((prefix.to_owned(), index)),
                    None => exact.entry(trigger.ty.clone()).or_default().push(index),
                }
            }
        }
        Self {
            rules,
            exact,
            prefixes,
        }
    }

    /// All rules in force, by name.
    pub fn rules(&self) -> &[Arc<ActiveRule>] {
        &self.rules
    }

    /// The rule with this name.
    pub fn rule(&self, name: &RuleName) -> Option<&Arc<ActiveRule>> {
        let at = self
            .rules
            .binary_search_by(|rule| rule.activation.rule.cmp(name));
        at.ok().map(|at| &self.rules[at])
    }

    /// The rules that want an event of this type, in no order, and more than
    /// once where several triggers do.
    pub fn wanting(&self, ty: &str) -> impl Iterator<Item = &Arc<ActiveRule>> {
        self.matching(ty).map(|index| &self.rules[index])
    }

    /// The rules that want an event of this type, by name, each once.
    pub fn route(&self, ty: &str) -> Vec<Arc<ActiveRule>> {
        let mut wanting: Vec<usize> = self.matching(ty).collect();
        wanting.sort_unstable();
        wanting.dedup();
        wanting
            .into_iter()
            .map(|index| Arc::clone(&self.rules[index]))
            .collect()
    }

    fn matching(&self, ty: &str) -> impl Iterator<Item = usize> {
        let exact = self.exact.get(ty).into_iter().flatten().copied();
        let prefixes = self.prefixes.iter();
        let prefixed = prefixes.filter(move |(prefix, _)| ty.starts_with(prefix));
        exact.chain(prefixed.map(|(_, index)| *index))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringfence_model::{Json, LimitOverrides, Mode, Trigger, VersionId};

    use super::*;

    fn rule(name: &str, triggers: &[&str], percent: u8) -> Arc<ActiveRule> {
        let triggers = triggers.iter().map(|ty| Trigger {
            ty: (*ty).to_owned(),
            ignore: vec![],
        });
        Arc::new(ActiveRule {
            activation: Arc::new(Activation {
                rule: name.parse().unwrap(),
                version: VersionId::of(name.as_bytes()),
                config: Json::empty_object(),
                mode: Mode::Enforce,
                percent,
                limits: LimitOverrides::default(),
                activated_us: 0,
                quarantine: None,
                paused: None,
                loops: None,
            }),
            manifest: Arc::new(Manifest {
                triggers: triggers.collect(),
                ..Manifest::default()
            }),
        })
    }

    fn names(rules: &[Arc<ActiveRule>]) -> Vec<&str> {
        rules.iter().map(|r| r.activation.rule.as_str()).collect()
    }

    #[test]
    fn events_find_the_rules_that_want_them() {
        let set = RuleSet::new(vec![
            rule("z-any", &["*"], 100),
            rule("b-two", &["conversation.created", "conversation.*"], 100),
            rule("a-one", &["conversation.created"], 100),
            rule("c-other", &["message.*"], 100),
        ]);
        for (ty, wanted) in [
            ("conversation.created", vec!["a-one", "b-two", "z-any"]),
            ("conversation.updated", vec!["b-two", "z-any"]),
            ("conversation", vec!["z-any"]),
            ("message.received", vec!["c-other", "z-any"]),
        ] {
            assert_eq!(names(&set.route(ty)), wanted, "{ty}");
        }
    }

    proptest! {
        #[test]
        fn the_index_answers_as_the_manifests_do(
            triggers in prop::collection::vec(prop::collection::vec("[ab.]{1,3}[*]?", 1..3), 0..6),
            ty in "[ab.]{1,4}",
        ) {
            let rules: Vec<_> = triggers
                .iter()
                .enumerate()
                .map(|(index, triggers)| {
                    let triggers: Vec<&str> = triggers.iter().map(String::as_str).collect();
                    rule(&format!("r{index}"), &triggers, 100)
                })
                .collect();
            let wanted: Vec<_> = rules
                .iter()
                .filter(|rule| rule.manifest.trigger_for(&ty).is_some())
                .map(|rule| rule.activation.rule.as_str().to_owned())
                .collect();
            let routed = RuleSet::new(rules).route(&ty);
            prop_assert_eq!(names(&routed), wanted);
        }

        #[test]
        fn raising_the_percentage_only_adds_events(id: [u8; 16], low in 1u8..=100, high in 1u8..=100) {
            prop_assume!(low <= high);
            let id = EventId::from_bytes(id);
            let (low, high) = (rule("r", &["*"], low), rule("r", &["*"], high));
            prop_assert!(!low.takes(id) || high.takes(id));
            prop_assert!(rule("r", &["*"], 100).takes(id));
        }
    }
}
