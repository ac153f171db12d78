//! Effects: what a run asks for by returning it.

use serde::{Deserialize, Serialize};

use crate::Json;

/// One thing that a run wants done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// A follow-up event.
    Emit(NewEvent),
    /// Something for the host application to do.
    Act(Action),
    /// A value to remember.
    Remember(Entry),
}

/// A follow-up event, before it has an id and a place in a cascade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// Its CloudEvents `type`.
    #[serde(rename = "type")]
    pub ty: String,
    /// The record that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its payload.
    pub data: Json,
}

/// A request to the host application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// What to do, for example `conversation.update`.
    pub name: String,
    /// With what.
    pub payload: Json,
}

/// A key and the value to remember under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// At most 256 bytes.
    pub key: String,
    /// None forgets the key.
    #[serde(default)]
    pub value: Option<Json>,
}

impl Entry {
    /// The longest key, in bytes.
    pub const KEY_BYTES_MAX: usize = 256;
}

impl Effect {
    /// What counts against the output limit, in bytes: its texts and its
    /// JSON.
    pub fn size(&self) -> u64 {
        match self {
            Self::Emit(event) => {
                let subject = event.subject.as_ref().map_or(0, String::len);
                (event.ty.len() + subject) as u64 + event.data.size()
            }
            Self::Act(action) => action.name.len() as u64 + action.payload.size(),
            Self::Remember(entry) => {
                entry.key.len() as u64 + entry.value.as_ref().map_or(0, Json::size)
            }
        }
    }
}
