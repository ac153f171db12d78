//! The server of the demonstration.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use ringfence_engine::{Clock, Engine, EngineConfig};
use ringfence_server::ServerConfig;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::api::Operator;
use super::guests::Guests;
use super::recorder::Recorder;
use crate::config::{Config, Overrides, RunIn};
use crate::data::{DataFolder, hex, random};
use crate::host;

/// A server on a free loopback port, with a data folder that goes with it.
pub(super) struct Server {
    url: String,
    operator: Operator,
    engine: Engine,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
    _folder: TempDir,
}

impl Server {
    /// Starts it, with all defaults but these settings.
    pub(super) async fn start(
        guests: &Guests,
        clock: Arc<dyn Clock>,
        recorder: Arc<Recorder>,
        run_in: Option<RunIn>,
        settings: impl FnOnce(&mut EngineConfig),
    ) -> Result<Self> {
        let folder = folder(guests)?;
        let data = DataFolder::open(folder.path())?;
        let mut config = Config::without_file(Overrides {
            listen: Some(([127, 0, 0, 1], 0).into()),
            data: Some(folder.path().to_owned()),
            run_in,
            ..Overrides::default()
        })?;
        settings(&mut config.engine);
        let listener = TcpListener::bind(config.listen).await;
        let listener = listener.context("cannot listen on a loopback port")?;
        let url = format!("http://{}", listener.local_addr()?);
        let engine: Engine = host::start(data, &config, clock, recorder.clone()).await?;
        let operator_token = hex(&random()?);
        let operator = Operator::new(&url, &operator_token)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move {
            // Sent, or dropped with the server: both mean stop.
            let _ = stopped.await;
        };
        let server = ServerConfig::new(operator_token);
        let metrics = recorder.metrics().clone();
        let serving = ringfence_server::serve(listener, engine.clone(), metrics, server, shutdown);
        Ok(Self {
            url,
            operator,
            engine,
            stop,
            serving: tokio::spawn(serving),
            _folder: folder,
        })
    }

    /// Where it listens.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Who may do everything.
    pub(super) fn operator(&self) -> &Operator {
        &self.operator
    }

    /// Events that wait, of all tenants.
    pub(super) fn waiting(&self) -> u64 {
        self.engine.stats().waiting
    }

    /// Stops it, and removes what it kept.
    pub(super) async fn stop(self) -> Result<()> {
        // If it has ended already, the next line says why.
        let _ = self.stop.send(());
        self.serving.await?.context("the server failed")
    }
}

/// On a disk if possible: durability is part of what is shown.
fn folder(guests: &Guests) -> Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("ringfence-demo-");
    let around = guests.around().map(|around| builder.tempdir_in(around));
    match around {
        Some(Ok(folder)) => Ok(folder),
        _ => builder.tempdir().context("cannot make a temporary folder"),
    }
}
