//! Rules under test, natively: no WebAssembly, no host, no limits.
//!
//! ```
//! use ringfence::prelude::*;
//!
//! /// Greets.
//! #[rule(on = "conversation.created", acts = "message.send")]
//! fn greet(ctx: &mut Context) -> Result<()> {
//!     let count: u32 = ctx.recall("count")?.unwrap_or(0);
//!     ctx.remember("count", &(count + 1))?;
//!     ctx.act("message.send", &json!({"text": format!("Hello, number {count}")}))
//! }
//!
//! # fn main() {
//! let run = Harness::<greet>::new().recall("count", json!(7)).run();
//! assert_eq!(run.actions(), [("message.send", json!({"text": "Hello, number 7"}))]);
//! assert_eq!(run.remembered("count"), Some(json!(8)));
//! # }
//! ```
//!
//! `ringfence test` runs a rule's fixtures in the real sandbox, under the
//! real limits. [`Harness`] is for the logic, in milliseconds.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde_json::Value;

use crate::context::Host;
use crate::{Context, Effect, Error, Event, Invocation, Level, Rule};

mod fixture;

pub use fixture::{CloudEvent, Expect, Fixture, check_fixtures};

/// One run of the rule `R`, prepared.
#[derive(Debug, Clone)]
pub struct Harness<R> {
    event: Event,
    invocation: Invocation,
    data: String,
    config: String,
    recalled: BTreeMap<String, String>,
    now_ms: u64,
    seed: u64,
    rule: PhantomData<fn() -> R>,
}

impl<R: Rule> Default for Harness<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Rule> Harness<R> {
    /// With an event of the rule's first wanted type, without subject and
    /// with the data `{}`; the configuration `{}`; nothing remembered; the
    /// clock at 2026-01-01; the seed 0.
    pub fn new() -> Self {
        let ty = R::MANIFEST
            .triggers
            .first()
            .map_or("", |trigger| trigger.ty);
        Self {
            event: Event {
                id: "event-1".to_owned(),
                source: "/test".to_owned(),
                ty: ty.to_owned(),
                subject: None,
                time: "2026-01-01T00:00:00Z".to_owned(),
            },
            invocation: Invocation {
                tenant: "test".to_owned(),
                rule: "test".to_owned(),
                depth: 0,
            },
            data: "{}".to_owned(),
            config: "{}".to_owned(),
            recalled: BTreeMap::new(),
            now_ms: 1_767_225_600_000,
            seed: 0,
            rule: PhantomData,
        }
    }

    /// Sets the event's attributes.
    #[must_use]
    pub fn event(mut self, event: Event) -> Self {
        self.event = event;
        self
    }

    /// Sets the event's type.
    #[must_use]
    pub fn ty(mut self, ty: &str) -> Self {
        self.event.ty = ty.to_owned();
        self
    }

    /// Sets the event's subject.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Self {
        self.event.subject = Some(subject.to_owned());
        self
    }

    /// Sets on whose behalf the rule runs.
    #[must_use]
    pub fn invocation(mut self, invocation: Invocation) -> Self {
        self.invocation = invocation;
        self
    }

    /// Sets the event's data.
    #[must_use]
    #[allow(
        clippy::needless_pass_by_value,
        reason = "so that `json!` needs no `&`"
    )]
    pub fn data(mut self, data: Value) -> Self {
        self.data = data.to_string();
        self
    }

    /// Sets the configuration.
    #[must_use]
    #[allow(
        clippy::needless_pass_by_value,
        reason = "so that `json!` needs no `&`"
    )]
    pub fn config(mut self, config: Value) -> Self {
        self.config = config.to_string();
        self
    }

    /// Adds a remembered value.
    #[must_use]
    #[allow(
        clippy::needless_pass_by_value,
        reason = "so that `json!` needs no `&`"
    )]
    pub fn recall(mut self, key: &str, value: Value) -> Self {
        self.recalled.insert(key.to_owned(), value.to_string());
        self
    }

    /// Sets the clock, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(mut self, now_ms: u64) -> Self {
        self.now_ms = now_ms;
        self
    }

    /// Seeds the random numbers. The host's are others.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Runs the rule. An effect that the rule does not declare fails the run,
    /// as it does on the host.
    pub fn run(&self) -> Run {
        let host = NativeHost {
            recalled: &self.recalled,
            now_ms: self.now_ms,
            random: Cell::new(self.seed),
            asked_now: Cell::new(false),
            asked_random: Cell::new(false),
            log: RefCell::new(Vec::new()),
        };
        let mut ctx = Context::new(&self.event, &self.invocation, &host);
        let outcome = R::handle(&self.data, &self.config, &mut ctx)
            .map(|()| ctx.into_effects())
            .and_then(declared::<R>);
        Run {
            outcome,
            asked_now: host.asked_now.get(),
            asked_random: host.asked_random.get(),
            log: host.log.into_inner(),
        }
    }
}

fn declared<R: Rule>(effects: Vec<Effect>) -> Result<Vec<Effect>, Error> {
    let within = |patterns: &[&str], name: &str| {
        patterns
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => *pattern == name,
            })
    };
    for effect in &effects {
        let (list, name, fine) = match effect {
            Effect::Emit(event) => ("emits", &event.ty, within(R::MANIFEST.emits, &event.ty)),
            Effect::Act(action) => ("acts", &action.name, within(R::MANIFEST.acts, &action.name)),
            Effect::Remember(_) => continue,
        };
        if !fine {
            return Err(Error::internal(format_args!(
                "undeclared-effect: `{name}` is not among the attribute's `{list}`"
            )));
        }
    }
    Ok(effects)
}

/// How a run went.
#[derive(Debug, Clone)]
pub struct Run {
    /// What it asked for, or why it failed.
    pub outcome: Result<Vec<Effect>, Error>,
    /// Whether it asked for the clock.
    pub asked_now: bool,
    /// Whether it asked for randomness.
    pub asked_random: bool,
    /// What it logged.
    pub log: Vec<(Level, String)>,
}

impl Run {
    /// What it asked for.
    ///
    /// # Panics
    /// If it failed.
    pub fn effects(&self) -> &[Effect] {
        match &self.outcome {
            Ok(effects) => effects,
            Err(error) => panic!("the rule failed: {error}"),
        }
    }

    /// The actions that it asked for, by name.
    ///
    /// # Panics
    /// If it failed.
    pub fn actions(&self) -> Vec<(&str, Value)> {
        let effects = self.effects().iter();
        effects
            .filter_map(|effect| match effect {
                Effect::Act(action) => Some((action.name.as_str(), parse(&action.payload))),
                _ => None,
            })
            .collect()
    }

    /// The follow-up events that it asked for: type, subject, data.
    ///
    /// # Panics
    /// If it failed.
    pub fn emitted(&self) -> Vec<(&str, Option<&str>, Value)> {
        let effects = self.effects().iter();
        effects
            .filter_map(|effect| match effect {
                Effect::Emit(event) => {
                    let subject = event.subject.as_deref();
                    Some((event.ty.as_str(), subject, parse(&event.data)))
                }
                _ => None,
            })
            .collect()
    }

    /// What is remembered under a key because of this run; none if that is
    /// nothing new, or if the key was forgotten.
    ///
    /// # Panics
    /// If it failed.
    pub fn remembered(&self, key: &str) -> Option<Value> {
        let last = self.effects().iter().rev().find_map(|effect| match effect {
            Effect::Remember(entry) if entry.key == key => Some(entry.value.as_deref()),
            _ => None,
        });
        last.flatten().map(parse)
    }

    /// Why it failed.
    ///
    /// # Panics
    /// If it did not.
    pub fn error(&self) -> &Error {
        match &self.outcome {
            Ok(effects) => panic!("the rule did not fail; it asked for {effects:?}"),
            Err(error) => error,
        }
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("effects hold what `serde_json` wrote")
}

struct NativeHost<'a> {
    recalled: &'a BTreeMap<String, String>,
    now_ms: u64,
    random: Cell<u64>,
    asked_now: Cell<bool>,
    asked_random: Cell<bool>,
    log: RefCell<Vec<(Level, String)>>,
}

impl Host for NativeHost<'_> {
    fn log(&self, level: Level, message: &str) {
        self.log.borrow_mut().push((level, message.to_owned()));
    }

    fn recall(&self, key: &str) -> Option<String> {
        self.recalled.get(key).cloned()
    }

    fn now(&self) -> u64 {
        self.asked_now.set(true);
        self.now_ms
    }

    /// SplitMix64, its upper half: <https://prng.di.unimi.it/splitmix64.c>.
    fn random(&self) -> u32 {
        self.asked_random.set(true);
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 32) as u32
    }
}
