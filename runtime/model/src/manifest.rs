//! Manifests: what a rule declares about itself.

mod error;

use serde::{Deserialize, Serialize};

pub use error::ManifestError;

use crate::{Event, Json, excerpt};

const TRIGGERS_MAX: usize = 32;
const IGNORES_MAX: usize = 32;
const NAMES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 256;
const SCHEMA_BYTES_MAX: u64 = 64 * 1024;
const SUMMARY_BYTES_MAX: usize = 1024;

/// What a rule declares: which events it wants, what it may set off. The
/// declaration is enforced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The events that it wants.
    pub triggers: Vec<Trigger>,
    /// The types that it may emit; patterns as in triggers.
    pub emits: Vec<String>,
    /// The actions that it may ask for; patterns as in triggers.
    pub acts: Vec<String>,
    /// A JSON Schema for its configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_schema: Option<Json>,
    /// One sentence for people.
    pub summary: String,
}

/// A wanted event type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// A type; a final `*` stands for any ending.
    #[serde(rename = "type")]
    pub ty: String,
    /// JSON pointers (RFC 6901) to data that do not count when two events
    /// are compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
}

/// Whether a name (an event type, an action) matches a pattern: equal, or
/// with a final `*`, beginning alike.
pub fn pattern_matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

impl Manifest {
    /// Checks the declaration, and that it does not contradict itself: of
    /// several triggers that want an event the first one counts, so a later
    /// one of which no event is left must not ask for anything else.
    pub fn check(&self) -> Result<(), ManifestError> {
        if self.triggers.is_empty() {
            return Err(ManifestError::NoTrigger);
        }
        at_most("triggers", self.triggers.len(), TRIGGERS_MAX)?;
        for (index, trigger) in self.triggers.iter().enumerate() {
            trigger.check(&format!("triggers[{index}]"))?;
            self.check_before(index, trigger)?;
        }
        for (place, names) in [("emits", &self.emits), ("acts", &self.acts)] {
            at_most(place, names.len(), NAMES_MAX)?;
            for (index, name) in names.iter().enumerate() {
                check_pattern(&format!("{place}[{index}]"), name)?;
            }
            once(place, names)?;
        }
        let schema = self.config_schema.as_ref().map_or(0, Json::size);
        not_longer("config-schema", schema, SCHEMA_BYTES_MAX)?;
        not_longer(
            "summary",
            self.summary.len() as u64,
            SUMMARY_BYTES_MAX as u64,
        )
    }

    /// Checks a trigger against those before it.
    fn check_before(&self, index: usize, trigger: &Trigger) -> Result<(), ManifestError> {
        let place = || format!("triggers[{index}].type");
        for (at, before) in self.triggers[..index].iter().enumerate() {
            let first = || format!("triggers[{at}].type");
            if before.ty == trigger.ty {
                return Err(ManifestError::Twice {
                    place: place(),
                    first: first(),
                    given: trigger.ty.clone(),
                });
            }
            let stem = trigger.ty.strip_suffix('*').unwrap_or(&trigger.ty);
            let is_wider = before.ty.ends_with('*') && pattern_matches(&before.ty, stem);
            if is_wider && !same(&before.ignore, &trigger.ignore) {
                return Err(ManifestError::Covered {
                    place: place(),
                    first: first(),
                    given: trigger.ty.clone(),
                    wider: before.ty.clone(),
                });
            }
        }
        Ok(())
    }

    /// The first trigger that wants this type.
    pub fn trigger_for(&self, ty: &str) -> Option<&Trigger> {
        self.triggers
            .iter()
            .find(|trigger| pattern_matches(&trigger.ty, ty))
    }

    /// Whether it declared that it may emit this type.
    pub fn may_emit(&self, ty: &str) -> bool {
        self.emits
            .iter()
            .any(|pattern| pattern_matches(pattern, ty))
    }

    /// Whether it declared that it may ask for this action.
    pub fn may_act(&self, name: &str) -> bool {
        self.acts
            .iter()
            .any(|pattern| pattern_matches(pattern, name))
    }
}

impl Trigger {
    fn check(&self, place: &str) -> Result<(), ManifestError> {
        check_pattern(&format!("{place}.type"), &self.ty)?;
        at_most(&format!("{place}.ignore"), self.ignore.len(), IGNORES_MAX)?;
        for (index, pointer) in self.ignore.iter().enumerate() {
            let place = format!("{place}.ignore[{index}]");
            not_longer(&place, pointer.len() as u64, NAME_BYTES_MAX as u64)?;
            if !is_pointer(pointer) {
                return Err(ManifestError::Pointer {
                    place,
                    given: excerpt(pointer, NAME_BYTES_MAX),
                });
            }
        }
        once(&format!("{place}.ignore"), &self.ignore)
    }
}

/// Nothing may be in a list twice: what was meant is then not what is there.
fn once(list: &str, names: &[String]) -> Result<(), ManifestError> {
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = names[..index].iter().position(|before| before == name) {
            return Err(ManifestError::Twice {
                place: format!("{list}[{index}]"),
                first: format!("{list}[{first}]"),
                given: excerpt(name, NAME_BYTES_MAX),
            });
        }
    }
    Ok(())
}

/// Whether two lists without duplicates hold the same, in whatever order.
fn same(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().all(|text| other.contains(text))
}

fn is_pointer(text: &str) -> bool {
    let escapes = text.split('~').skip(1);
    text.starts_with('/') && escapes.into_iter().all(|rest| rest.starts_with(['0', '1']))
}

fn check_pattern(place: &str, pattern: &str) -> Result<(), ManifestError> {
    let star = || ManifestError::Star {
        place: place.to_owned(),
        given: excerpt(pattern, NAME_BYTES_MAX),
    };
    match pattern.find('*') {
        Some(at) if at + 1 != pattern.len() => Err(star()),
        _ => Event::check_type(pattern).map_err(|error| ManifestError::Name {
            place: place.to_owned(),
            error,
        }),
    }
}

fn at_most(place: &str, count: usize, limit: usize) -> Result<(), ManifestError> {
    if count <= limit {
        return Ok(());
    }
    Err(ManifestError::TooMany {
        place: place.to_owned(),
        count,
        limit,
    })
}

fn not_longer(place: &str, bytes: u64, limit: u64) -> Result<(), ManifestError> {
    if bytes <= limit {
        return Ok(());
    }
    Err(ManifestError::TooLong {
        place: place.to_owned(),
        bytes,
        limit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanting(ty: &str, ignore: &str) -> Manifest {
        Manifest {
            triggers: vec![Trigger {
                ty: ty.into(),
                ignore: vec![ignore.into()],
            }],
            ..Manifest::default()
        }
    }

    #[test]
    fn declarations_are_checked() {
        for (manifest, problem) in [
            (wanting("conversation.*", "/updated_at"), None),
            (wanting("*", "/a~1b/~0"), None),
            (Manifest::default(), Some("never run")),
            (wanting("", "/x"), Some("triggers[0].type")),
            (wanting("a.*.b", "/x"), Some("only at the end")),
            (wanting("a\nb", "/x"), Some("control character")),
            (wanting("a", "updated_at"), Some("JSON pointer")),
            (wanting("a", "/a~2"), Some("JSON pointer")),
            (wanting(&"a".repeat(300), "/x"), Some("300 bytes")),
        ] {
            match (manifest.check(), problem) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) if error.to_string().contains(part) => {}
                (result, _) => panic!("{manifest:?}: {result:?}"),
            }
        }
    }

    fn declaring(triggers: &[(&str, &[&str])], emits: &[&str], acts: &[&str]) -> Manifest {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let triggers = triggers.iter().map(|(ty, ignore)| Trigger {
            ty: (*ty).to_owned(),
            ignore: texts(ignore),
        });
        Manifest {
            triggers: triggers.collect(),
            emits: texts(emits),
            acts: texts(acts),
            ..Manifest::default()
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_its_place() {
        let a: (&str, &[&str]) = ("a", &[]);
        for (manifest, place) in [
            (
                declaring(&[a, ("a", &["/x"])], &[], &[]),
                "triggers[1].type",
            ),
            (declaring(&[a, a], &[], &[]), "triggers[1].type"),
            (
                declaring(&[("a", &["/x", "/y", "/x"])], &[], &[]),
                "triggers[0].ignore[2]",
            ),
            (
                declaring(&[("a", &["x"])], &[], &[]),
                "triggers[0].ignore[0]",
            ),
            (
                declaring(&[("a", &["/x"; 33])], &[], &[]),
                "triggers[0].ignore",
            ),
            (declaring(&[a], &["b", "c", "b"], &[]), "emits[2]"),
            (declaring(&[a], &[], &["b*", "b*"]), "acts[1]"),
            (declaring(&[], &[], &[]), "triggers"),
            // The specific one would never count.
            (
                declaring(&[("a*", &["/x"]), ("a.b", &[])], &[], &[]),
                "triggers[1].type",
            ),
            (
                declaring(&[("*", &[]), ("a*", &["/x"])], &[], &[]),
                "triggers[1].type",
            ),
        ] {
            let error = manifest.check().unwrap_err();
            assert_eq!(error.place(), place, "{error}");
            assert!(error.to_string().contains(&format!("`{place}`")), "{error}");
        }
    }

    #[test]
    fn what_is_only_said_in_more_words_is_taken() {
        for manifest in [
            // The specific one first, so both count.
            declaring(&[("a.b", &["/x"]), ("a*", &[])], &[], &[]),
            declaring(&[("a*", &["/x", "/y"]), ("a.b", &["/y", "/x"])], &[], &[]),
            declaring(&[("a", &["/x", "/x/y"])], &["b*", "b.c"], &["d", "d*"]),
            declaring(&[("a", &[]), ("ab", &["/x"])], &[], &[]),
        ] {
            assert_eq!(manifest.check(), Ok(()), "{manifest:?}");
        }
    }

    #[test]
    fn patterns() {
        assert!(pattern_matches("conversation.*", "conversation.created"));
        assert!(!pattern_matches("conversation.*", "conversation"));
        assert!(!pattern_matches(
            "conversation.created",
            "conversation.createdx"
        ));
        assert!(pattern_matches("*", "anything"));
    }
}
