//! What one rule declares, as the graph needs it.

use std::collections::BTreeMap;

use ringfence_model::{Mode, pattern_matches};

use super::pattern::{apart, meet, stem};
use super::{Causes, GraphRule};

/// What one rule declares, each list in order; none of a list's patterns covers
/// another.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) triggers: Vec<String>,
    pub(super) emits: Vec<String>,
    acts: Vec<String>,
}

/// One way from a rule to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// The event type, or the pattern of types, that leads there.
    pub event: String,
    /// The action that comes back as this event; none if the rule emits it.
    pub action: Option<String>,
}

impl Declared {
    pub(super) fn of(rule: &GraphRule) -> Self {
        let manifest = &rule.manifest;
        let triggers: Vec<String> = manifest.triggers.iter().map(|t| t.ty.clone()).collect();
        // What a rule in shadow asks for does not take place.
        let (emits, acts) = match rule.mode {
            Mode::Enforce => (apart(&manifest.emits), apart(&manifest.acts)),
            Mode::Shadow => Default::default(),
        };
        Self {
            triggers: apart(&triggers),
            emits,
            acts,
        }
    }

    /// The actions with known consequences that it may ask for.
    pub(super) fn acts<'a, T>(
        &'a self,
        causes: &'a BTreeMap<String, T>,
    ) -> impl Iterator<Item = (&'a String, &'a T)> {
        self.acts.iter().flat_map(move |pattern| {
            let from = causes.range(stem(pattern).to_owned()..);
            from.take_while(move |(name, _)| pattern_matches(pattern, name))
        })
    }

    /// The ways to another rule: by emitted events first.
    pub(super) fn ways<'a>(
        &'a self,
        to: &'a Self,
        causes: &'a Causes,
    ) -> impl Iterator<Item = Way> + 'a {
        let events = self.emits.iter().map(|emitted| (emitted, None));
        let acts = self.acts(causes).flat_map(|(action, events)| {
            let events = events.iter();
            events.map(move |event| (event, Some(action)))
        });
        events.chain(acts).flat_map(move |(event, action)| {
            to.triggered_by(event).map(move |both| Way {
                event: both.to_owned(),
                action: action.cloned(),
            })
        })
    }

    /// What of an event's pattern triggers it.
    fn triggered_by<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a str> {
        let name = stem(event);
        let from = self.triggers.partition_point(|t| stem(t) < name);
        let (before, after) = self.triggers.split_at(from);
        // Of those before, none covers another, so only the last one can
        // cover what comes after all of them.
        let near = after.iter().take_while(move |t| stem(t).starts_with(name));
        let near = before.last().into_iter().chain(near);
        near.filter_map(move |trigger| meet(event, trigger))
    }
}
