//! An event's data: JSON, or text, which becomes a JSON string.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ringfence_model::Json;
use serde_json::value::RawValue;

use super::Refusal;
use crate::body::{is_json, media_type};
use crate::problem::Kind;

/// What `datacontenttype` says of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// JSON, which is what no `datacontenttype` means.
    Json,
    /// Text.
    Text,
    /// Something that rules cannot be given.
    Other,
}

impl Content {
    pub(super) fn of(datacontenttype: Option<&str>) -> Self {
        match datacontenttype {
            // Nearly all senders write exactly this.
            None | Some("application/json") => Self::Json,
            Some(given) => match media_type(given) {
                essence if is_json(&essence) => Self::Json,
                essence if essence.starts_with("text/") => Self::Text,
                _ => Self::Other,
            },
        }
    }

    fn refuse_other(self, datacontenttype: Option<&str>) -> Result<(), Refusal> {
        if self != Self::Other {
            return Ok(());
        }
        let given: String = datacontenttype
            .unwrap_or_default()
            .chars()
            .take(80)
            .collect();
        Err(Refusal::new(
            Kind::UNSUPPORTED_DATA,
            Some("datacontenttype"),
            format!("Data of type `{given}` cannot be given to rules, which take JSON or text."),
        ))
    }
}

/// Data that the event holds as JSON.
pub(super) fn inline(
    data: Option<&RawValue>,
    datacontenttype: Option<&str>,
) -> Result<Json, Refusal> {
    let Some(data) = data else {
        return Ok(Json::null());
    };
    Content::of(datacontenttype).refuse_other(datacontenttype)?;
    Json::try_from(data).map_err(|error| Refusal::invalid("data", format!("{error}.")))
}

/// Data that the event holds as base64.
pub(super) fn base64(text: &str, datacontenttype: Option<&str>) -> Result<Json, Refusal> {
    Content::of(datacontenttype).refuse_other(datacontenttype)?;
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| Refusal::invalid("data_base64", format!("It is not base64: {error}.")))?;
    bytes_as("data_base64", &bytes, datacontenttype)
}

/// Data as bytes.
pub(super) fn bytes_as(
    attribute: &'static str,
    bytes: &[u8],
    datacontenttype: Option<&str>,
) -> Result<Json, Refusal> {
    if bytes.is_empty() {
        return Ok(Json::null());
    }
    let content = Content::of(datacontenttype);
    content.refuse_other(datacontenttype)?;
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Refusal::invalid(attribute, format!("It is not UTF-8: {error}.")))?;
    match content {
        Content::Text => Ok(Json::from(&serde_json::Value::from(text))),
        Content::Json | Content::Other => {
            Json::parse(text).map_err(|error| Refusal::invalid(attribute, format!("{error}.")))
        }
    }
}
