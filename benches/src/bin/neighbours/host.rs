//! The host: the real binary, with its worker processes, on a free loopback
//! port and with a folder of its own on disk.

use std::io::{BufRead as _, BufReader};
use std::net::{AddrParseError, SocketAddr};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use ringfence_benches::rule::{guest, guests};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Client, request};
use crate::journal::Journal;

const OPERATOR: &str = "operator-token-of-the-bench";
/// How long a server may take to listen, and to be ready.
const START: Duration = Duration::from_secs(60);
/// What the pipe of its log holds, in bytes: a server does not wait for who
/// reads it.
const PIPE_BYTES: usize = 1 << 20;

/// A running server. Dropping it kills it and removes its data.
pub(crate) struct Host {
    child: Child,
    address: SocketAddr,
    api: Client,
    journal: Arc<Journal>,
    _folder: TempDir,
}

/// A tenant, and what acts for it.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) token: String,
}

impl Tenant {
    /// A path of its API.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v1/tenants/{}{rest}", self.name)
    }
}

impl Host {
    /// Starts it with this configuration, beside what the bench needs itself.
    pub(crate) fn start(configuration: &str) -> Result<Self> {
        let binary = std::env::var_os("RINGFENCE_BIN").context("RINGFENCE_BIN is not set")?;
        // Beside the guests: on a disk, where the system's folder for temporary
        // files may be in memory.
        let around = guests().parent().map(Path::to_owned);
        let around = around.filter(|around| around.is_dir());
        let folder = match around {
            Some(around) => tempfile::tempdir_in(around),
            None => tempfile::tempdir(),
        }?;
        let config = folder.path().join("ringfence.toml");
        std::fs::write(&config, configuration)?;
        let mut child = spawn(&PathBuf::from(binary), folder.path(), &config)?;
        let journal = Arc::new(Journal::default());
        let stderr = child.stderr.take().context("a pipe")?;
        let address = match listening(stderr, &journal) {
            Ok(address) => address,
            Err(error) => {
                // It may have ended already, which is why.
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        let mut host = Self {
            child,
            address,
            api: Client::new(address),
            journal,
            _folder: folder,
        };
        host.wait_until_ready()?;
        Ok(host)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let ready = request("GET", "/readyz", "", "", b"");
        let began = ringfence_benches::start();
        while began.elapsed() < START {
            if self
                .api
                .ask(&ready)
                .is_ok_and(|answer| answer.status == 200)
            {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("the server does not become ready")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it said.
    pub(crate) fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Whether it runs still: nobody would start it again.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks as the operator.
    pub(crate) fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send(method, path, "application/json", body.as_bytes())
    }

    fn send(&mut self, method: &str, path: &str, media: &str, body: &[u8]) -> Result<Value> {
        let answer = self.api.ask(&request(method, path, OPERATOR, media, body));
        let answer = answer.with_context(|| format!("{method} {path}: no answer"))?;
        let text = || String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(answer.status < 300, "{method} {path}: {}", text());
        Ok(answer.json().unwrap_or_default())
    }

    /// Whether there is such a thing; fails if that is not said.
    pub(crate) fn exists(&mut self, path: &str) -> Result<bool> {
        let answer = self.api.ask(&request("GET", path, OPERATOR, "", b""))?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            status => bail!("GET {path}: {status}"),
        }
    }

    /// Makes a tenant and a token for it.
    pub(crate) fn tenant(&mut self, name: &str, body: &Value) -> Result<Tenant> {
        let path = format!("/v1/tenants/{name}");
        self.call("PUT", &path, Some(body))?;
        let scopes = json!({"scopes": ["events:write", "rules:write", "read"]});
        let token = self.call("POST", &format!("{path}/tokens"), Some(&scopes))?;
        Ok(Tenant {
            name: name.to_owned(),
            token: token["token"].as_str().context("a token")?.to_owned(),
        })
    }

    /// Uploads an example rule and puts it in force.
    pub(crate) fn activate(&mut self, tenant: &Tenant, rule: &str) -> Result<()> {
        let path = tenant.path(&format!("/rules/{rule}"));
        let component = guest(rule)?;
        let versions = format!("{path}/versions");
        let uploaded = self.send("POST", &versions, "application/wasm", &component)?;
        let version = json!({"version": uploaded["version"]});
        self.call("PUT", &format!("{path}/activation"), Some(&version))?;
        Ok(())
    }

    /// The values of a counter, by one of its labels.
    pub(crate) fn counter(&mut self, name: &str, label: &str) -> Result<Vec<(String, u64)>> {
        let answer = self
            .api
            .ask(&request("GET", "/metrics", OPERATOR, "", b""))?;
        let text = String::from_utf8_lossy(&answer.body);
        Ok(text
            .lines()
            .filter_map(|line| sample(line, name, label))
            .collect())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(binary: &Path, folder: &Path, config: &Path) -> Result<Child> {
    let mut command = Command::new(binary);
    // What is set for the bench is not meant for the server.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RINGFENCE_") {
            command.env_remove(name);
        }
    }
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--config"])
        .arg(config)
        .arg("--data")
        .arg(folder.join("data"))
        .env("RINGFENCE_OPERATOR_TOKEN", OPERATOR)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} cannot be started", binary.display()))
}

/// Reads the log to its end on a thread, and waits for the address in it.
fn listening(stderr: ChildStderr, journal: &Arc<Journal>) -> Result<SocketAddr> {
    rustix::pipe::fcntl_setpipe_size(stderr.as_fd(), PIPE_BYTES)?;
    let (found, address) = channel::<Result<SocketAddr, AddrParseError>>();
    let kept = Arc::clone(journal);
    thread::spawn(move || {
        let mut found = Some(found);
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("listening on http://")
                && let Some(found) = found.take()
            {
                // Who has given up does not listen any more.
                let _ = found.send(address.parse());
            }
            kept.add(&line);
        }
    });
    match address.recv_timeout(START) {
        Ok(address) => Ok(address?),
        Err(_) => bail!("the server does not listen; it said:\n{}", journal.end()),
    }
}

/// A sample of this counter in a line of the metrics.
fn sample(line: &str, name: &str, label: &str) -> Option<(String, u64)> {
    let labels = line.strip_prefix(name)?.strip_prefix('{')?;
    let (labels, value) = labels.split_once("} ")?;
    let value = value.parse().ok()?;
    let mut labels = labels.split(',').filter_map(|label| label.split_once('='));
    let (_, of_label) = labels.find(|(name, _)| *name == label)?;
    Some((of_label.trim_matches('"').to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_a_counter() {
        let line = r#"ringfence_dead_letters_total{code="out-of-fuel"} 12"#;
        let found = sample(line, "ringfence_dead_letters_total", "code");
        assert_eq!(found, Some(("out-of-fuel".into(), 12)));
        let line = r#"ringfence_http_requests_total{method="GET",route="/x",status="404"} 3"#;
        let found = sample(line, "ringfence_http_requests_total", "status");
        assert_eq!(found, Some(("404".into(), 3)));
        assert_eq!(sample("# HELP x y", "x", "code"), None);
        assert_eq!(
            sample("ringfence_tenants 3", "ringfence_tenants", "code"),
            None
        );
    }
}
