//! A client of the HTTP API.

use std::net::SocketAddr;
use std::sync::{Arc, RwLock};

use reqwest::Method;
use serde_json::Value;

use crate::{Answer, PATIENCE};

/// Speaks to a server with one token. Cheap to clone. Follows the server to
/// its new address when it is started again.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    address: Arc<RwLock<SocketAddr>>,
    token: Option<String>,
}

impl Api {
    pub(crate) fn new(address: SocketAddr, token: &str) -> Self {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .build()
            .expect("a client without TLS needs nothing that could be missing");
        Self {
            http,
            address: Arc::new(RwLock::new(address)),
            token: Some(token.to_owned()),
        }
    }

    /// The same server, another token or none.
    #[must_use]
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self {
            token: token.map(str::to_owned),
            ..self.clone()
        }
    }

    /// The token.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    pub(crate) fn moved_to(&self, address: SocketAddr) {
        *self.address.write().expect("no writer panics") = address;
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        *self.address.read().expect("no writer panics")
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// One request. Fails if there is no answer, as while the server is down.
    pub async fn try_call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, reqwest::Error> {
        let parsed = Method::from_bytes(method.as_bytes()).expect("tests send known methods");
        let mut request = self.http.request(parsed, self.url(path)).body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        Ok(Answer {
            request: format!("{method} {path}"),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await?.to_vec(),
        })
    }

    /// One request that must be answered.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let answer = self.try_call(method, path, headers, body.into()).await;
        answer.unwrap_or_else(|error| panic!("{method} {path}: no answer: {error:?}"))
    }

    /// A `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "").await
    }

    /// A `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, &[], "").await
    }

    /// A `PUT` of JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.call("PUT", path, &json, body.to_string()).await
    }

    /// A `POST` of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.call("POST", path, &json, body.to_string()).await
    }
}
