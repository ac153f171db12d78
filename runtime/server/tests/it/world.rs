//! A server of its own for each test, and a client that holds each answer
//! against the OpenAPI document.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use ringfence_engine::{Engine, EngineConfig, PulseConfig, SystemClock};
use ringfence_sandbox::{Sandbox, SandboxConfig};
use ringfence_server::{AlertsConfig, Metrics, ServerConfig, serve};
use ringfence_store::Sqlite;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::document::Document;

/// The operator's token.
pub(crate) const OPERATOR: &str = "operator-for-tests-0123456789";

/// A running server.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    client: Client,
    document: Document,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
    folder: TempDir,
    setup: Setup,
}

/// What may be otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// How long lineage tokens are valid, in seconds.
    pub(crate) lineage_ttl_s: u64,
    /// What an anomaly is.
    pub(crate) pulse: PulseConfig,
    /// How it is told.
    pub(crate) alerts: AlertsConfig,
    /// Connections at one moment.
    pub(crate) connections: usize,
    /// How long a client may keep its answer waiting.
    pub(crate) answer_time: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            lineage_ttl_s: 3_600,
            pulse: PulseConfig::default(),
            alerts: AlertsConfig::default(),
            connections: 1_024,
            answer_time: Duration::from_secs(30),
        }
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, if the status is this.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// Checks that it is this problem.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(
            (self.status.as_u16(), self.body["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.body
        );
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["type"], format!("/problems/{code}"));
        assert_eq!(self.body["status"], status);
        self.body
    }
}

async fn start(
    folder: &Path,
    setup: Setup,
) -> (
    SocketAddr,
    oneshot::Sender<()>,
    JoinHandle<std::io::Result<()>>,
) {
    let store = Arc::new(Sqlite::open(folder.join("ringfence.db")).unwrap());
    let sandbox = SandboxConfig {
        concurrent_runs: 4,
        memory_bytes_max: 256 << 20,
        cache_bytes: 64 << 20,
        artifact_bytes: 64 << 20,
        tenant_data: None,
        reserve_growth: true,
        artifact_key: [7; 32],
    };
    let sandbox = Sandbox::new(sandbox, None).unwrap();
    let metrics = Arc::new(Metrics::default());
    let config = EngineConfig {
        workers: 2,
        pulse: setup.pulse,
        ..EngineConfig::default()
    };
    let clock = Arc::new(SystemClock::start());
    let engine = Engine::start(store, sandbox, clock, metrics.clone(), config);
    let engine = engine.await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let config = ServerConfig {
        lineage_ttl_s: setup.lineage_ttl_s,
        alerts: setup.alerts,
        connections: setup.connections,
        answer_time: setup.answer_time,
        ..ServerConfig::new(OPERATOR.into())
    };
    let shutdown = async move {
        let _ = stopped.await;
    };
    let server = tokio::spawn(serve(listener, engine, metrics, config, shutdown));
    (address, stop, server)
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    /// With lineage tokens that are valid so long, in seconds.
    pub(crate) async fn with_ttl(lineage_ttl_s: u64) -> Self {
        let setup = Setup {
            lineage_ttl_s,
            ..Setup::default()
        };
        Self::with(setup).await
    }

    /// Otherwise than usual.
    pub(crate) async fn with(setup: Setup) -> Self {
        Self::over(tempfile::tempdir().unwrap(), setup).await
    }

    async fn over(folder: TempDir, setup: Setup) -> Self {
        let (address, stop, server) = start(folder.path(), setup.clone()).await;
        let client = Client::new();
        let document = client
            .get(format!("http://{address}/openapi.json"))
            .bearer_auth(OPERATOR)
            .send()
            .await
            .unwrap();
        let document = Document::new(document.json().await.unwrap());
        Self {
            address,
            client,
            document,
            stop,
            server,
            folder,
            setup,
        }
    }

    /// Shuts down and waits until that is done.
    pub(crate) async fn stop(self) -> TempDir {
        self.stop.send(()).unwrap();
        self.server.await.unwrap().unwrap();
        self.folder
    }

    /// Shuts down, and starts again over the same data, with lineage tokens
    /// that are valid as long as usual.
    pub(crate) async fn restart(self) -> Self {
        let setup = Setup {
            lineage_ttl_s: Setup::default().lineage_ttl_s,
            ..self.setup.clone()
        };
        Self::over(self.stop().await, setup).await
    }

    pub(crate) fn document(&self) -> &Document {
        &self.document
    }

    /// Any request. Its answer is held against the document.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let kind = Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("http://{}{path}", self.address);
        let mut request = self.client.request(kind, url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body).send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = match serde_json::from_slice(&bytes) {
            Ok(value) => value,
            Err(_) if bytes.is_empty() => Value::Null,
            Err(_) => Value::from(String::from_utf8(bytes.to_vec()).unwrap()),
        };
        self.document
            .check(method, path, status.as_u16(), &headers, &body);
        Answer {
            status,
            headers,
            body,
        }
    }

    /// A request of the operator, with JSON or nothing.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let headers: &[_] = match &body {
            Some(_) => &[("content-type", "application/json")],
            None => &[],
        };
        let bytes = body.map_or(Vec::new(), |body| body.to_string().into_bytes());
        self.send(method, path, Some(OPERATOR), headers, bytes)
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    /// Creates a tenant.
    pub(crate) async fn tenant(&self, name: &str) {
        let path = format!("/v1/tenants/{name}");
        self.call("PUT", &path, Some(json!({}))).await.expect(201);
    }

    /// Makes a token.
    pub(crate) async fn token(&self, tenant: &str, scopes: &[&str]) -> String {
        let path = format!("/v1/tenants/{tenant}/tokens");
        let answer = self
            .call("POST", &path, Some(json!({"scopes": scopes})))
            .await;
        answer.expect(201)["token"].as_str().unwrap().to_owned()
    }

    /// Uploads a version.
    pub(crate) async fn upload(&self, tenant: &str, rule: &str, wasm: Vec<u8>) -> Answer {
        let path = format!("/v1/tenants/{tenant}/rules/{rule}/versions");
        let headers = [("content-type", "application/wasm")];
        self.send("POST", &path, Some(OPERATOR), &headers, wasm)
            .await
    }

    /// Uploads a version and puts it in force.
    pub(crate) async fn rule(&self, tenant: &str, rule: &str, wasm: Vec<u8>) {
        let version = self.upload(tenant, rule, wasm).await.expect(201);
        let path = format!("/v1/tenants/{tenant}/rules/{rule}/activation");
        let body = json!({"version": version["version"]});
        self.call("PUT", &path, Some(body)).await.expect(200);
    }

    /// Sends events as a batch, or one in structured form.
    pub(crate) async fn events(&self, tenant: &str, events: &Value) -> Answer {
        let kind = match events {
            Value::Array(_) => "application/cloudevents-batch+json",
            _ => "application/cloudevents+json",
        };
        let path = format!("/v1/tenants/{tenant}/events");
        let headers = [("content-type", kind)];
        let body = events.to_string().into_bytes();
        self.send("POST", &path, Some(OPERATOR), &headers, body)
            .await
    }

    /// Asks again and again until the answer is as wanted. A bound on the
    /// number of attempts ends a test that would wait for ever.
    pub(crate) async fn eventually(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..1_000 {
            last = self.get(path).await.expect(200);
            if wanted(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{path} stayed {last}");
    }

    /// What a root event set off.
    pub(crate) async fn cascade(&self, tenant: &str, root: &Value) -> Value {
        let root = root.as_str().unwrap();
        let path = format!("/v1/tenants/{tenant}/cascades/{root}");
        self.get(&path).await.expect(200)
    }

    /// Waits until an event is not waiting any more.
    pub(crate) async fn finished(&self, tenant: &str, event: &Value) -> Value {
        let path = format!("/v1/tenants/{tenant}/events/{}", event.as_str().unwrap());
        self.eventually(&path, |story| story["state"] != "waiting")
            .await
    }
}

/// A CloudEvent about a ticket.
pub(crate) fn event(id: &str, ty: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/desk", "type": ty,
        "subject": "t-1", "data": {"priority": "urgent"},
    })
}
