//! Events as JSON: one, or a batch.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use ringfence_model::Event;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use super::{Attributes, BATCH_EVENTS_MAX, Refusal, Taker, data};
use crate::lineage;
use crate::problem::Kind;

/// Reads one event.
pub(super) fn one(body: &[u8], taker: &Taker) -> Result<Event, Refusal> {
    let place = Place::default();
    let raw = read(body, &place, RawEventSeed(&place)).map_err(|refusal| *refusal)?;
    raw.event(taker)
}

/// Reads a batch.
pub(super) fn batch(body: &[u8], taker: &Taker) -> Result<Vec<Event>, Refusal> {
    let place = Place::default();
    let raw = read(body, &place, BatchSeed(&place)).map_err(|refusal| match place.index.get() {
        Some(index) if refusal.kind == Kind::INVALID_EVENT => refusal.in_batch(index),
        _ => *refusal,
    })?;
    raw.into_iter()
        .enumerate()
        .map(|(index, raw)| raw.event(taker).map_err(|refusal| refusal.in_batch(index)))
        .collect()
}

/// Where the parser is, to say where an error was met.
#[derive(Debug, Default)]
struct Place {
    index: Cell<Option<usize>>,
    attribute: Cell<Option<&'static str>>,
    too_many: Cell<bool>,
}

fn read<'a, S>(body: &'a [u8], place: &Place, seed: S) -> Result<S::Value, Box<Refusal>>
where
    S: DeserializeSeed<'a>,
{
    let text = std::str::from_utf8(body).map_err(|error| {
        let detail = format!("The body is not UTF-8: {error}.");
        Refusal::new(Kind::INVALID_JSON, None, detail)
    })?;
    let mut parser = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut parser).and_then(|value| {
        place.attribute.set(None);
        parser.end().map(|()| value)
    });
    value.map_err(|error| {
        Box::new(if place.too_many.get() {
            let detail = format!("The batch has more than {BATCH_EVENTS_MAX} events.");
            Refusal::new(Kind::BATCH_TOO_LARGE, None, detail)
        } else if error.is_data() {
            Refusal::new(
                Kind::INVALID_EVENT,
                place.attribute.get(),
                format!("{error}."),
            )
        } else {
            let detail = format!("The body is not JSON: {error}.");
            Refusal::new(Kind::INVALID_JSON, None, detail)
        })
    })
}

/// An event's members as they were sent.
#[derive(Debug, Default)]
struct RawEvent<'a> {
    attributes: Attributes<Cow<'a, str>>,
    datacontenttype: Option<Cow<'a, str>>,
    data: Option<&'a RawValue>,
    data_base64: Option<Cow<'a, str>>,
}

impl RawEvent<'_> {
    fn event(self, taker: &Taker) -> Result<Event, Refusal> {
        let content_type = self.datacontenttype.as_deref();
        let data = match (self.data, &self.data_base64) {
            (Some(_), Some(_)) => {
                let detail = "An event has either `data` or `data_base64`, not both.";
                return Err(Refusal::invalid("data_base64", detail));
            }
            (None, Some(text)) => data::base64(text, content_type)?,
            (data, None) => data::inline(data, content_type)?,
        };
        self.attributes.event(data, taker)
    }
}

#[derive(Clone, Copy)]
struct BatchSeed<'p>(&'p Place);

impl<'de> DeserializeSeed<'de> for BatchSeed<'_> {
    type Value = Vec<RawEvent<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<Self::Value, D::Error> {
        parser.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for BatchSeed<'_> {
    type Value = Vec<RawEvent<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of CloudEvents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut events = Vec::new();
        loop {
            self.0.index.set(Some(events.len()));
            self.0.attribute.set(None);
            let Some(event) = items.next_element_seed(RawEventSeed(self.0))? else {
                return Ok(events);
            };
            if events.len() == BATCH_EVENTS_MAX {
                self.0.too_many.set(true);
                return Err(A::Error::custom("too many events"));
            }
            events.push(event);
        }
    }
}

#[derive(Clone, Copy)]
struct RawEventSeed<'p>(&'p Place);

impl<'de> DeserializeSeed<'de> for RawEventSeed<'_> {
    type Value = RawEvent<'de>;

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<Self::Value, D::Error> {
        parser.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RawEventSeed<'_> {
    type Value = RawEvent<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvent, which is a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<RawEvent<'de>, A::Error> {
        let mut raw = RawEvent::default();
        while let Some(Text(name)) = members.next_key()? {
            self.0.attribute.set(None);
            let attributes = &mut raw.attributes;
            let (name, slot) = match &*name {
                "specversion" => ("specversion", &mut attributes.specversion),
                "id" => ("id", &mut attributes.id),
                "source" => ("source", &mut attributes.source),
                "type" => ("type", &mut attributes.ty),
                "subject" => ("subject", &mut attributes.subject),
                "time" => ("time", &mut attributes.time),
                lineage::ATTRIBUTE => (lineage::ATTRIBUTE, &mut attributes.lineage),
                "datacontenttype" => ("datacontenttype", &mut raw.datacontenttype),
                "data_base64" => ("data_base64", &mut raw.data_base64),
                "data" => {
                    self.0.attribute.set(Some("data"));
                    let value: &RawValue = members.next_value()?;
                    if raw.data.replace(value).is_some() {
                        return Err(twice("data"));
                    }
                    continue;
                }
                // Other extension attributes are accepted and not used.
                _ => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            self.0.attribute.set(Some(name));
            // The JSON format of CloudEvents lets null stand for no value.
            let Some(Text(value)) = members.next_value()? else {
                continue;
            };
            if slot.replace(value).is_some() {
                return Err(twice(name));
            }
        }
        self.0.attribute.set(None);
        Ok(raw)
    }
}

fn twice<E: serde::de::Error>(name: &str) -> E {
    E::custom(format_args!("`{name}` is there twice"))
}

/// A string, borrowed where it holds no escapes. `Cow` itself always copies.
struct Text<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(parser: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        parser.deserialize_str(TextVisitor)
    }
}
