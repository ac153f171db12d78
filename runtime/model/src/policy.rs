//! What a tenant wants done about loops, and what is known of the host
//! application that its rules act on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Event, EventError, Manifest, excerpt};

/// Actions for which `causes` may be declared.
const ACTIONS_MAX: usize = 256;
/// Event types that one action may come back as.
const TYPES_MAX: usize = 32;
/// What is shown of an action's name, in bytes.
const PLACE_BYTES_MAX: usize = 80;
/// The longest webhook address, in bytes.
const URL_BYTES_MAX: usize = 2_048;
/// The longest webhook secret, in bytes.
const SECRET_BYTES_MAX: usize = 256;

/// What is done when a run would repeat one of its ancestors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoopPolicy {
    /// It is stopped.
    #[default]
    Stop,
    /// It is run, and its record shows the cycle.
    Warn,
    /// Nobody looks.
    Allow,
}

/// What is done when an activation closes a cycle of rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CyclePolicy {
    /// Nothing.
    Allow,
    /// It takes place, and the answer names the cycles.
    #[default]
    Warn,
    /// It is refused.
    Refuse,
}

/// What is done about events that come back without lineage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inference {
    /// They are root events.
    #[default]
    Off,
    /// An event that an earlier action on the same subject is declared to
    /// cause belongs to that action's cascade.
    Adopt,
}

/// Where alerts are delivered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// An `http` or `https` address.
    pub url: String,
    /// With what deliveries are signed, as by Standard Webhooks: `whsec_` and
    /// base64 of 24 to 64 bytes.
    pub secret: String,
}

/// Without the secret, so that no log ever shows it.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// What a tenant wants done about loops, and what is known of its host
/// application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// When a run would repeat one of its ancestors.
    pub loops: LoopPolicy,
    /// When an activation closes a cycle of rules.
    pub cycles: CyclePolicy,
    /// When an event comes back without lineage.
    pub infer: Inference,
    /// Which event types each action comes back as.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub causes: BTreeMap<String, Vec<String>>,
    /// Where the tenant's alerts go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

/// A policy is out of bounds. Says where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A list is too long.
    #[error("`{place}` has {count} entries; at most {limit} are allowed")]
    TooMany {
        /// Which list.
        place: String,
        /// Its length.
        count: usize,
        /// The bound.
        limit: usize,
    },
    /// A name is not one.
    #[error("`{place}`: {error}")]
    Name {
        /// Where.
        place: String,
        /// What is wrong.
        error: EventError,
    },
    /// A pattern, where names are asked for.
    #[error("`{place}`: `{given}` ends in `*`, but `causes` takes names, not patterns")]
    Pattern {
        /// Where.
        place: String,
        /// The text.
        given: String,
    },
    /// An action that no rule of the tenant can ask for.
    #[error("`{place}`: no rule of the tenant declares that it may ask for `{action}`")]
    UnknownAction {
        /// Where.
        place: String,
        /// The action.
        action: String,
    },
    /// The webhook cannot be used.
    #[error("`{place}` {problem}")]
    Webhook {
        /// Where.
        place: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
}

impl PolicyError {
    /// Where it is wrong.
    pub fn place(&self) -> &str {
        match self {
            Self::TooMany { place, .. }
            | Self::Name { place, .. }
            | Self::Pattern { place, .. }
            | Self::UnknownAction { place, .. } => place,
            Self::Webhook { place, .. } => place,
        }
    }
}

impl Policy {
    /// Checks the declarations.
    pub fn check(&self) -> Result<(), PolicyError> {
        at_most("causes", self.causes.len(), ACTIONS_MAX)?;
        for (action, types) in &self.causes {
            let place = place_of(action);
            named(&place, action)?;
            at_most(&place, types.len(), TYPES_MAX)?;
            for (index, ty) in types.iter().enumerate() {
                named(&format!("{place}[{index}]"), ty)?;
            }
        }
        self.webhook.as_ref().map_or(Ok(()), Webhook::check)
    }

    /// Checks that each action of `causes` is one that some of these manifests
    /// declares. Where there are none, nothing is known, and any is taken.
    pub fn check_actions<'a>(
        &self,
        manifests: impl IntoIterator<Item = &'a Manifest>,
    ) -> Result<(), PolicyError> {
        let mut unknown: Vec<&String> = self.causes.keys().collect();
        let mut is_any_known = false;
        for manifest in manifests {
            is_any_known = true;
            unknown.retain(|action| !manifest.may_act(action));
        }
        match unknown.first() {
            Some(action) if is_any_known => Err(PolicyError::UnknownAction {
                place: place_of(action),
                action: excerpt(action, PLACE_BYTES_MAX),
            }),
            _ => Ok(()),
        }
    }

    /// Whether events without lineage are taken for what actions caused.
    pub fn adopts(&self) -> bool {
        self.infer == Inference::Adopt
    }

    /// The event types that an action comes back as.
    pub fn caused_by(&self, action: &str) -> &[String] {
        self.causes.get(action).map_or(&[], Vec::as_slice)
    }
}

impl Webhook {
    /// Checks the form of both.
    pub fn check(&self) -> Result<(), PolicyError> {
        let (url, secret) = (self.url.as_str(), self.secret.as_str());
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        let refused = |place, problem| Err(PolicyError::Webhook { place, problem });
        if url.len() > URL_BYTES_MAX || url.chars().any(|c| c.is_control() || c == ' ') {
            return refused("webhook.url", "is longer than 2 KiB, or holds blanks");
        }
        match rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default()) {
            None | Some("") => refused("webhook.url", "is not an `http` or `https` address"),
            Some(host) if host.contains('@') => {
                refused("webhook.url", "holds a user's name or password")
            }
            Some(_) if secret.len() > SECRET_BYTES_MAX || !secret.starts_with("whsec_") => {
                let problem = "is not `whsec_` and base64 of 24 to 64 bytes";
                refused("webhook.secret", problem)
            }
            Some(_) => Ok(()),
        }
    }
}

fn place_of(action: &str) -> String {
    format!("causes.{}", excerpt(action, PLACE_BYTES_MAX))
}

/// Checks a name of an action or an event type.
fn named(place: &str, name: &str) -> Result<(), PolicyError> {
    Event::check_type(name).map_err(|error| PolicyError::Name {
        place: place.to_owned(),
        error,
    })?;
    match name.ends_with('*') {
        true => Err(PolicyError::Pattern {
            place: place.to_owned(),
            given: excerpt(name, PLACE_BYTES_MAX),
        }),
        false => Ok(()),
    }
}

fn at_most(place: &str, count: usize, limit: usize) -> Result<(), PolicyError> {
    if count <= limit {
        return Ok(());
    }
    Err(PolicyError::TooMany {
        place: place.to_owned(),
        count,
        limit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(url: &str) -> Policy {
        Policy {
            webhook: Some(Webhook {
                url: url.into(),
                secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(),
            }),
            ..Policy::default()
        }
    }

    fn causing(action: &str, types: &[&str]) -> Policy {
        let types = types.iter().map(|ty| (*ty).to_owned()).collect();
        Policy {
            causes: BTreeMap::from([(action.to_owned(), types)]),
            ..Policy::default()
        }
    }

    #[test]
    fn policies_are_checked() {
        for (policy, place) in [
            (Policy::default(), None),
            (webhook("https://a.example/hook?x=1"), None),
            (webhook("http://127.0.0.1:9"), None),
            (webhook("ftp://a.example"), Some("webhook.url")),
            (webhook("https://"), Some("webhook.url")),
            (webhook("https://u:p@a.example"), Some("webhook.url")),
            (causing("update", &["updated"]), None),
            (causing("", &["updated"]), Some("causes.")),
            (
                causing("update", &["updated", "a\nb"]),
                Some("causes.update[1]"),
            ),
            (causing("update", &["a"; 33]), Some("causes.update")),
            (causing("update*", &["a"]), Some("causes.update*")),
            (causing("update", &["a", "b.*"]), Some("causes.update[1]")),
        ] {
            let found = policy.check();
            let found = found.as_ref().err().map(PolicyError::place);
            assert_eq!(found, place, "{policy:?}");
        }
    }

    #[test]
    fn actions_are_those_that_rules_declare() {
        let acting = |acts: &[&str]| Manifest {
            acts: acts.iter().map(|act| (*act).to_owned()).collect(),
            ..Manifest::default()
        };
        let policy = causing("conversation.update", &["conversation.updated"]);
        for (manifests, is_known) in [
            (vec![], true),
            (vec![acting(&["conversation.*"])], true),
            (
                vec![acting(&[]), acting(&["a", "conversation.update"])],
                true,
            ),
            (vec![acting(&[])], false),
            (vec![acting(&["conversation.updates", "user.*"])], false),
        ] {
            let checked = policy.check_actions(&manifests);
            assert_eq!(checked.is_ok(), is_known, "{manifests:?}");
            if let Err(error) = checked {
                assert_eq!(error.place(), "causes.conversation.update");
            }
            assert_eq!(Policy::default().check_actions(&manifests), Ok(()));
        }
    }

    #[test]
    fn no_log_shows_the_secret() {
        let text = format!("{:?}", webhook("https://a.example"));
        assert!(!text.contains("whsec"), "{text}");
    }
}
