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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::alerts::{Alerts, AlertsConfig};
use crate::app::App;
use crate::lineage::{self, Keyring};
use crate::metrics::Metrics;
use crate::peer::Peer;
use crate::router::router;

/// Connections at one moment; more wait to be accepted.
const CONNECTIONS_MAX: usize = 1024;
/// A request's head, from the moment that the connection waits for it: also
/// how long a connection may be idle.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// A request's head, in bytes; also the buffer per connection.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 100;
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
}

impl ServerConfig {
    /// The default in all but the operator's token: lineage tokens are valid
    /// for a day.
    pub fn new(operator_token: String) -> Self {
        Self {
            operator_token,
            lineage_ttl_s: 24 * 60 * 60,
            alerts: AlertsConfig::default(),
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
    tracing::info!(%address, "listening");
    let mut connections = accept(listener, &router(app), shutdown, &stopping).await;
    tracing::info!(open = connections.len(), "shutting down");
    // The receivers are gone only if no connection is open.
    let _ = stop.send(true);
    drain(&mut connections).await;
    tidying.abort();
    engine.drain().await;
    // Nobody waits for a receiver that does not answer.
    if let Some(alerts) = alerts {
        alerts.abort();
    }
    engine.store().close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Accepts connections until the shutdown, and answers those that are open.
async fn accept(
    listener: TcpListener,
    router: &Router,
    shutdown: impl Future<Output = ()>,
    stopping: &watch::Receiver<bool>,
) -> JoinSet<()> {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let next = next_connection(&listener, &room);
        let (stream, permit) = tokio::select! {
            () = &mut shutdown => return connections,
            Some(finished) = connections.join_next() => {
                report(finished);
                continue;
            }
            connection = next => connection,
        };
        let (router, stopping) = (router.clone(), stopping.clone());
        connections.spawn(async move {
            converse(stream, router, stopping).await;
            drop(permit);
        });
    }
}

async fn next_connection(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // Only a closed semaphore fails, and this one is never closed.
    let permit = room.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection.
async fn converse(stream: TcpStream, router: Router, mut stopping: watch::Receiver<bool>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone at once");
        return;
    }
    let peer = Peer::new(stream);
    let watched = peer.clone();
    let service = hyper::service::service_fn(move |mut request: hyper::Request<_>| {
        let router = router.clone();
        request.extensions_mut().insert(watched.clone());
        async move { Ok::<_, Infallible>(into_ok(router.oneshot(request.map(Body::new)).await)) }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            // A client that has sent half a body and closes its side is
            // still told what is wrong.
            .half_close(true)
            .serve_connection(TokioIo::new(peer), service)
    );
    // An error means that the server is gone, which is the same.
    let stopped = async { stopping.wait_for(|stopping| *stopping).await.map(drop) };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
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
