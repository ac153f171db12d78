//! The host application: does what rules ask for, and tells what came of it.
//!
//! It takes a page of actions, does them, sends what changed, and acknowledges
//! the page. So what it holds is bounded by a page, and what it was not yet
//! asked for waits at the server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};
use parking_lot::Mutex;
use ringfence_engine::Clock;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::super::api::Refused;
use super::super::pause;
use super::api::Effect;
use super::cast::Member;
use super::conversation::{Changed, Conversations};

/// Actions that are taken at once.
const PAGE: u32 = 100;
/// How long it waits for an action, in milliseconds.
const WAIT_MS: u64 = 10_000;
/// Actions that it does for one tenant, per second.
const RATE_MAX: u64 = 1_000;
/// Actions that it does for one tenant in all. What is more stays where it is.
const ACTIONS_MAX: u64 = 60_000;
/// Records of the past of one tenant, and the size of each in bytes.
const IMPORTS: usize = 500;
const IMPORT_BYTES: usize = 2_048;
/// Before it sends once more what was refused, in milliseconds.
const AGAIN_MS: u64 = 100;

/// One tenant's place in the host application.
pub(super) struct Desk {
    /// Whose.
    pub(super) member: Arc<Member>,
    conversations: Mutex<Conversations>,
    clock: Arc<dyn Clock>,
    passes_lineage: bool,
    sent: Mutex<Sent>,
    actions: AtomicU64,
    edits: AtomicU64,
    closing: watch::Sender<bool>,
}

/// What became of what it sent.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The ids that the server acknowledged.
    pub(super) ids: Vec<String>,
    /// Events that it refused, by the problem's code.
    pub(super) refused: BTreeMap<String, u64>,
}

impl Desk {
    pub(super) fn new(
        member: Arc<Member>,
        seed: u64,
        passes_lineage: bool,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            member,
            conversations: Mutex::new(Conversations::new(seed, clock.now_us() / 1000)),
            clock,
            passes_lineage,
            sent: Mutex::default(),
            actions: AtomicU64::new(0),
            edits: AtomicU64::new(0),
            closing: watch::Sender::new(false),
        }
    }

    /// Events that the server acknowledged.
    pub(super) fn accepted(&self) -> u64 {
        self.sent.lock().ids.len() as u64
    }

    /// Actions done.
    pub(super) fn actions(&self) -> u64 {
        self.actions.load(Ordering::Relaxed)
    }

    /// What became of what was sent; forgets it.
    pub(super) fn take_sent(&self) -> Sent {
        std::mem::take(&mut self.sent.lock())
    }

    /// Takes no more actions.
    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    fn is_open(&self) -> bool {
        !*self.closing.borrow() && self.actions() < ACTIONS_MAX
    }

    /// People do something. One that is refused is not sent again.
    pub(super) async fn edit(&self) -> Result<()> {
        let now_ms = self.clock.now_us() / 1000;
        let changed = self.conversations.lock().edit(now_ms);
        let number = self.edits.fetch_add(1, Ordering::Relaxed);
        let event = event(&format!("edit-{number}"), "/desk/people", &changed);
        self.send(&[event]).await?;
        Ok(())
    }

    /// Sends records of the past, which no rule wants.
    pub(super) async fn import(&self) -> Result<()> {
        let text = "x".repeat(IMPORT_BYTES);
        let events: Vec<Value> = (0..IMPORTS)
            .map(|number| {
                let changed = Changed {
                    ty: "conversation.imported",
                    subject: format!("old-{number}"),
                    data: json!({ "text": text }),
                };
                event(&format!("import-{number}"), "/desk/archive", &changed)
            })
            .collect();
        for events in events.chunks(PAGE as usize) {
            let accepted = self.member.api.send_all(events).await?;
            accepted.map_err(|refused| anyhow!("records were refused ({})", refused.code))?;
        }
        Ok(())
    }

    /// Does what rules ask for until it is closed.
    pub(super) async fn work(self: Arc<Self>) -> Result<()> {
        let mut closing = self.closing.subscribe();
        while self.is_open() {
            let due = Instant::now();
            let effects = tokio::select! {
                effects = self.member.api.take_effects(PAGE, WAIT_MS) => effects?,
                // Its sender is here, so it does not fail.
                _ = closing.changed() => break,
            };
            let Some(last) = effects.last().map(|effect| effect.seq) else {
                continue;
            };
            let mut events = Vec::new();
            for effect in &effects {
                events.extend(self.act(effect).await?);
            }
            while !events.is_empty() && !self.send(&events).await? && self.is_open() {
                pause(AGAIN_MS).await;
            }
            self.member.api.acknowledge(last).await?;
            let count = effects.len() as u64;
            self.actions.fetch_add(count, Ordering::Relaxed);
            sleep_until(due + Duration::from_micros(count * 1_000_000 / RATE_MAX)).await;
        }
        Ok(())
    }

    async fn act(&self, effect: &Effect) -> Result<Option<Value>> {
        let subject = if effect.action.payload["subject"].is_string() {
            None
        } else {
            // The action is about what its rule was run on.
            self.member.api.subject(&effect.event).await?
        };
        let now_ms = self.clock.now_us() / 1000;
        let changed = self.conversations.lock().act(
            &effect.action,
            subject.as_deref().unwrap_or_default(),
            now_ms,
        );
        let Some(changed) = changed else {
            return Ok(None);
        };
        // The effect's id makes what it causes the same event each time.
        let mut event = event(&effect.id, "/desk/automation", &changed);
        if self.passes_lineage {
            event["ringfencelineage"] = effect.lineage.as_str().into();
        }
        Ok(Some(event))
    }

    /// Whether they were accepted.
    async fn send(&self, events: &[Value]) -> Result<bool> {
        match self.member.api.send_all(events).await? {
            Ok(ids) => {
                self.sent.lock().ids.extend(ids);
                Ok(true)
            }
            Err(Refused { code }) => {
                let mut sent = self.sent.lock();
                *sent.refused.entry(code).or_default() += events.len() as u64;
                Ok(false)
            }
        }
    }
}

fn event(id: &str, source: &str, changed: &Changed) -> Value {
    json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": changed.ty,
        "subject": changed.subject,
        "datacontenttype": "application/json",
        "data": changed.data,
    })
}
