//! What a host application, and who looks into what happened, ask of the API.

use anyhow::{Context as _, Result};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::api::{Api, Problem, Refused, answer};

/// An action that waits for the host application.
#[derive(Debug, Deserialize)]
pub(super) struct Effect {
    /// Its place; greater is later.
    pub(super) seq: u64,
    /// The same however often it is taken.
    pub(super) id: String,
    /// The event that it was asked for on.
    pub(super) event: String,
    /// What to do.
    pub(super) action: Action,
    /// What events that it causes are sent with.
    pub(super) lineage: String,
}

/// What to do.
#[derive(Debug, Deserialize)]
pub(super) struct Action {
    /// Its name.
    pub(super) name: String,
    /// With what.
    pub(super) payload: Value,
}

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
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
    event: Event,
}

#[derive(Deserialize)]
struct Event {
    subject: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    events: EventCounts,
}

/// A tenant's events, follow-ups included.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
pub(super) struct EventCounts {
    /// Not finished.
    pub(super) waiting: u64,
    /// Finished without a dead letter.
    pub(super) done: u64,
    /// Finished with one.
    pub(super) dead_lettered: u64,
}

impl EventCounts {
    /// All that are kept.
    pub(super) fn all(&self) -> u64 {
        self.waiting + self.done + self.dead_lettered
    }
}

/// A time in which traffic is out of the ordinary.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Anomaly {
    /// Which kind.
    pub(super) kind: String,
    /// What was seen.
    pub(super) message: String,
}

impl Api {
    /// Actions that wait, the oldest first; waits for one.
    pub(super) async fn take_effects(&self, limit: u32, wait_ms: u64) -> Result<Vec<Effect>> {
        let path = format!("/effects?limit={limit}&wait_ms={wait_ms}");
        let page: List<Effect> = answer(self.request(Method::GET, &path)).await?;
        Ok(page.items)
    }

    /// All actions up to this one were done.
    pub(super) async fn acknowledge(&self, up_to: u64) -> Result<()> {
        let request = self.request(Method::POST, "/effects/ack");
        let _: Value = answer(request.json(&json!({"up_to": up_to}))).await?;
        Ok(())
    }

    /// Sends events, all or none; answers their ids.
    pub(super) async fn send_all(&self, events: &[Value]) -> Result<Result<Vec<String>, Refused>> {
        let body = serde_json::to_vec(events)?;
        let request = self
            .request(Method::POST, "/events")
            .header("content-type", "application/cloudevents-batch+json");
        let response = request.body(body).send().await?;
        if response.status() != StatusCode::ACCEPTED {
            let problem: Problem = response.json().await?;
            return Ok(Err(Refused { code: problem.code }));
        }
        let accepted: Accepted = response.json().await?;
        Ok(Ok(accepted
            .accepted
            .into_iter()
            .map(|event| event.id)
            .collect()))
    }

    /// What an event is about.
    pub(super) async fn subject(&self, event: &str) -> Result<Option<String>> {
        let request = self.request(Method::GET, &format!("/events/{event}"));
        let story: Story = answer(request).await?;
        Ok(story.event.subject)
    }

    /// How many events are in which state.
    pub(super) async fn counts(&self) -> Result<EventCounts> {
        let usage: Usage = answer(self.request(Method::GET, "/usage")).await?;
        Ok(usage.events)
    }

    /// Takes a rule out of force.
    pub(super) async fn deactivate(&self, rule: &str) -> Result<()> {
        let path = format!("/rules/{rule}/activation");
        let response = self.request(Method::DELETE, &path).send().await?;
        response
            .error_for_status()
            .with_context(|| format!("rule {rule} cannot be taken out of force"))?;
        Ok(())
    }

    /// The oldest anomaly of those that are kept.
    pub(super) async fn first_anomaly(&self) -> Result<Option<Anomaly>> {
        let page: List<Anomaly> = answer(self.request(Method::GET, "/anomalies?limit=500")).await?;
        Ok(page.items.into_iter().next_back())
    }
}
