//! What a rule reads and asks for during a run.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Action, Effect, Entry, Error, Event, Invocation, NewEvent, Result};

/// How much a line in the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For finding faults.
    Debug,
    /// What happened.
    Info,
    /// What may be wrong.
    Warn,
    /// What is wrong.
    Error,
}

/// What the host answers during a run.
pub(crate) trait Host {
    fn log(&self, level: Level, message: &str);
    fn recall(&self, key: &str) -> Option<String>;
    fn now(&self) -> u64;
    fn random(&self) -> u32;
}

/// One run: what it is about, what it may ask, what it asks for.
pub struct Context<'a> {
    event: &'a Event,
    invocation: &'a Invocation,
    host: &'a dyn Host,
    effects: Vec<Effect>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(event: &'a Event, invocation: &'a Invocation, host: &'a dyn Host) -> Self {
        Self {
            event,
            invocation,
            host,
            effects: Vec::new(),
        }
    }

    pub(crate) fn into_effects(self) -> Vec<Effect> {
        self.effects
    }

    /// The event's attributes.
    pub fn event(&self) -> &'a Event {
        self.event
    }

    /// The record that the event is about.
    pub fn subject(&self) -> Option<&'a str> {
        self.event.subject.as_deref()
    }

    /// Whose rule this is.
    pub fn tenant(&self) -> &'a str {
        &self.invocation.tenant
    }

    /// The rule's name in its tenant.
    pub fn rule(&self) -> &'a str {
        &self.invocation.rule
    }

    /// How many rules stand between the event from outside that set
    /// everything off and this one; 0 for an event from outside.
    pub fn depth(&self) -> u32 {
        self.invocation.depth
    }

    /// Asks for a follow-up event. Its type must be among the attribute's
    /// `emits`. Fails if `data` is not representable as JSON.
    pub fn emit<'s, T: Serialize + ?Sized>(
        &mut self,
        ty: &str,
        subject: impl Into<Option<&'s str>>,
        data: &T,
    ) -> Result<()> {
        let event = NewEvent {
            ty: ty.to_owned(),
            subject: subject.into().map(str::to_owned),
            data: to_json(data, "emit", ty)?,
        };
        self.effects.push(Effect::Emit(event));
        Ok(())
    }

    /// Asks the host application to do something. The name must be among the
    /// attribute's `acts`. Fails if `payload` is not representable as JSON.
    pub fn act<T: Serialize + ?Sized>(&mut self, name: &str, payload: &T) -> Result<()> {
        let action = Action {
            name: name.to_owned(),
            payload: to_json(payload, "act", name)?,
        };
        self.effects.push(Effect::Act(action));
        Ok(())
    }

    /// Remembers a value under a key (at most 256 bytes) for this rule's
    /// later runs. Fails if `value` is not representable as JSON.
    pub fn remember<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<()> {
        let entry = Entry {
            key: key.to_owned(),
            value: Some(to_json(value, "remember", key)?),
        };
        self.effects.push(Effect::Remember(entry));
        Ok(())
    }

    /// Forgets what is remembered under a key.
    pub fn forget(&mut self, key: &str) {
        self.effects.push(Effect::Remember(Entry {
            key: key.to_owned(),
            value: None,
        }));
    }

    /// What was remembered under a key when the run started. Fails if it is
    /// not a `T`.
    pub fn recall<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(text) = self.host.recall(key) else {
            return Ok(None);
        };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            Error::internal(format_args!(
                "what is remembered as `{key}` is of another shape: {error}"
            ))
        })
    }

    /// When the event was accepted, in milliseconds since 1970. Stands still
    /// during a run. Asking marks the run as time-dependent: it is no longer
    /// recognized as a repetition of an earlier one, only bounded by budgets.
    pub fn now(&self) -> u64 {
        self.host.now()
    }

    /// A random number, seeded by the event's id. Asking marks the run as
    /// random, with the same consequence as [`Self::now`].
    pub fn random(&self) -> u32 {
        self.host.random()
    }

    /// Adds a line to the execution's log.
    pub fn log(&self, level: Level, message: impl AsRef<str>) {
        self.host.log(level, message.as_ref());
    }

    /// Logs what helps to find faults.
    pub fn debug(&self, message: impl AsRef<str>) {
        self.log(Level::Debug, message);
    }

    /// Logs what happened.
    pub fn info(&self, message: impl AsRef<str>) {
        self.log(Level::Info, message);
    }

    /// Logs what may be wrong.
    pub fn warn(&self, message: impl AsRef<str>) {
        self.log(Level::Warn, message);
    }

    /// Logs what is wrong.
    pub fn error(&self, message: impl AsRef<str>) {
        self.log(Level::Error, message);
    }
}

fn to_json<T: Serialize + ?Sized>(value: &T, verb: &str, name: &str) -> Result<String> {
    serde_json::to_string(value).map_err(|error| {
        Error::internal(format_args!(
            "{verb} `{name}`: cannot be written as JSON: {error}"
        ))
    })
}
