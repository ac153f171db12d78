//! Fixtures, run natively.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Harness, Run};
use crate::{Effect, Event, Rule};

/// A test as data: a file in a rule's `fixtures/`, or a run's bundle.
#[derive(Debug, Clone, Deserialize)]
pub struct Fixture {
    /// What the test is about.
    pub name: String,
    /// A CloudEvent.
    pub event: CloudEvent,
    /// The configuration; `{}` if none.
    #[serde(default = "empty")]
    pub config: Value,
    /// What is remembered.
    #[serde(default)]
    pub recall: BTreeMap<String, Value>,
    /// The clock, in milliseconds since 1970.
    pub now_ms: Option<u64>,
    /// What should come of it.
    pub expect: Expect,
}

/// The event of a fixture: the attributes of CloudEvents 1.0 that rules see.
#[derive(Debug, Clone, Deserialize)]
pub struct CloudEvent {
    /// The sender's id for it.
    pub id: String,
    /// Who sent it.
    pub source: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: String,
    /// The record that it is about.
    #[serde(default)]
    pub subject: Option<String>,
    /// When it happened, RFC 3339; 2026-01-01 if it does not say.
    #[serde(default = "new_year")]
    pub time: String,
    /// Its data; `null` if there are none.
    #[serde(default)]
    pub data: Value,
}

/// What should come of a fixture's run: one of the three.
#[derive(Debug, Clone, Deserialize)]
pub struct Expect {
    /// These effects, in this order.
    pub effects: Option<Vec<Value>>,
    /// A failure with this code.
    pub failure: Option<String>,
    /// A stop with this code. Natively there are no limits, so such fixtures
    /// are left to `ringfence test`.
    pub stop: Option<String>,
}

fn empty() -> Value {
    Value::Object(Map::new())
}

fn new_year() -> String {
    "2026-01-01T00:00:00Z".to_owned()
}

/// Runs all fixtures of a folder that need no limits, and gives how many
/// those were.
///
/// # Panics
/// With the name of the file, if one cannot be read, is no fixture, or comes
/// out differently; or if the folder holds no fixture at all.
pub fn check_fixtures<R: Rule>(folder: impl AsRef<Path>) -> usize {
    let folder = folder.as_ref();
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", folder.display()));
    let mut paths: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("a folder that was opened can be listed")
                .path()
        })
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} holds no fixture", folder.display());
    let native = paths.iter().filter(|path| check_file::<R>(path));
    native.count()
}

fn check_file<R: Rule>(path: &Path) -> bool {
    let shown = path.display();
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{shown}: {error}"));
    let fixture: Fixture =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{shown}: {error}"));
    if let Err(problem) = fixture.check::<R>() {
        panic!("{shown}: {}: {problem}", fixture.name);
    }
    fixture.expect.stop.is_none()
}

impl Fixture {
    /// Runs it natively and says what differs. A fixture that expects a stop
    /// is not run.
    pub fn check<R: Rule>(&self) -> Result<(), String> {
        match &self.expect {
            Expect {
                stop: Some(_),
                effects: None,
                failure: None,
            } => Ok(()),
            Expect {
                failure: Some(code),
                effects: None,
                stop: None,
            } => match self.run::<R>().outcome {
                Err(error) if error.kind().code() == code => Ok(()),
                other => Err(format!("expected the failure `{code}`, got {other:?}")),
            },
            Expect {
                effects: Some(expected),
                failure: None,
                stop: None,
            } => {
                let run = self.run::<R>();
                let effects = run.outcome.map_err(|error| error.to_string())?;
                let got: Vec<Value> = effects.iter().map(effect_value).collect();
                if got == *expected {
                    return Ok(());
                }
                Err(format!("expected {}, got {}", json!(expected), json!(got)))
            }
            _ => Err("`expect` holds one of `effects`, `failure`, `stop`".to_owned()),
        }
    }

    fn run<R: Rule>(&self) -> Run {
        let mut harness = Harness::<R>::new()
            .event(Event {
                id: self.event.id.clone(),
                source: self.event.source.clone(),
                ty: self.event.ty.clone(),
                subject: self.event.subject.clone(),
                time: self.event.time.clone(),
            })
            .data(self.event.data.clone())
            .config(self.config.clone());
        for (key, value) in &self.recall {
            harness = harness.recall(key, value.clone());
        }
        if let Some(now_ms) = self.now_ms {
            harness = harness.now_ms(now_ms);
        }
        harness.run()
    }
}

/// An effect as fixtures write it.
fn effect_value(effect: &Effect) -> Value {
    match effect {
        Effect::Emit(event) => {
            let mut value = json!({"type": event.ty, "data": super::parse(&event.data)});
            if let Some(subject) = &event.subject {
                value["subject"] = json!(subject);
            }
            json!({"emit": value})
        }
        Effect::Act(action) => {
            json!({"act": {"name": action.name, "payload": super::parse(&action.payload)}})
        }
        Effect::Remember(entry) => {
            let value = entry.value.as_deref().map(super::parse);
            json!({"remember": {"key": entry.key, "value": value}})
        }
    }
}
