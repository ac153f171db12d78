//! What a handler leaves of a request's body.
//!
//! A request may be refused before its body is read: by its token, its path,
//! its media type, its declared length. Were the answer sent then, the
//! connection would be closed under a client that still sends, or that
//! already uses it for the next request, and what it sees is a broken
//! connection instead of the answer. So the rest is read and thrown away,
//! within bounds, before the answer is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

/// How much of a body is thrown away, and for how long, before the connection
/// is closed after all.
const DISCARD_BYTES_MAX: usize = 64 * 1024 * 1024;
const DISCARD: Duration = Duration::from_secs(5);

/// A body, and whether it was read to its end, well or not.
struct Rest {
    body: Body,
    ended: bool,
}

impl Rest {
    fn is_read(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }
}

/// A body that outlives the handler that reads it.
struct Shared(Arc<Mutex<Rest>>);

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut rest = self.0.lock();
        let frame = Pin::new(&mut rest.body).poll_frame(context);
        rest.ended |= matches!(frame, Poll::Ready(None | Some(Err(_))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().body.size_hint()
    }
}

/// Answers a request whose body was not read to its end only when the rest
/// has been thrown away; closes the connection if that takes too much.
pub(crate) async fn discard_leftover(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Who asked before sending has sent nothing yet, and need not.
    let asked_before = request.headers().contains_key(header::EXPECT);
    let (parts, body) = request.into_parts();
    let rest = Arc::new(Mutex::new(Rest { body, ended: false }));
    let shared = Body::new(Shared(Arc::clone(&rest)));
    let mut response = next.run(Request::from_parts(parts, shared)).await;
    if rest.lock().is_read() {
        return response;
    }
    // A body that came too slowly has had its time.
    let too_slow = response.status() == StatusCode::REQUEST_TIMEOUT;
    if asked_before || too_slow || !discard(Shared(rest)).await {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// Whether the body ended, well or not, within the bounds.
async fn discard(mut body: Shared) -> bool {
    let deadline = Instant::now() + DISCARD;
    let mut discarded = 0;
    loop {
        match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                discarded += frame.data_ref().map_or(0, Bytes::len);
                if discarded > DISCARD_BYTES_MAX {
                    return false;
                }
            }
            Ok(Some(Err(_)) | None) => return true,
            Err(_) => return false,
        }
    }
}
