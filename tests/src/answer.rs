//! What the server answered.

use serde_json::Value;

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Method and path of the request, for messages.
    pub request: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The body as JSON. Panics if it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: no JSON ({error}): {}", self.request, self.text()))
    }

    /// The body as JSON of an answer with this status. Panics, showing the
    /// answer, if the status is another.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(
            self.status,
            status,
            "{}: answered {}",
            self.request,
            self.text()
        );
        if self.body.is_empty() {
            return Value::Null;
        }
        self.json()
    }

    /// A problem (RFC 9457) with this status and code: its media type, and
    /// the members that every problem has. Panics if it is anything else.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        let whole = format!("{}: {problem}", self.request);
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{whole}"
        );
        assert_eq!(problem["code"], code, "{whole}");
        assert_eq!(problem["status"], status, "{whole}");
        for member in ["type", "title", "detail"] {
            let text = problem[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "`{member}` is missing: {whole}");
        }
        problem
    }
}
