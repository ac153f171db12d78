//! Events in binary form: attributes in headers, data in the body.

use axum::http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use ringfence_model::Event;

use super::{Attributes, Refusal, Taker, data};
use crate::lineage;

/// Reads one event.
pub(super) fn one(headers: &HeaderMap, body: &[u8], taker: &Taker) -> Result<Event, Refusal> {
    let attribute = |header: &str, name: &'static str| {
        let mut values = headers.get_all(header).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(Refusal::invalid(
                name,
                format!("The header `{header}` is there twice."),
            ));
        }
        decoded(value.as_bytes())
            .map(Some)
            .ok_or_else(|| Refusal::invalid(name, format!("The header `{header}` is not UTF-8.")))
    };
    let attributes = Attributes {
        specversion: attribute("ce-specversion", "specversion")?,
        id: attribute("ce-id", "id")?,
        source: attribute("ce-source", "source")?,
        ty: attribute("ce-type", "type")?,
        subject: attribute("ce-subject", "subject")?,
        time: attribute("ce-time", "time")?,
        lineage: attribute("ce-ringfencelineage", lineage::ATTRIBUTE)?,
    };
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    let data = data::bytes_as("data", body, content_type.as_deref())?;
    attributes.event(data, taker)
}

/// A header's value as the HTTP binding of CloudEvents has it: first the
/// quoting of HTTP is undone, then one round of percent-encoding.
fn decoded(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let unquoted = unquoted(text);
    let decoded = percent_decode_str(unquoted.as_deref().unwrap_or(text));
    decoded.decode_utf8().ok().map(Into::into)
}

/// What a quoted string (RFC 9110, section 5.6.4) holds; none if the text is
/// not one.
fn unquoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut plain = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.push(letters.next()?),
            '"' => return None,
            letter => plain.push(letter),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_are_decoded_as_the_binding_says() {
        for (value, text) in [
            ("plain", "plain"),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("€", "€"),
            (r#""quoted \"text\"""#, r#"quoted "text""#),
            (r#""%E2%82%AC""#, "€"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%2541", "%41"),
            (r#"""#, r#"""#),
        ] {
            assert_eq!(decoded(value.as_bytes()).as_deref(), Some(text), "{value}");
        }
        assert_eq!(decoded(b"%ff"), None);
        assert_eq!(decoded(b"\xff"), None);
    }
}
