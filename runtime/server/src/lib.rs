//! HTTP API, authentication, problem responses, OpenAPI and metrics.

use std::net::SocketAddr;
use std::sync::Arc;

use ringfence_engine::{Engine, Observer};

/// How the server is set up.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The operator's token, which may do everything. Kept hashed.
    pub operator_token: String,
}

/// Counts what happens; give it to the engine as its observer and to
/// [`serve`], which publishes it at `/metrics`.
#[derive(Clone, Default)]
pub struct Metrics {}

impl Observer for Metrics {}

/// Serves until `shutdown` resolves, then refuses new work, answers what was
/// begun, drains the engine and closes the store.
pub async fn serve(
    _listener: tokio::net::TcpListener,
    _engine: Engine,
    _metrics: Arc<Metrics>,
    _config: ServerConfig,
    _shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let _: Option<SocketAddr> = None;
    unimplemented!()
}
