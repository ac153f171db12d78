//! What a tenant does: upload, activate, send, ask.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{Answer, Api, PATIENCE, guest};

/// Items per page where everything is read.
const PAGE: u32 = 500;

/// A CloudEvent with an id that no other has.
pub fn event(ty: &str, subject: &str, data: Value) -> Value {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut event = json!({
        "specversion": "1.0",
        "id": format!("e{id}"),
        "source": "/tests",
        "type": ty,
        "subject": subject,
        "time": "2026-01-31T12:00:00Z",
    });
    event["data"] = data;
    event
}

/// How many of a tenant's events are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Something is still to be done.
    pub waiting: u64,
    /// Done.
    pub done: u64,
    /// Finished with a dead letter.
    pub dead_lettered: u64,
}

/// A tenant and its token. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// The API, with its token.
    pub api: Api,
}

impl Tenant {
    pub(crate) fn new(name: &str, api: Api) -> Self {
        Self {
            name: name.to_owned(),
            api,
        }
    }

    /// A path below the tenant, which begins with `/`.
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/tenants/{}{rest}", self.name)
    }

    /// Asks below the tenant; the answer must be 200.
    pub async fn get(&self, rest: &str) -> Value {
        self.api.get(&self.path(rest)).await.expect(200)
    }

    /// Uploads bytes as a version of a rule.
    pub async fn upload(&self, rule: &str, component: impl Into<Vec<u8>>) -> Answer {
        let path = self.path(&format!("/rules/{rule}/versions"));
        let wasm = [("content-type", "application/wasm")];
        self.api.call("POST", &path, &wasm, component).await
    }

    /// Puts a guest example in force as the rule of the same name, and
    /// answers its manifest.
    pub async fn activate(&self, name: &str) -> Value {
        self.activate_with(name, json!({})).await
    }

    /// The same with further members of the activation: `config`, `mode`,
    /// `percent`, `limits`.
    pub async fn activate_with(&self, name: &str, mut activation: Value) -> Value {
        let version = self.upload(name, guest(name)).await;
        assert!([200, 201].contains(&version.status), "{}", version.text());
        let version = version.json();
        activation["version"] = version["version"].clone();
        let path = self.path(&format!("/rules/{name}/activation"));
        self.api.put(&path, &activation).await.expect(200);
        version["manifest"].clone()
    }

    /// Sends a batch.
    pub async fn batch(&self, events: &[Value]) -> Answer {
        let body = serde_json::to_vec(events).expect("values are JSON");
        let batch = [("content-type", "application/cloudevents-batch+json")];
        let path = self.path("/events");
        self.api.call("POST", &path, &batch, body).await
    }

    /// Sends a batch, which must be accepted; answers the ids.
    pub async fn send(&self, events: &[Value]) -> Vec<String> {
        accepted(&self.batch(events).await)
    }

    /// What happened to an event.
    pub async fn story(&self, id: &str) -> Value {
        self.get(&format!("/events/{id}")).await
    }

    /// Waits until each of these events is finished: done or in the dead
    /// letters. Answers what happened to them.
    pub async fn wait_until_done(&self, ids: &[String]) -> Vec<Value> {
        let mut stories = Vec::with_capacity(ids.len());
        for id in ids {
            let mut story = self.story(id).await;
            let finished = async {
                while story["state"] == "waiting" {
                    sleep(Duration::from_millis(20)).await;
                    story = self.story(id).await;
                }
            };
            if timeout(PATIENCE, finished).await.is_err() {
                panic!("event {id} of `{}` is not finished: {story}", self.name);
            }
            stories.push(story);
        }
        stories
    }

    /// Sends a batch and waits until each event is finished.
    pub async fn run(&self, events: &[Value]) -> Vec<Value> {
        let ids = self.send(events).await;
        self.wait_until_done(&ids).await
    }

    /// How many events are in which state.
    pub async fn counts(&self) -> Counts {
        let usage = self.get("/usage").await;
        let count = |name: &str| {
            let count = usage["events"][name].as_u64();
            count.unwrap_or_else(|| panic!("no `events.{name}`: {usage}"))
        };
        Counts {
            waiting: count("waiting"),
            done: count("done"),
            dead_lettered: count("dead_lettered"),
        }
    }

    /// Waits until nothing waits: also all follow-up events are finished.
    pub async fn settle(&self) -> Counts {
        let mut counts = self.counts().await;
        let settled = async {
            while counts.waiting > 0 {
                sleep(Duration::from_millis(20)).await;
                counts = self.counts().await;
            }
        };
        if timeout(PATIENCE, settled).await.is_err() {
            panic!("`{}` does not settle: {counts:?}", self.name);
        }
        counts
    }

    /// One execution.
    pub async fn execution(&self, id: &Value) -> Value {
        let id = id.as_str().unwrap_or_else(|| panic!("no id: {id}"));
        self.get(&format!("/executions/{id}")).await
    }

    /// All executions that match a query such as `rule=three-strikes`,
    /// newest first.
    pub async fn executions(&self, query: &str) -> Vec<Value> {
        self.pages("/executions", "cursor", query).await
    }

    /// All dead letters that match a query, newest first.
    pub async fn dead_letters(&self, query: &str) -> Vec<Value> {
        self.pages("/dead-letters", "cursor", query).await
    }

    /// All effects that wait for the host application, oldest first.
    pub async fn effects(&self) -> Vec<Value> {
        self.pages("/effects", "after", "").await
    }

    /// What a root event set off; at most 500 of its events.
    pub async fn cascade(&self, root: &str) -> Value {
        self.get(&format!("/cascades/{root}?limit={PAGE}")).await
    }

    async fn pages(&self, list: &str, cursor: &str, query: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = String::new();
        loop {
            let mut page = self
                .get(&format!("{list}?limit={PAGE}&{query}{next}"))
                .await;
            let Value::Array(more) = page["items"].take() else {
                panic!("{list}: no `items`: {page}");
            };
            items.extend(more);
            match page["next"].as_str() {
                Some(at) => next = format!("&{cursor}={at}"),
                None => return items,
            }
        }
    }
}

/// The ids of an acceptance.
fn accepted(answer: &Answer) -> Vec<String> {
    let body = answer.expect(202);
    let events = body["accepted"].as_array();
    let events = events.unwrap_or_else(|| panic!("no `accepted`: {body}"));
    let id = |event: &Value| event["id"].as_str().map(str::to_owned);
    let ids = events
        .iter()
        .map(|event| id(event).expect("an id is a text"));
    ids.collect()
}
