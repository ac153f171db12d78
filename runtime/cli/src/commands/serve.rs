//! `ringfence serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use ringfence_engine::SystemClock;
use ringfence_model::Webhook;
use ringfence_server::{AlertsConfig, Metrics, ServerConfig, check_webhook};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Config, Overrides, RunIn};
use crate::console;
use crate::data::DataFolder;
use crate::error::{Hint as _, Verdict};
use crate::{host, logging};

/// Runs the server until it is told to stop (SIGTERM, SIGINT, SIGHUP). It then
/// finishes what was begun; a second signal ends it at once, and loses
/// nothing that was accepted.
///
/// The operator's token is taken from RINGFENCE_OPERATOR_TOKEN, else from the
/// file `operator-token` in the data folder, which is made at the first start.
/// What alerts to the operator are signed with is taken from
/// RINGFENCE_ALERTS_SECRET.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The configuration [default: ringfence.toml, if there is one]
    #[arg(long, value_name = "FILE", env = "RINGFENCE_CONFIG")]
    config: Option<PathBuf>,
    /// Where everything is kept [default: data]
    #[arg(long, value_name = "DIR", env = "RINGFENCE_DATA")]
    data: Option<PathBuf>,
    /// Where tenants' data are that their rules may read, each in a folder
    /// with the tenant's name
    #[arg(long, value_name = "DIR", env = "RINGFENCE_TENANT_DATA")]
    tenant_data: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8700]
    #[arg(long, value_name = "ADDR", env = "RINGFENCE_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where rules run [default: processes]
    #[arg(long, value_name = "WHERE", env = "RINGFENCE_RUN_IN")]
    run_in: Option<RunIn>,
    /// What to log: a level, or levels by module [default: info]
    #[arg(long, value_name = "FILTER", env = "RINGFENCE_LOG")]
    log: Option<String>,
}

pub(crate) fn serve(args: &ServeArgs) -> Result<Verdict> {
    let config = Config::load(Overrides {
        file: args.config.clone(),
        listen: args.listen,
        data: args.data.clone(),
        tenant_data: args.tenant_data.clone(),
        log_filter: args.log.clone(),
        run_in: args.run_in,
    })?;
    logging::start(&config.log)?;
    let layers = host::compiler()
        .layers()
        .context("uploads cannot be compiled, because the process for it does not run")?;
    console::say(format_args!(
        "uploads are compiled in processes of their own: {layers}"
    ));
    host::runtime()?.block_on(serve_with(config))?;
    Ok(Verdict::Fine)
}

async fn serve_with(config: Config) -> Result<()> {
    let mut signals = Signals::listen()?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))
        .hint("Another server may run there; name another address with `--listen`.")?;
    let address = listener.local_addr()?;
    let alerts = alerts(config.alerts_url.as_deref())?;
    let data = DataFolder::open(&config.data)?;
    let operator_token = data.operator_token(given_token()?)?;
    let metrics = Arc::new(Metrics::default());
    let clock = Arc::new(SystemClock::start());
    let engine = host::start(data, &config, clock, metrics.clone()).await?;
    // Programs wait for this line; keep it.
    console::say(format_args!("listening on http://{address}"));
    let server = ServerConfig {
        lineage_ttl_s: config.lineage_ttl_s,
        alerts,
        ..ServerConfig::new(operator_token)
    };
    let shutdown = async move {
        signals.next().await;
        tokio::spawn(async move {
            let code = signals.next().await;
            std::process::exit(code);
        });
    };
    ringfence_server::serve(listener, engine, metrics, server, shutdown)
        .await
        .context("the server failed")
}

fn given_token() -> Result<Option<String>> {
    match std::env::var("RINGFENCE_OPERATOR_TOKEN") {
        Ok(token) => Ok(Some(token)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(error) => Err(error).context("RINGFENCE_OPERATOR_TOKEN cannot be used"),
    }
}

/// Where the operator is told of anomalies. The secret is not in the file, which
/// more people may read.
fn alerts(url: Option<&str>) -> Result<AlertsConfig> {
    let Some(url) = url else {
        return Ok(AlertsConfig::default());
    };
    let secret = std::env::var("RINGFENCE_ALERTS_SECRET")
        .context("`alerts.webhook_url` is set, and RINGFENCE_ALERTS_SECRET is not")
        .hint("Set it to `whsec_` and base64 of 24 to 64 random bytes, which the receiver knows, too.")?;
    let webhook = Webhook {
        url: url.to_owned(),
        secret,
    };
    check_webhook(&webhook)
        .context("`alerts.webhook_url` or RINGFENCE_ALERTS_SECRET cannot be used")?;
    Ok(AlertsConfig {
        webhook: Some(webhook),
        ..AlertsConfig::default()
    })
}

/// The signals that mean: stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// What a terminal sends when it is closed.
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// The next one, as the exit code of a process that it has ended.
    async fn next(&mut self) -> i32 {
        const ENDED_BY: i32 = 128;
        let kind = tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.hangup.recv() => SignalKind::hangup(),
        };
        ENDED_BY + kind.as_raw_value()
    }
}
