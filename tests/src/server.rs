//! A server: the real binary in a process of its own, on a free port, with a
//! folder of its own.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::random::say;
use crate::{Api, PATIENCE, Tenant, binary};

const OPERATOR: &str = "operator-token-of-the-tests";

/// Lines of the server's log that are kept to be shown when a test fails.
const LOG_LINES_MAX: usize = 200;

type Log = Arc<Mutex<VecDeque<String>>>;

/// A running server. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Server {
    child: Child,
    data: TempDir,
    api: Api,
    log: Log,
}

impl Server {
    /// Starts a server with no data, and waits until it is ready.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same, with this configuration.
    pub async fn start_with(configuration: &str) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder can be made");
        // It is started in its data folder, where it looks for one.
        std::fs::write(data.path().join("ringfence.toml"), configuration)
            .expect("a file can be written there");
        let log = Log::default();
        let (child, address) = spawn(&data, &log);
        let server = Self {
            child,
            data,
            api: Api::new(address, OPERATOR),
            log,
        };
        server.wait_until_ready().await;
        server
    }

    /// The API, with the operator's token.
    pub fn operator(&self) -> &Api {
        &self.api
    }

    /// A number among its metrics: of the one with this name, without `ringfence_`,
    /// and these labels, if it has any.
    pub async fn metric(&self, name: &str) -> u64 {
        let text = self.api.get("/metrics").await.text();
        let number = text.lines().find_map(|line| {
            let (of, number) = line.strip_prefix("ringfence_")?.split_once(' ')?;
            (of == name).then_some(number)
        });
        let number = number.unwrap_or_else(|| panic!("no `{name}`: {text}"));
        number.parse().expect("a metric is a number")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Creates a tenant with these limits (`json!({})` for none of its own)
    /// and a token with all scopes.
    pub async fn tenant_with(&self, name: &str, limits: serde_json::Value) -> Tenant {
        self.tenant_as(name, &json!({ "limits": limits })).await
    }

    /// Creates a tenant of which this is said, and a token with all scopes.
    pub async fn tenant_as(&self, name: &str, body: &serde_json::Value) -> Tenant {
        let path = format!("/v1/tenants/{name}");
        self.api.put(&path, body).await.expect(201);
        let token = self
            .token(name, &["events:write", "rules:write", "read"])
            .await;
        Tenant::new(name, self.api.with_token(Some(&token)))
    }

    /// Creates a tenant with the limits of the plan `standard`.
    pub async fn tenant(&self, name: &str) -> Tenant {
        self.tenant_with(name, json!({})).await
    }

    /// Makes a token of a tenant.
    pub async fn token(&self, tenant: &str, scopes: &[&str]) -> String {
        let path = format!("/v1/tenants/{tenant}/tokens");
        let body = json!({ "scopes": scopes });
        let made = self.api.post(&path, &body).await.expect(201);
        let token = made["token"].as_str();
        token.expect("a token is a text").to_owned()
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    pub async fn stop(&mut self) -> ExitStatus {
        self.ask_to_stop();
        self.wait_until_gone().await
    }

    /// Sends SIGTERM.
    pub fn ask_to_stop(&self) {
        let kill = Command::new("sh")
            .args(["-c", &format!("kill -TERM {}", self.child.id())])
            .status();
        assert!(
            kill.is_ok_and(|status| status.success()),
            "kill -TERM failed"
        );
    }

    /// Waits until the process has ended by itself.
    pub async fn wait_until_gone(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let gone = async {
            loop {
                match child.try_wait().expect("a child can be waited for") {
                    Some(status) => return status,
                    None => sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let gone = timeout(PATIENCE, gone).await;
        gone.expect("the server stops when it is asked to")
    }

    /// Kills it (SIGKILL): it gets no chance to tidy up.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// Starts it again on the same data. It must not be running.
    pub async fn restart(&mut self) {
        let (child, address) = spawn(&self.data, &self.log);
        self.child = child;
        self.api.moved_to(address);
        self.wait_until_ready().await;
    }

    /// The same with another configuration, with which it may be overloaded:
    /// waits only until it answers.
    pub async fn restart_with(&mut self, configuration: &str) {
        std::fs::write(self.data.path().join("ringfence.toml"), configuration)
            .expect("a file can be written there");
        let (child, address) = spawn(&self.data, &self.log);
        self.child = child;
        self.api.moved_to(address);
        self.wait_for("/healthz").await;
    }

    async fn wait_until_ready(&self) {
        self.wait_for("/readyz").await;
    }

    async fn wait_for(&self, path: &str) {
        let anonymous = self.api.with_token(None);
        let ready = async {
            loop {
                match anonymous.try_call("GET", path, &[], vec![]).await {
                    Ok(answer) if answer.status == 200 => return,
                    _ => sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let ready = timeout(PATIENCE, ready).await;
        ready.expect("a server that listens becomes ready");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log.lock().expect("no writer of the log panics");
            say("--- the server's log, its end ---");
            log.iter().for_each(|line| say(line));
        }
    }
}

fn spawn(data: &TempDir, log: &Log) -> (Child, SocketAddr) {
    let mut command = Command::new(binary());
    // What is set for the tests is not meant for the server.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RINGFENCE_") {
            command.env_remove(name);
        }
    }
    let mut child = command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data.path())
        .env("RINGFENCE_OPERATOR_TOKEN", OPERATOR)
        .env("NO_COLOR", "1")
        .current_dir(data.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    let stderr = child.stderr.take().expect("stderr is a pipe");
    match listening(stderr, log).recv_timeout(PATIENCE) {
        Ok(address) => (child, address),
        Err(error) => {
            let _ = child.kill();
            let status = child.wait();
            let log = log.lock().expect("no writer of the log panics");
            let lines: Vec<&str> = log.iter().map(String::as_str).collect();
            panic!(
                "the server said no address ({error}; {status:?}):\n{}",
                lines.join("\n")
            );
        }
    }
}

/// Reads the log to its end on a thread, and gives the first address in it.
fn listening(stderr: ChildStderr, log: &Log) -> Receiver<SocketAddr> {
    let (found, address) = channel();
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        let mut found: Option<Sender<SocketAddr>> = Some(found);
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Some(address) = address_in(&line)
                && let Some(found) = found.take()
            {
                // A test that has given up does not listen any more.
                let _ = found.send(address);
            }
            let mut log = log.lock().expect("no writer of the log panics");
            if log.len() == LOG_LINES_MAX {
                log.pop_front();
            }
            log.push_back(line);
        }
    });
    address
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let rest = &line[line.find("127.0.0.1:")?..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
    let address: SocketAddr = rest[..end.unwrap_or(rest.len())].parse().ok()?;
    (address.port() != 0).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_a_log_line() {
        for (line, port) in [
            ("ringfence listens on http://127.0.0.1:4711", Some(4711)),
            ("INFO listening address=127.0.0.1:80 data=/x", Some(80)),
            ("asked for 127.0.0.1:0", None),
            ("nothing here", None),
        ] {
            assert_eq!(
                address_in(line).map(|address| address.port()),
                port,
                "{line}"
            );
        }
    }
}
