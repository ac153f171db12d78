//! CloudEvents 1.0 over HTTP: structured, batch and binary.
//!
//! Each event is read once, straight from the body: attributes are borrowed
//! where they hold no escapes, and `data` stays the text that it is.

mod binary;
mod data;
mod structured;

use std::sync::Arc;

use axum::http::HeaderMap;
use ringfence_model::{Ancestry, Event, EventError, EventId, Json, Lineage, TenantId};

use crate::body;
use crate::lineage::{self, Keys};
use crate::problem::{Kind, Problem};
use crate::time;

/// Events of one batch.
pub(crate) const BATCH_EVENTS_MAX: usize = 10_000;

/// How a request carries events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One event as a JSON object.
    Structured,
    /// A JSON array of events.
    Batch,
    /// One event: attributes in `ce-` headers, data in the body.
    Binary,
}

/// By whom and when events are taken.
#[derive(Debug, Clone)]
pub(crate) struct Taker {
    pub(crate) tenant: TenantId,
    /// Microseconds since 1970.
    pub(crate) now_us: u64,
    /// What lineage tokens are signed with.
    pub(crate) keys: Arc<Keys>,
    /// The lineage that the request's header has, for events that have none
    /// themselves; with its text.
    pub(crate) of_request: Option<(String, Lineage)>,
}

impl Taker {
    fn read(&self, place: &'static str, text: &str) -> Result<Lineage, Refusal> {
        self.keys.read(place, text, &self.tenant, self.now_us)
    }

    /// An event's lineage, by what it says itself and by its request.
    fn lineage(&self, id: EventId, own: Option<&str>) -> Result<Lineage, Refusal> {
        match (own, &self.of_request) {
            (None, None) => Ok(Lineage::root(id)),
            (None, Some((_, lineage))) => Ok(*lineage),
            (Some(own), None) => self.read(lineage::ATTRIBUTE, own),
            (Some(own), Some((text, lineage))) if own == text => Ok(*lineage),
            (Some(_), Some(_)) => Err(lineage::conflict()),
        }
    }
}

/// Why an event, and with it the request, is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    kind: Kind,
    detail: String,
    /// In a batch, which event.
    index: Option<usize>,
    attribute: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(
        kind: Kind,
        attribute: Option<&'static str>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            detail: detail.into(),
            index: None,
            attribute,
        }
    }

    fn invalid(attribute: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::INVALID_EVENT, Some(attribute), detail)
    }

    fn in_batch(mut self, index: usize) -> Self {
        self.index = Some(index);
        self
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = Self::new(refusal.kind, refusal.detail);
        let problem = match (refusal.index, refusal.attribute) {
            (Some(index), Some(attribute)) => problem.at(format!("events[{index}].{attribute}")),
            (Some(index), None) => problem.at(format!("events[{index}]")),
            (None, Some(attribute)) => problem.at(attribute),
            (None, None) => problem,
        };
        if refusal.kind == Kind::BATCH_TOO_LARGE {
            return problem
                .limit(BATCH_EVENTS_MAX as u64)
                .hint("Nothing was accepted. Send the events in several batches.");
        }
        if let Some(hint) = lineage::hint(refusal.kind) {
            return problem.hint(hint);
        }
        match refusal.index {
            Some(_) => problem
                .hint("Nothing of the batch was accepted. Correct this event, or leave it out."),
            None => {
                problem.hint("CloudEvents 1.0 requires `specversion`, `id`, `source` and `type`.")
            }
        }
    }
}

/// Which form a request has, by its headers.
pub(crate) fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    let given = body::content_type(headers);
    match given.as_str() {
        "application/cloudevents+json" => Ok(Form::Structured),
        "application/cloudevents-batch+json" => Ok(Form::Batch),
        other if other.starts_with("application/cloudevents") => Err(unknown_form(other)),
        _ if headers.keys().any(|name| name.as_str().starts_with("ce-")) => Ok(Form::Binary),
        other => Err(unknown_form(other)),
    }
}

fn unknown_form(given: &str) -> Problem {
    body::wrong_type(
        given,
        "application/cloudevents+json or application/cloudevents-batch+json",
    )
    .hint(
        "Send one event as `application/cloudevents+json`, several as \
         `application/cloudevents-batch+json`, or one in binary form with its attributes in \
         `ce-` headers.",
    )
}

/// Reads all events of a request; all or, if one is refused, none.
pub(crate) fn events(
    form: Form,
    headers: &HeaderMap,
    body: &[u8],
    mut taker: Taker,
) -> Result<Vec<Event>, Refusal> {
    if let Some(text) = lineage::header(headers)? {
        let read = taker.read(lineage::HEADER, text)?;
        taker.of_request = Some((text.to_owned(), read));
    }
    let taker = &taker;
    match form {
        Form::Structured => structured::one(body, taker).map(|event| vec![event]),
        Form::Batch => structured::batch(body, taker),
        Form::Binary => binary::one(headers, body, taker).map(|event| vec![event]),
    }
}

/// Attributes as they were sent, not yet judged.
#[derive(Debug, Default)]
struct Attributes<T> {
    specversion: Option<T>,
    id: Option<T>,
    source: Option<T>,
    ty: Option<T>,
    subject: Option<T>,
    time: Option<T>,
    lineage: Option<T>,
}

impl<T: AsRef<str> + Into<String>> Attributes<T> {
    /// Judges the attributes and makes the event.
    fn event(self, data: Json, taker: &Taker) -> Result<Event, Refusal> {
        let required = |name, value: Option<T>| {
            value.ok_or_else(|| Refusal::invalid(name, format!("`{name}` is missing.")))
        };
        let version = required("specversion", self.specversion)?;
        if version.as_ref() != "1.0" {
            let given: String = version.as_ref().chars().take(20).collect();
            let detail = format!("`specversion` is `{given}`; this server takes `1.0`.");
            return Err(Refusal::invalid("specversion", detail));
        }
        let ce_id = required("id", self.id)?.into();
        let source = required("source", self.source)?.into();
        let ty = required("type", self.ty)?.into();
        let time = match self.time {
            None => time::format_us(taker.now_us),
            Some(text) if time::parse(text.as_ref()).is_some() => text.into(),
            Some(_) => {
                let detail = "`time` is not an RFC 3339 time, as in 2026-01-31T12:00:00Z.";
                return Err(Refusal::invalid("time", detail));
            }
        };
        let id = EventId::root(&taker.tenant, &source, &ce_id);
        let event = Event {
            id,
            tenant: taker.tenant.clone(),
            ce_id,
            source,
            ty,
            subject: self.subject.map(Into::into),
            time,
            data,
            accepted_us: taker.now_us,
            lineage: taker.lineage(id, self.lineage.as_ref().map(AsRef::as_ref))?,
            ancestry: Ancestry::default(),
        };
        event.check().map_err(|error| {
            let attribute = match error {
                EventError::Empty(attribute)
                | EventError::TooLong { attribute, .. }
                | EventError::ControlCharacter(attribute) => attribute,
            };
            Refusal::invalid(attribute, format!("{error}."))
        })?;
        Ok(event)
    }
}

#[cfg(test)]
mod tests;
