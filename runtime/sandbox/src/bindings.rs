//! The WIT package's types as Rust ones, as `wit/rule.wit` has them. Written
//! out instead of generated, so that what goes in is borrowed and nothing is
//! made that a run does not use; a test holds them against the WIT.

use serde::{Deserialize, Serialize};
use wasmtime::component::{ComponentType, Lift, Lower};

/// `types.event`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Event<'a> {
    pub(crate) id: &'a str,
    pub(crate) source: &'a str,
    #[component(name = "type")]
    pub(crate) ty: &'a str,
    pub(crate) subject: Option<&'a str>,
    pub(crate) time: &'a str,
    pub(crate) data: &'a str,
}

/// `types.invocation`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Invocation<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) rule: &'a str,
    pub(crate) config: &'a str,
    pub(crate) depth: u32,
}

/// `types.new-event`.
#[derive(ComponentType, Lift, Serialize, Deserialize)]
#[component(record)]
pub(crate) struct NewEvent {
    #[component(name = "type")]
    pub(crate) ty: String,
    pub(crate) subject: Option<String>,
    pub(crate) data: String,
}

/// `types.action`.
#[derive(ComponentType, Lift, Serialize, Deserialize)]
#[component(record)]
pub(crate) struct Action {
    pub(crate) name: String,
    pub(crate) payload: String,
}

/// `types.entry`.
#[derive(ComponentType, Lift, Serialize, Deserialize)]
#[component(record)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Option<String>,
}

/// `types.effect`.
#[derive(ComponentType, Lift, Serialize, Deserialize)]
#[component(variant)]
pub(crate) enum Effect {
    #[component(name = "emit")]
    Emit(NewEvent),
    #[component(name = "act")]
    Act(Action),
    #[component(name = "remember")]
    Remember(Entry),
}

/// `types.failure`.
#[derive(ComponentType, Lift, Serialize, Deserialize)]
#[component(variant)]
pub(crate) enum Failure {
    #[component(name = "invalid-event")]
    InvalidEvent(String),
    #[component(name = "invalid-config")]
    InvalidConfig(String),
    #[component(name = "internal")]
    Internal(String),
}

impl Failure {
    /// What it says.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::InvalidEvent(text) | Self::InvalidConfig(text) | Self::Internal(text) => text,
        }
    }
}

/// `types.trigger`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Trigger {
    #[component(name = "type")]
    pub(crate) ty: String,
    pub(crate) ignore: Vec<String>,
}

/// `types.manifest`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Manifest {
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) emits: Vec<String>,
    pub(crate) acts: Vec<String>,
    #[component(name = "config-schema")]
    pub(crate) config_schema: Option<String>,
    pub(crate) summary: String,
}

/// `host.level`.
#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "made by lifting")]
pub(crate) enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

/// `describe`'s result.
pub(crate) type Described = (Manifest,);
/// `handle`'s parameters.
pub(crate) type HandleParams<'a> = (Event<'a>, Invocation<'a>);
/// `handle`'s result.
pub(crate) type Handled = (Result<Vec<Effect>, Failure>,);
