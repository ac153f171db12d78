//! Answers in languages that other programs draw. What strangers chose may
//! hold any character, so all that might mean something in a language is
//! written as a number.

use std::fmt::Write as _;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use ringfence_model::excerpt;
use serde::Deserialize;
use utoipa::ToSchema;

/// What is shown of a name, in bytes.
const NAME_BYTES_MAX: usize = 80;

/// How something that can be drawn is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// JSON.
    #[default]
    Json,
    /// A Mermaid flowchart.
    Mermaid,
    /// Graphviz's language.
    Dot,
}

/// How a language writes what might mean something in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Language {
    /// The media type.
    kind: &'static str,
    /// Between the lines of a label.
    pub(crate) line: &'static str,
    /// Before a character's number; after it stands `;`.
    number: &'static str,
    backslash: &'static str,
}

/// Within quotes, Mermaid takes `#` and a number for a character. It has no
/// media type of its own.
pub(crate) const MERMAID: Language = Language {
    kind: "text/plain; charset=utf-8",
    line: "<br/>",
    number: "#",
    backslash: "#92;",
};
/// Within quotes, Graphviz takes `&#` and a number for a character, and only
/// then looks for backslashes. The media type is registered with IANA.
pub(crate) const DOT: Language = Language {
    kind: "text/vnd.graphviz; charset=utf-8",
    line: "\\n",
    number: "&#",
    backslash: "&#92;&#92;",
};

impl Language {
    /// A text as it may stand between quotes.
    pub(crate) fn text(self, text: &str) -> String {
        let mut safe = String::with_capacity(text.len());
        for character in excerpt(text, NAME_BYTES_MAX).chars() {
            match character {
                '.' | '-' | '_' | '/' | ':' | '*' | ' ' | '…' => safe.push(character),
                _ if character.is_alphanumeric() => safe.push(character),
                '\\' => safe.push_str(self.backslash),
                _ => {
                    // Writing to a string does not fail.
                    let _ = write!(safe, "{}{};", self.number, u32::from(character));
                }
            }
        }
        safe
    }

    /// The answer that holds a drawing.
    pub(crate) fn answer(self, drawing: String) -> Response {
        ([(header::CONTENT_TYPE, self.kind)], drawing).into_response()
    }
}
