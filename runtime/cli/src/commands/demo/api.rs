//! The HTTP API, as customers use it.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::Hint as _;

/// Longer than anything here takes.
const REQUEST_TIME: Duration = Duration::from_secs(60);
/// Items per page of a list.
const PAGE: u32 = 500;

/// The operator.
#[derive(Clone)]
pub(super) struct Operator {
    client: Client,
    url: String,
    token: String,
}

/// One tenant.
pub(super) struct Api {
    client: Client,
    /// `http://ADDRESS/v1/tenants/TENANT`.
    url: String,
    token: String,
}

/// An event was refused.
#[derive(Debug)]
pub(super) struct Refused {
    /// The problem's code.
    pub(super) code: String,
}

/// RFC 9457, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    /// Stable, for programs.
    pub(super) code: String,
    detail: String,
    #[serde(default)]
    hint: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct Accepted {
    accepted: Vec<AcceptedEvent>,
}

#[derive(Deserialize)]
struct AcceptedEvent {
    id: String,
}

#[derive(Deserialize)]
struct Story {
    state: State,
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// Something is still to be done.
    Waiting,
    /// All is done.
    Done,
    /// It is finished, and in the dead letters.
    DeadLettered,
}

#[derive(Deserialize)]
struct TenantUsage {
    events: Counts,
}

#[derive(Deserialize)]
struct Counts {
    waiting: u64,
}

/// One page of the dead letters.
#[derive(Debug, Deserialize)]
pub(super) struct DeadLetters {
    /// The letters.
    pub(super) items: Vec<DeadLetter>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
}

/// A piece of work that was given up.
#[derive(Debug, Deserialize)]
pub(super) struct DeadLetter {
    /// Why.
    pub(super) stop: Stop,
    /// Since when, in microseconds since 1970.
    pub(super) since_us: u64,
}

/// Why.
#[derive(Debug, Deserialize)]
pub(super) struct Stop {
    /// Stable, for programs.
    pub(super) code: String,
    /// In a sentence.
    pub(super) message: String,
}

impl Operator {
    /// At a server.
    pub(super) fn new(url: &str, token: &str) -> Result<Self> {
        // The way to a loopback port is never through a proxy.
        let client = Client::builder().no_proxy().timeout(REQUEST_TIME).build()?;
        Ok(Self {
            client,
            url: url.to_owned(),
            token: token.to_owned(),
        })
    }

    /// Makes a tenant, or changes it.
    pub(super) async fn put(&self, tenant: &str, body: &Value) -> Result<()> {
        let url = format!("{}/v1/tenants/{tenant}", self.url);
        let put = self.client.put(url).bearer_auth(&self.token).json(body);
        let _: Value = answer(put).await?;
        Ok(())
    }

    /// Makes a tenant and a token for it.
    pub(super) async fn sign_up(&self, tenant: &str) -> Result<Api> {
        self.put(tenant, &json!({})).await?;
        let url = format!("{}/v1/tenants/{tenant}", self.url);
        let scopes = json!({"scopes": ["events:write", "rules:write", "read"]});
        let post = self.client.post(format!("{url}/tokens"));
        let token: Token = answer(post.bearer_auth(&self.token).json(&scopes)).await?;
        Ok(Api {
            client: self.client.clone(),
            url,
            token: token.token,
        })
    }
}

impl Api {
    /// A request below the tenant; the path begins with `/`.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        request.bearer_auth(&self.token)
    }

    /// Uploads a component; answers the version.
    pub(super) async fn upload(&self, rule: &str, component: Vec<u8>) -> Result<String> {
        let request = self
            .request(Method::POST, &format!("/rules/{rule}/versions"))
            .header("content-type", "application/wasm")
            .body(component);
        let version: Version = answer(request).await?;
        Ok(version.version)
    }

    /// Puts a version in force.
    pub(super) async fn activate(&self, rule: &str, version: &str, config: Value) -> Result<()> {
        let body = json!({"version": version, "config": config});
        let request = self.request(Method::PUT, &format!("/rules/{rule}/activation"));
        let _: Value = answer(request.json(&body)).await?;
        Ok(())
    }

    /// Sends an event; answers its id.
    pub(super) async fn send(&self, event: &Value) -> Result<Result<String, Refused>> {
        let request = self
            .request(Method::POST, "/events")
            .header("content-type", "application/cloudevents+json")
            .body(event.to_string());
        let response = request.send().await?;
        if response.status() != StatusCode::ACCEPTED {
            let problem: Problem = response.json().await?;
            return Ok(Err(Refused { code: problem.code }));
        }
        let accepted: Accepted = response.json().await?;
        let event = accepted.accepted.into_iter().next();
        Ok(Ok(event.context("the server accepted nothing")?.id))
    }

    /// Where an event stands; none if the server does not know it.
    pub(super) async fn state(&self, id: &str) -> Result<Option<State>> {
        let response = self
            .request(Method::GET, &format!("/events/{id}"))
            .send()
            .await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let story: Story = response.error_for_status()?.json().await?;
        Ok(Some(story.state))
    }

    /// How many events wait, follow-ups included.
    pub(super) async fn waiting(&self) -> Result<u64> {
        let usage: TenantUsage = answer(self.request(Method::GET, "/usage")).await?;
        Ok(usage.events.waiting)
    }

    /// A page of the dead letters.
    pub(super) async fn dead_letters(&self, cursor: Option<&str>) -> Result<DeadLetters> {
        let mut path = format!("/dead-letters?limit={PAGE}");
        if let Some(cursor) = cursor {
            path = format!("{path}&cursor={cursor}");
        }
        answer(self.request(Method::GET, &path)).await
    }
}

/// Sends a request that should not be refused.
pub(super) async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T> {
    let response = request.send().await.context("the server does not answer")?;
    let status = response.status();
    let body = response.bytes().await?;
    if status.is_success() {
        return serde_json::from_slice(&body).context("the server's answer is not understood");
    }
    let problem: Problem = serde_json::from_slice(&body)
        .with_context(|| format!("the server answered {status} and no problem"))?;
    let refused = Err(anyhow!("{} ({})", problem.detail, problem.code));
    match problem.hint {
        Some(hint) => refused.hint(hint),
        None => refused,
    }
}
