//! Connections: bounded in number and in time, and drained at shutdown.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use ringfence_engine::Engine;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::alerts::{Alerts, AlertsConfig};
use crate::app::App;
use crate::connections::{Connections, Place};
use crate::lineage::{self, Keyring};
use crate::memory;
use crate::metrics::Metrics;
use crate::patience::Patient;
use crate::peer::Peer;
use crate::portions;
use crate::router::router;

/// Connections at one moment; for more, idle ones have to go, or they wait.
const CONNECTIONS_MAX: usize = 1024;
/// A request's head, from the moment that the connection waits for it: also
/// how long a connection may be idle.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// A request's head, in bytes; also the buffer per connection.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 100;
/// How long a client may keep its answer waiting, with a second more for each
/// 16 KiB that it takes.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long requests that were begun have after the shutdown began.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// After a failure to accept, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the server is set up.
#[derive(Clone)]
pub struct ServerConfig {
    /// The operator's token, which may do everything. Kept hashed.
    pub operator_token: String,
    /// How long a lineage token is valid, in seconds. Shorter than the journal
    /// is kept, or a token would outlive its cascade's ledger.
    pub lineage_ttl_s: u64,
    /// How alerts are delivered.
    pub alerts: AlertsConfig,
    /// Connections at one moment. When there are more, one that is idle is
    /// closed for each.
    pub connections: usize,
    /// How long a client may keep its answer waiting.
    pub answer_time: Duration,
}

impl ServerConfig {
    /// The default in all but the operator's token: lineage tokens are valid
    /// for a day.
    pub fn new(operator_token: String) -> Self {
        Self {
            operator_token,
            lineage_ttl_s: 24 * 60 * 60,
            alerts: AlertsConfig::default(),
            connections: CONNECTIONS_MAX,
            answer_time: ANSWER_TIME,
        }
    }
}

// The token is a secret.
impl std::fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerConfig").finish_non_exhaustive()
    }
}

/// Serves until `shutdown` resolves, then refuses new work, answers what was
/// begun (for up to 10 seconds), drains the engine and closes the store.
///
/// Fails if the operator's token is empty, the listener has no address, or the
/// keys for lineage tokens cannot be had.
pub async fn serve(
    listener: TcpListener,
    engine: Engine,
    metrics: Arc<Metrics>,
    config: ServerConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    if config.operator_token.trim().is_empty() {
        let detail = "the operator's token is empty, so anybody could be the operator";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, detail));
    }
    let address = listener.local_addr()?;
    let store = Arc::clone(engine.store());
    let now_us = engine.clock().now_us();
    let keyring = Keyring::open(store, config.lineage_ttl_s, now_us).await;
    let (stop, stopping) = watch::channel(false);
    let alerts = Alerts::new(config.alerts, metrics.clone(), engine.clock().clone());
    let alerts = engine.alerts().map(|told| tokio::spawn(alerts.run(told)));
    let app = Arc::new(App::new(
        engine.clone(),
        metrics,
        &config.operator_token,
        keyring.map_err(io::Error::other)?,
        stopping.clone(),
    ));
    let tidying = tokio::spawn(lineage::tidy(Arc::clone(&app)));
    let watching = tokio::spawn(memory::watch(Arc::clone(&app)));
    tracing::info!(%address, "listening");
    let conversation = Conversation {
        router: router(app),
        stopping,
        answer_time: config.answer_time,
    };
    let places = Connections::new(config.connections);
    let mut connections = accept(listener, &conversation, &places, shutdown).await;
    tracing::info!(open = connections.len(), "shutting down");
    // The receivers are gone only if no connection is open.
    let _ = stop.send(true);
    // It holds a receiver.
    drop(conversation);
    drain(&mut connections).await;
    tidying.abort();
    watching.abort();
    engine.drain().await;
    // Nobody waits for a receiver that does not answer.
    if let Some(alerts) = alerts {
        alerts.abort();
    }
    engine.store().close().await;
    tracing::info!("stopped");
    Ok(())
}

/// What each connection is answered with.
#[derive(Clone)]
struct Conversation {
    router: Router,
    stopping: watch::Receiver<bool>,
    answer_time: Duration,
}

/// Accepts connections until the shutdown, and answers those that are open.
async fn accept(
    listener: TcpListener,
    conversation: &Conversation,
    places: &Connections,
    shutdown: impl Future<Output = ()>,
) -> JoinSet<()> {
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    // A client that is there and has no place yet; at most one.
    let mut arrived = None;
    loop {
        tokio::select! {
            () = &mut shutdown => return connections,
            Some(finished) = connections.join_next() => report(finished),
            stream = next_connection(&listener), if arrived.is_none() => arrived = Some(stream),
            place = places.place(), if arrived.is_some() => {
                if let Some(stream) = arrived.take() {
                    connections.spawn(conversation.clone().hold(stream, place));
                }
            }
        }
    }
}

async fn next_connection(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Conversation {
    /// Answers the requests of one connection.
    async fn hold(self, stream: TcpStream, place: Place) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone at once");
            return;
        }
        let Self {
            router,
            mut stopping,
            answer_time,
        } = self;
        let peer = Peer::new(stream);
        let (watched, asking) = (peer.clone(), place.asking());
        let place = &place;
        let service = hyper::service::service_fn(move |mut request: hyper::Request<_>| {
            let router = router.clone();
            let extensions = request.extensions_mut();
            extensions.insert(watched.clone());
            extensions.insert(asking.clone());
            async move {
                let answering = place.answering();
                let answer = into_ok(router.oneshot(request.map(Body::new)).await);
                Ok::<_, Infallible>(portions::keep(answer, answering))
            }
        });
        let connection = TokioIo::new(Patient::new(peer, answer_time));
        let mut connection = std::pin::pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME)
                .max_buf_size(HEAD_BYTES_MAX)
                .max_headers(HEADERS_MAX)
                // A client that has sent half a body and closes its side is
                // still told what is wrong.
                .half_close(true)
                .serve_connection(connection, service)
        );
        // An error means that the server is gone, which is the same.
        let stopped = async { stopping.wait_for(|stopping| *stopping).await.map(drop) };
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = place.dismissed() => {
                tracing::debug!("an idle connection made room for another");
                return;
            }
            _ = stopped => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

fn into_ok<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

async fn drain(connections: &mut JoinSet<()>) {
    let all = async {
        while let Some(finished) = connections.join_next().await {
            report(finished);
        }
    };
    if tokio::time::timeout(DRAIN_TIME, all).await.is_err() {
        tracing::warn!(
            open = connections.len(),
            "requests were not answered in time; their connections are closed"
        );
        connections.shutdown().await;
    }
}

fn report(finished: Result<(), tokio::task::JoinError>) {
    if let Err(error) = finished {
        tracing::error!(%error, "answering a request failed");
    }
}
