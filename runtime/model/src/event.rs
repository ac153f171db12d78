//! Events: what rules are run on.

use serde::{Deserialize, Serialize};

use crate::{Ancestry, CascadeId, EventId, ExecutionId, Json, TenantId};

/// Bounds on an event's attributes, in bytes.
const ID_BYTES_MAX: usize = 256;
const SOURCE_BYTES_MAX: usize = 1024;
const TYPE_BYTES_MAX: usize = 256;
const SUBJECT_BYTES_MAX: usize = 1024;

/// An accepted event: a CloudEvent from outside, or a follow-up that a rule
/// emitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Ringfence's own id, derived.
    pub id: EventId,
    /// Whose event it is.
    pub tenant: TenantId,
    /// The CloudEvents `id`; for a follow-up, the text of `id`.
    pub ce_id: String,
    /// The CloudEvents `source`; for a follow-up, `/ringfence/rules/RULE`.
    pub source: String,
    /// The CloudEvents `type`.
    #[serde(rename = "type")]
    pub ty: String,
    /// The CloudEvents `subject`: the record that the event is about. Events
    /// of one subject are run in the order accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The CloudEvents `time`, RFC 3339; a follow-up has its root's.
    pub time: String,
    /// The payload.
    pub data: Json,
    /// When it was accepted, in microseconds since 1970.
    pub accepted_us: u64,
    /// Where it comes from.
    pub lineage: Lineage,
    /// The runs that led to it.
    #[serde(skip)]
    pub ancestry: Ancestry,
}

/// An event's place in its cascade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The root event's id.
    pub cascade: CascadeId,
    /// How many executions stand between the root event and this one.
    pub depth: u32,
    /// The execution that set it off; none for a root event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ExecutionId>,
    /// How it came about.
    #[serde(default)]
    pub origin: Origin,
}

/// How an event came about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// From outside; nothing here led to it.
    #[default]
    Root,
    /// A rule emitted it.
    Emitted,
    /// From outside, with the lineage of an action that a rule asked for.
    Returned,
    /// From outside, and taken for what an action that a rule asked for
    /// caused.
    Inferred,
}

impl Lineage {
    /// Of an event from outside.
    pub fn root(id: EventId) -> Self {
        Self {
            cascade: id,
            depth: 0,
            parent: None,
            origin: Origin::Root,
        }
    }

    /// Its depth, if it came from outside into a cascade that was there: then
    /// nobody has judged it yet.
    pub fn arrived(&self) -> Option<u32> {
        match self.origin {
            Origin::Root | Origin::Emitted => None,
            Origin::Returned | Origin::Inferred => Some(self.depth),
        }
    }
}

/// An attribute of an event is missing or out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// A required attribute is empty.
    #[error("`{0}` is empty; CloudEvents requires a non-empty string")]
    Empty(&'static str),
    /// An attribute is too long.
    #[error("`{attribute}` has {bytes} bytes; at most {limit} are allowed")]
    TooLong {
        /// Its name.
        attribute: &'static str,
        /// Its length.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// An attribute holds a control character, which CloudEvents forbids.
    #[error("`{0}` holds a control character")]
    ControlCharacter(&'static str),
}

fn check_text(attribute: &'static str, text: &str, limit: usize) -> Result<(), EventError> {
    if text.is_empty() {
        return Err(EventError::Empty(attribute));
    }
    if text.len() > limit {
        return Err(EventError::TooLong {
            attribute,
            bytes: text.len(),
            limit,
        });
    }
    if text.chars().any(char::is_control) {
        return Err(EventError::ControlCharacter(attribute));
    }
    Ok(())
}

impl Event {
    /// Checks an event type.
    pub fn check_type(ty: &str) -> Result<(), EventError> {
        check_text("type", ty, TYPE_BYTES_MAX)
    }

    /// Checks a subject.
    pub fn check_subject(subject: &str) -> Result<(), EventError> {
        check_text("subject", subject, SUBJECT_BYTES_MAX)
    }

    /// Checks all text attributes. The size of the data is the caller's
    /// affair, because its limit is the tenant's; so is `time`.
    pub fn check(&self) -> Result<(), EventError> {
        check_text("id", &self.ce_id, ID_BYTES_MAX)?;
        check_text("source", &self.source, SOURCE_BYTES_MAX)?;
        Self::check_type(&self.ty)?;
        self.subject.as_deref().map_or(Ok(()), Self::check_subject)
    }

    /// What it costs to keep: its texts and its data, in bytes.
    pub fn size(&self) -> u64 {
        let subject = self.subject.as_ref().map_or(0, String::len);
        let texts = self.ce_id.len() + self.source.len() + self.ty.len() + subject;
        texts as u64 + self.data.size()
    }
}
