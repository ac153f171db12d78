//! The records of a support desk: one tenant's conversations.

use serde_json::{Value, json};

use super::super::stream::Random;
use super::api::Action;

/// Conversations that a tenant has open.
const CONVERSATIONS: u64 = 60;
/// How many others each is linked to.
const LINKED: u64 = 2;
const HOUR_MS: u64 = 60 * 60 * 1000;

const TAGS: [&str; 5] = ["billing", "delivery", "trial", "outage", "returns"];
const TEXTS: [&str; 4] = [
    "Hello, I was charged twice for my last order. Could I have a refund, please?",
    "The checkout page answers 503 since this morning. Is it down for everybody?",
    "How can I change the address of a delivery that is on its way?",
    "Thank you, that worked! You can close this.",
];

/// One record.
struct Conversation {
    status: &'static str,
    priority: &'static str,
    text: &'static str,
    team: Option<String>,
    tags: Vec<String>,
    customer_tags: Vec<String>,
    first_reply_due_ms: u64,
    first_reply_at_ms: Option<u64>,
    breached: bool,
    updated_at: u64,
}

/// All of a tenant's records.
pub(super) struct Conversations {
    all: Vec<Conversation>,
    random: Random,
}

/// A record was changed: what is told to those who want to know.
pub(super) struct Changed {
    /// The event's type.
    pub(super) ty: &'static str,
    /// The conversation.
    pub(super) subject: String,
    /// Its state.
    pub(super) data: Value,
}

impl Conversations {
    /// As many as a desk has open; the same seed gives the same ones.
    pub(super) fn new(seed: u64, now_ms: u64) -> Self {
        let mut random = Random(seed);
        let all = (0..CONVERSATIONS).map(|_| opened(&mut random, now_ms));
        let all = all.collect();
        Self { all, random }
    }

    /// What people do next: open, edit, or let time pass.
    pub(super) fn edit(&mut self, now_ms: u64) -> Changed {
        let number = self.random.below(CONVERSATIONS);
        let kind = self.random.below(10);
        let conversation = &mut self.all[number as usize];
        conversation.updated_at = now_ms;
        let ty = match kind {
            0..3 => {
                *conversation = opened(&mut self.random, now_ms);
                "conversation.created"
            }
            3..8 => {
                conversation.text = self.random.one_of(&TEXTS);
                conversation.status = self.random.one_of(&["open", "waiting", "snoozed"]);
                let tag = self.random.one_of(&TAGS);
                if !conversation.tags.iter().any(|has| has == tag) {
                    conversation.tags.push(tag.to_owned());
                }
                "conversation.updated"
            }
            _ => "sla.tick",
        };
        self.told(ty, number)
    }

    /// Does what a rule asks for; `subject` is what the rule was run on. None
    /// if nothing comes of it that others want to know.
    pub(super) fn act(&mut self, action: &Action, subject: &str, now_ms: u64) -> Option<Changed> {
        let said = |name: &str| action.payload[name].as_str();
        let about = match action.name.as_str() {
            "customer.update" => {
                let number = number(said("id")?)?;
                let tags = action.payload["tags"].as_array()?;
                let tags = tags
                    .iter()
                    .filter_map(|tag| tag.as_str().map(str::to_owned));
                self.all.get_mut(number as usize)?.customer_tags = tags.collect();
                return None;
            }
            "conversation.escalate" => said("conversation")?,
            _ => said("subject").unwrap_or(subject),
        };
        let number = number(about)?;
        let conversation = self.all.get_mut(number as usize)?;
        if let Some(tag) = said("add_tag")
            && !conversation.tags.iter().any(|has| has == tag)
        {
            conversation.tags.push(tag.to_owned());
        }
        if let Some(tag) = said("remove_tag") {
            conversation.tags.retain(|has| has != tag);
        }
        if let Some(team) = said("team") {
            conversation.team = Some(team.to_owned());
        }
        if action.payload["breached"] == true {
            conversation.breached = true;
        }
        // As applications do, also if nothing else has changed.
        conversation.updated_at = now_ms;
        Some(self.told("conversation.updated", number))
    }

    fn told(&self, ty: &'static str, number: u64) -> Changed {
        let conversation = &self.all[number as usize];
        let linked = (1..=LINKED).map(|step| id((number + step) % CONVERSATIONS));
        let data = json!({
            "id": id(number),
            "status": conversation.status,
            "priority": conversation.priority,
            "text": conversation.text,
            "team": conversation.team,
            "tags": conversation.tags,
            "linked": linked.collect::<Vec<_>>(),
            "customer": {"id": format!("u-{number}"), "tags": conversation.customer_tags},
            "first_reply_due_ms": conversation.first_reply_due_ms,
            "first_reply_at_ms": conversation.first_reply_at_ms,
            "breached": conversation.breached,
            "updated_at": conversation.updated_at,
        });
        Changed {
            ty,
            subject: id(number),
            data,
        }
    }
}

fn opened(random: &mut Random, now_ms: u64) -> Conversation {
    let due_ms = now_ms + random.below(HOUR_MS);
    // Most are answered in time, some late.
    let late_ms = random.below(10).saturating_sub(8) * HOUR_MS;
    let answered_ms = due_ms.saturating_sub(random.below(HOUR_MS)) + late_ms;
    Conversation {
        status: "open",
        priority: random.one_of(&["low", "normal", "normal", "high", "urgent"]),
        text: random.one_of(&TEXTS),
        team: None,
        tags: vec![random.one_of(&TAGS).to_owned()],
        customer_tags: vec![random.one_of(&TAGS).to_owned()],
        first_reply_due_ms: due_ms,
        first_reply_at_ms: Some(answered_ms),
        breached: false,
        updated_at: now_ms,
    }
}

fn id(number: u64) -> String {
    format!("c-{number}")
}

/// Of `c-17` or `u-17`, 17.
fn number(id: &str) -> Option<u64> {
    id.get(2..)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_change_records_and_are_told() {
        let mut conversations = Conversations::new(1, 5);
        let mut act = |name: &str, payload| {
            let action = Action {
                name: name.to_owned(),
                payload,
            };
            conversations.act(&action, "c-1", 9)
        };
        let told = act(
            "conversation.update",
            json!({"subject": "c-2", "add_tag": "vip"}),
        )
        .unwrap();
        assert_eq!(
            (told.ty, told.subject.as_str()),
            ("conversation.updated", "c-2")
        );
        let has_vip = |told: &Changed| {
            told.data["tags"]
                .as_array()
                .unwrap()
                .contains(&json!("vip"))
        };
        assert!(has_vip(&told));
        assert_eq!(told.data["linked"], json!(["c-3", "c-4"]));
        assert_eq!(told.data["updated_at"], 9);
        let told = act(
            "conversation.update",
            json!({"subject": "c-2", "remove_tag": "vip"}),
        )
        .unwrap();
        assert!(!has_vip(&told));
        // Without a subject it is about what the rule was run on.
        let told = act("conversation.update", json!({"team": "a"})).unwrap();
        assert_eq!(
            (told.subject.as_str(), &told.data["team"]),
            ("c-1", &json!("a"))
        );
        assert!(act("customer.update", json!({"id": "u-2", "tags": []})).is_none());
        for (name, payload) in [
            ("conversation.update", json!({"subject": "c-999999"})),
            ("conversation.escalate", json!({"conversation": "x"})),
            ("customer.update", json!({"id": 7})),
        ] {
            assert!(act(name, payload).is_none(), "{name}");
        }
    }

    #[test]
    fn a_seed_decides_what_people_do() {
        let edits = |seed| {
            let mut conversations = Conversations::new(seed, 5);
            (0..50)
                .map(|now_ms| conversations.edit(now_ms).data)
                .collect::<Vec<_>>()
        };
        assert_eq!(edits(1), edits(1));
        assert_ne!(edits(1), edits(2));
    }
}
