//! Request bodies: bounded before they are read, in bytes, in time and in
//! what all requests hold together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::portions::Portion;
use crate::problem::{Kind, Problem};
use crate::refusals::overloaded;

/// A JSON body of an ordinary call, in bytes.
pub(crate) const JSON_BYTES_MAX: usize = 64 * 1024;

/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Bodies of all requests together, in units of `UNIT` bytes: 256 MiB.
pub(crate) const UNIT: usize = 1024;
pub(crate) const UNITS_MAX: usize = 256 * 1024;

/// What all requests' bodies may take of memory.
#[derive(Debug, Clone)]
pub(crate) struct BodyMemory(Arc<Semaphore>);

impl Default for BodyMemory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(UNITS_MAX)))
    }
}

/// Where a body's memory comes from: what there is for all, and of that its
/// tenant's portion.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory<'a> {
    pub(crate) all: &'a BodyMemory,
    pub(crate) own: Option<&'a Portion>,
}

/// A body in memory, and its share of the memory for bodies, which is
/// returned when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    pub(crate) share: Share,
}

#[derive(Debug, Default)]
pub(crate) struct Share {
    of_all: Option<OwnedSemaphorePermit>,
    of_own: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Share {
    fn grow(&mut self, memory: Memory<'_>, bytes: usize) -> Result<(), Problem> {
        let units = |bytes: usize| bytes.div_ceil(UNIT);
        let more = units(self.bytes + bytes) - units(self.bytes);
        self.bytes += bytes;
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        if let Some(portion) = memory.own {
            merge(&mut self.of_own, portion.body(more)?);
        }
        let all = memory.all.0.clone();
        let permit = all.try_acquire_many_owned(more).map_err(|_| {
            overloaded("The requests being read take all memory there is for them.")
        })?;
        merge(&mut self.of_all, permit);
        Ok(())
    }
}

fn merge(held: &mut Option<OwnedSemaphorePermit>, more: OwnedSemaphorePermit) {
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
    }
}

/// How large a body may be, and what to say if it is larger.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) bytes: usize,
    pub(crate) kind: Kind,
    pub(crate) hint: &'static str,
}

impl Bound {
    const JSON: Self = Self {
        bytes: JSON_BYTES_MAX,
        kind: Kind::BODY_TOO_LARGE,
        hint: "JSON bodies of this call are small; nothing sensible is as large as this.",
    };

    fn exceeded(self, usage: Option<u64>) -> Problem {
        let bytes = self.bytes as u64;
        let problem = match usage {
            Some(usage) => Problem::new(
                self.kind,
                format!("The body has {usage} bytes; at most {bytes} are allowed."),
            )
            .over(bytes, usage),
            None => Problem::new(
                self.kind,
                format!("The body has more than the {bytes} bytes that are allowed."),
            )
            .limit(bytes),
        };
        problem.hint(self.hint)
    }
}

/// Reads a body within its bound.
pub(crate) async fn read(
    memory: Memory<'_>,
    headers: &HeaderMap,
    mut body: Body,
    bound: Bound,
) -> Result<Held, Problem> {
    refuse_encoding(headers)?;
    let declared = declared(headers);
    if declared.is_some_and(|length| length > bound.bytes as u64) {
        return Err(bound.exceeded(declared));
    }
    let deadline = Instant::now() + ARRIVAL;
    let mut share = Share::default();
    let mut parts: Vec<Bytes> = Vec::new();
    loop {
        let next = timeout_at(deadline, body.frame()).await;
        let frame = match next.map_err(|_| too_slow())? {
            None => break,
            Some(frame) => frame.map_err(|error| incomplete(&error))?,
        };
        // Trailers say nothing here.
        let Ok(part) = frame.into_data() else {
            continue;
        };
        if share.bytes + part.len() > bound.bytes {
            return Err(bound.exceeded(None));
        }
        share.grow(memory, part.len())?;
        parts.push(part);
    }
    let bytes = joined(parts, share.bytes);
    Ok(Held { bytes, share })
}

/// The length that the request's head announces, in bytes.
pub(crate) fn declared(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

fn joined(mut parts: Vec<Bytes>, length: usize) -> Bytes {
    if parts.len() <= 1 {
        return parts.pop().unwrap_or_default();
    }
    let mut bytes = BytesMut::with_capacity(length);
    for part in parts {
        bytes.extend_from_slice(&part);
    }
    bytes.freeze()
}

fn too_slow() -> Problem {
    Problem::new(
        Kind::BODY_TIMEOUT,
        format!(
            "The body did not arrive within {} seconds.",
            ARRIVAL.as_secs()
        ),
    )
    .limit(ARRIVAL.as_secs())
    .hint("Nothing of this request took effect; send it again, in smaller parts.")
}

fn incomplete(error: &axum::Error) -> Problem {
    Problem::new(
        Kind::BODY_INCOMPLETE,
        format!("The body ended before it was complete: {error}."),
    )
    .hint("Nothing of this request took effect; send it again.")
}

fn refuse_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(value) if !value.as_bytes().eq_ignore_ascii_case(b"identity") => Err(Problem::new(
            Kind::UNSUPPORTED_ENCODING,
            "The body is sent with a `Content-Encoding`, which this server does not decode.",
        )
        .hint("Send the body as it is, without a `Content-Encoding`.")),
        _ => Ok(()),
    }
}

/// A header's media type in lower case, without its parameters.
pub(crate) fn media_type(text: &str) -> String {
    let essence = text.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// The body's media type; empty if there is none.
pub(crate) fn content_type(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(media_type)
        .unwrap_or_default()
}

/// Whether a media type is JSON: `application/json`, or one that ends in
/// `/json` or `+json`.
pub(crate) fn is_json(media_type: &str) -> bool {
    media_type.ends_with("/json") || media_type.ends_with("+json")
}

/// A JSON body of up to [`JSON_BYTES_MAX`], or `MAX`, bytes.
#[derive(Debug)]
pub(crate) struct JsonBody<T, const MAX: usize = JSON_BYTES_MAX>(pub(crate) T);

impl<T: DeserializeOwned, const MAX: usize> FromRequest<Arc<App>> for JsonBody<T, MAX> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let given = content_type(&parts.headers);
        if given != "application/json" {
            return Err(wrong_type(&given, "application/json"));
        }
        let bound = Bound {
            bytes: MAX,
            ..Bound::JSON
        };
        let portion = parts.extensions.get::<Arc<Portion>>();
        let memory = Memory {
            all: &app.body_memory,
            own: portion.map(|portion| &**portion),
        };
        let held = read(memory, &parts.headers, body, bound).await?;
        parse(&held.bytes).map(Self)
    }
}

/// Parses JSON and says what is wrong with it: its syntax or its members.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // Derived structures would also take an array of their members.
    if bytes.trim_ascii_start().starts_with(b"[") {
        let detail = "The body is an array; a JSON object is expected.";
        return Err(Problem::new(Kind::INVALID_BODY, detail));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() {
            Problem::new(Kind::INVALID_BODY, format!("{error}."))
                .hint("`/openapi.json` describes the members of every body.")
        } else {
            Problem::new(
                Kind::INVALID_JSON,
                format!("The body is not JSON: {error}."),
            )
        }
    })
}

pub(crate) fn wrong_type(given: &str, expected: &str) -> Problem {
    let given = match given {
        "" => "no `Content-Type`".to_owned(),
        given => format!(
            "`Content-Type: {}`",
            given.chars().take(80).collect::<String>()
        ),
    };
    Problem::new(
        Kind::UNSUPPORTED_MEDIA_TYPE,
        format!("The body was sent with {given}; this call takes {expected}."),
    )
    .hint(format!("Send the header `Content-Type: {expected}`."))
}
