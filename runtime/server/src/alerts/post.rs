//! One delivery: a connection of its own, a request, and the status of the
//! answer. Nothing else of the answer is read, and nobody is sent elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use ringfence_model::Webhook;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::sign;

/// An answer's head, in bytes, and its headers.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;

const MICROS_PER_SECOND: u64 = 1_000_000;

/// What is delivered, and where.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) webhook: Webhook,
    pub(super) id: String,
    pub(super) body: Bytes,
}

impl Delivery {
    /// Where, for people: without the path, which may be a secret.
    pub(super) fn host(&self) -> String {
        let uri: Option<Uri> = self.webhook.url.parse().ok();
        let authority = uri.as_ref().and_then(Uri::authority);
        authority.map_or_else(String::new, ToString::to_string)
    }

    fn request(&self, uri: &Uri, now_us: u64) -> Result<Request<Full<Bytes>>, String> {
        let timestamp = (now_us / MICROS_PER_SECOND).to_string();
        let key = sign::key(&self.webhook.secret)
            .map_err(|problem| format!("the webhook's secret {problem}"))?;
        let signature = sign::signature(&key, &self.id, &timestamp, &self.body)?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let host = uri.authority().ok_or("the webhook's address has no host")?;
        Request::post(path)
            .header(HOST, host.as_str())
            .header(USER_AGENT, concat!("ringfence/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &self.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(Full::new(self.body.clone()))
            .map_err(|error| error.to_string())
    }
}

/// Makes requests.
#[derive(Default)]
pub(super) struct Poster {
    /// Made when it is needed first: the machine's certificates are read then.
    tls: OnceCell<TlsConnector>,
}

impl Poster {
    /// One attempt: the answer's status, or what went wrong.
    pub(super) async fn post(
        &self,
        delivery: &Delivery,
        now_us: u64,
    ) -> Result<StatusCode, String> {
        let uri: Uri = delivery
            .webhook
            .url
            .parse()
            .map_err(|error| format!("the webhook's address: {error}"))?;
        let request = delivery.request(&uri, now_us)?;
        let host = uri.host().unwrap_or_default();
        // A literal IPv6 address is in brackets in an address, and only there.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(|error| format!("connecting: {error}"))?;
        if !is_secure {
            return ask(TokioIo::new(stream), request).await;
        }
        let tls = self.tls.get_or_try_init(connector).await?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let stream = tls.connect(name, stream).await;
        let stream = stream.map_err(|error| format!("connecting: {error}"))?;
        ask(TokioIo::new(stream), request).await
    }
}

/// Sends a request and reads the head of its answer.
async fn ask<S: Read + Write + Unpin>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<StatusCode, String> {
    let connected = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .handshake(stream);
    let (mut sender, connection) = connected.await.map_err(|error| error.to_string())?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    // The connection may be over in the moment in which the answer is there.
    let answered = tokio::select! {
        biased;
        answered = answer.as_mut() => answered,
        _ = connection => answer.await,
    };
    let response = answered.map_err(|error| format!("the answer: {error}"))?;
    Ok(response.status())
}

/// Trusts whom the machine trusts.
async fn connector() -> Result<TlsConnector, String> {
    let load = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs);
    let loaded = load.await.map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(loaded.certs);
    if added == 0 {
        let causes: Vec<String> = loaded.errors.iter().map(ToString::to_string).collect();
        return Err(format!(
            "the machine has no certificates of authorities to trust: {}",
            causes.join("; ")
        ));
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
