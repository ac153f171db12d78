//! `ringfence serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use ringfence_server::{Metrics, ServerConfig};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};
use crate::data::DataFolder;
use crate::host;

/// Threads for connections and timers. Rules have threads of their own.
const IO_THREADS: usize = 2;

/// Runs a server.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// The configuration; `ringfence.toml` here if there is one.
    #[arg(long, value_name = "FILE", env = "RINGFENCE_CONFIG")]
    config: Option<PathBuf>,
    /// The folder for everything that must survive [default: ./data].
    #[arg(long, value_name = "DIR", env = "RINGFENCE_DATA")]
    data: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8700].
    #[arg(long, value_name = "ADDRESS", env = "RINGFENCE_LISTEN")]
    listen: Option<SocketAddr>,
    /// Bearer token of the operator, who may do everything; one is made in
    /// the data folder if none is given.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "RINGFENCE_OPERATOR_TOKEN",
        hide_env_values = true
    )]
    operator_token: Option<String>,
}

impl Serve {
    /// Serves until SIGTERM or SIGINT, then drains; a second signal ends the
    /// process at once.
    pub fn run(self) -> Result<()> {
        let mut config = Config::load(self.config.as_deref())?;
        config.data = self.data.unwrap_or(config.data);
        config.listen = self.listen.unwrap_or(config.listen);
        log_to_stderr(config.log);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(IO_THREADS)
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        runtime.block_on(serve(&config, self.operator_token))
    }
}

async fn serve(config: &Config, operator_token: Option<String>) -> Result<()> {
    let data = DataFolder::open(&config.data)?;
    let operator_token = match operator_token {
        Some(token) => token,
        None => token_of_folder(&data)?,
    };
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let metrics = Arc::new(Metrics::default());
    let engine = host::start(&data, config, metrics.clone()).await?;
    let server = ServerConfig { operator_token };
    let shutdown = shutdown()?;
    ringfence_server::serve(listener, engine, metrics, server, shutdown).await?;
    Ok(())
}

fn token_of_folder(data: &DataFolder) -> Result<String> {
    let (token, path, made) = data.operator_token()?;
    let path = path.display();
    if made {
        tracing::info!("made an operator token; read it from {path}");
    } else {
        tracing::info!("the operator token is in {path}");
    }
    Ok(token)
}

/// Resolves at the first signal; the second ends the process.
fn shutdown() -> Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        drop(stop);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!("a second signal: stopping at once; nothing that was accepted is lost");
        std::process::exit(130);
    });
    Ok(async move { drop(stopped.await) })
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_env("RINGFENCE_LOG").unwrap_or_else(|_| "info".into());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
        LogFormat::Json => log.json().init(),
    }
}
