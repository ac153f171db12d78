//! A server in a process of its own: the binary that `RINGFENCE_BIN` names, on a
//! free port, and what it takes of the host.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// The operator's token.
const TOKEN: &str = "bench-operator-token";

/// How long to wait between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    url: String,
    client: reqwest::Client,
    /// From its start until `/readyz` said yes.
    pub ready: Duration,
}

/// Memory that is resident, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resident {
    /// Of the server's process.
    pub server: u64,
    /// Of its worker processes together. What they share is counted for each.
    pub workers: u64,
    /// The largest that the server's process ever had.
    pub peak: u64,
}

impl Process {
    /// Starts a server on this data folder, and waits until it is ready.
    /// `RINGFENCE_BIN` names it.
    ///
    /// # Errors
    /// When it cannot be started, or ends.
    pub async fn start(data: &Path, configuration: &str) -> Result<Self> {
        let binary = std::env::var_os("RINGFENCE_BIN");
        let binary = binary.context("RINGFENCE_BIN names the binary to measure")?;
        let file = data.join("bench.toml");
        std::fs::write(&file, configuration)?;
        let begun = crate::start();
        let mut child = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn"])
            .arg("--config")
            .arg(&file)
            .arg("--data")
            .arg(data)
            .env("RINGFENCE_OPERATOR_TOKEN", TOKEN)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().context("stderr is a pipe")?;
        let mut process = Self {
            child,
            url: String::new(),
            client: reqwest::Client::new(),
            ready: Duration::ZERO,
        };
        let mut lines = BufReader::new(stderr).lines();
        loop {
            let line = lines.next().context("the server ended")??;
            if let Some((_, url)) = line.split_once("listening on ") {
                url.trim().clone_into(&mut process.url);
                break;
            }
            say(&line);
        }
        // What it says later is shown, and does not fill the pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| say(&line)));
        while !process.is_ready().await {
            let ended = process.child.try_wait()?;
            anyhow::ensure!(ended.is_none(), "the server ended");
            tokio::time::sleep(LOOK).await;
        }
        process.ready = begun.elapsed();
        Ok(process)
    }

    async fn is_ready(&self) -> bool {
        let asked = self.client.get(format!("{}/readyz", self.url)).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    /// Sends a request with the operator's token; answers what it was answered.
    ///
    /// # Errors
    /// When it was refused.
    pub async fn call(&self, method: &str, path: &str, ty: &str, body: Vec<u8>) -> Result<Value> {
        let request = self
            .client
            .request(method.parse()?, format!("{}{path}", self.url))
            .bearer_auth(TOKEN)
            .header("content-type", ty)
            .body(body);
        let answer = request.send().await?;
        let status = answer.status();
        let bytes = answer.bytes().await?;
        ensure!(
            status.is_success(),
            "{method} {path}: {status} {}",
            String::from_utf8_lossy(&bytes)
        );
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// One of `/metrics`, by its whole name.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn metric(&self, name: &str) -> Result<u64> {
        let url = format!("{}/metrics", self.url);
        let text = self.client.get(url).bearer_auth(TOKEN).send().await?;
        let text = text.text().await?;
        let line = text.lines().find_map(|line| {
            let (of, value) = line.split_once(' ')?;
            (of == name).then(|| value.to_owned())
        });
        Ok(line.with_context(|| format!("no `{name}`"))?.parse()?)
    }

    /// What it takes of the host's memory now.
    ///
    /// # Errors
    /// When it is gone.
    pub fn resident(&self) -> Result<Resident> {
        let id = self.child.id();
        let mut workers = 0;
        for task in std::fs::read_dir(format!("/proc/{id}/task"))? {
            let children = std::fs::read_to_string(task?.path().join("children"))?;
            for child in children.split_whitespace() {
                workers += status(child, "VmRSS:")?;
            }
        }
        Ok(Resident {
            server: status(&id.to_string(), "VmRSS:")?,
            workers,
            peak: status(&id.to_string(), "VmHWM:")?,
        })
    }

    /// Kills it: it gets no chance to tidy up.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn stop(mut self) -> Result<()> {
        let id = i32::try_from(self.child.id())?;
        let id = rustix::process::Pid::from_raw(id).context("a process has an id")?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[allow(clippy::print_stderr)] // what a server says is its own
fn say(line: &str) {
    eprintln!("server: {line}");
}

/// A line of a process' status, which is in KiB, in bytes.
fn status(process: &str, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.with_context(|| format!("no `{name}`"))?;
    let kib: u64 = value.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}

/// Bytes as MiB.
pub fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / (1 << 20) as f64)
}

/// One of some figures that are in order: `part` of 1 are at most as large.
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = (sorted.len() as f64 * part).ceil() as usize;
    sorted[at.clamp(1, sorted.len()) - 1]
}
