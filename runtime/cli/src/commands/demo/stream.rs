//! A support desk's events: conversations, messages, tasks, and issues from
//! a code host's webhooks.

use std::sync::Arc;

use ringfence_engine::Clock;
use serde_json::{Value, json};

/// Conversations that a tenant has open.
const CONVERSATIONS: u64 = 500;
const HOUR_MS: u64 = 60 * 60 * 1000;

const TEXTS: [&str; 8] = [
    "Hello, I was charged twice for my last order. Could I have a refund, please?",
    "The checkout page answers 503 since this morning. Is it down for everybody?",
    "Bonjour, je ne retrouve pas ma facture du mois dernier.",
    "How can I change the address of a delivery that is on its way?",
    "Thank you, that worked! You can close this.",
    "I would like to add two people to our team. What would that cost?",
    "Your last invoice has the wrong VAT number on it.",
    "The export has been running for an hour. Is that normal?",
];
const TAGS: [&str; 6] = ["vip", "billing", "delivery", "trial", "outage", "returns"];
const TITLES: [&str; 4] = [
    "Crash when the cart is empty",
    "Add a dark mode",
    "How do I configure the proxy?",
    "Typo in the getting started guide",
];

/// One tenant's events; the same seed gives the same ones.
pub(super) struct Stream {
    random: Random,
    clock: Arc<dyn Clock>,
    sent: u64,
}

impl Stream {
    pub(super) fn new(seed: u64, clock: Arc<dyn Clock>) -> Self {
        Self {
            random: Random(seed),
            clock,
            sent: 0,
        }
    }

    /// The next event, as a CloudEvent.
    pub(super) fn next_event(&mut self) -> Value {
        self.sent += 1;
        let (ty, source, subject, data) = match self.random.below(100) {
            0..25 => self.conversation("conversation.created"),
            25..55 => self.conversation("conversation.updated"),
            55..75 => self.message(),
            75..80 => self.conversation("sla.tick"),
            80..90 => self.issue(),
            // No rule wants this one, which is an answer too.
            90..95 => self.conversation("conversation.closed"),
            _ => self.task(),
        };
        json!({
            "specversion": "1.0",
            "id": format!("event-{}", self.sent),
            "source": source,
            "type": ty,
            "subject": subject,
            "datacontenttype": "application/json",
            "data": data,
        })
    }

    fn conversation(&mut self, ty: &'static str) -> (&'static str, &'static str, String, Value) {
        let now_ms = self.clock.now_us() / 1000;
        let random = &mut self.random;
        let number = random.below(CONVERSATIONS);
        // Most are answered in time, or not due yet.
        let due_ms = now_ms - HOUR_MS / 2 + random.below(HOUR_MS);
        let answered = (random.below(10) < 8).then(|| due_ms - random.below(HOUR_MS));
        let data = json!({
            "id": format!("c-{number}"),
            "channel": random.one_of(&["mail", "chat", "phone", "social"]),
            "status": random.one_of(&["open", "waiting", "snoozed"]),
            "priority": random.one_of(&["low", "normal", "normal", "high", "urgent"]),
            "language": random.one_of(&["en", "en", "en", "fr", "de"]),
            "text": random.one_of(&TEXTS),
            "tags": [random.one_of(&TAGS), random.one_of(&TAGS)],
            "customer": {
                "id": format!("u-{}", number % 97),
                "name": "Ada Example",
                "tags": [random.one_of(&TAGS)],
            },
            "first_reply_due_ms": due_ms,
            "first_reply_at_ms": answered,
            "updated_at": now_ms,
        });
        (ty, "/support", format!("c-{number}"), data)
    }

    fn message(&mut self) -> (&'static str, &'static str, String, Value) {
        let random = &mut self.random;
        let number = random.below(CONVERSATIONS);
        let data = json!({
            "conversation": format!("c-{number}"),
            "from": format!("sender-{}@example.org", random.below(200)),
            "spam": random.below(10) == 0,
            "text": random.one_of(&TEXTS),
            "attachments": [],
        });
        ("message.received", "/support", format!("c-{number}"), data)
    }

    fn issue(&mut self) -> (&'static str, &'static str, String, Value) {
        let number = self.sent;
        let title = self.random.one_of(&TITLES);
        let data = json!({
            "action": "opened",
            "issue": {
                "id": 1_000_000 + number,
                "number": number,
                "title": title,
                "body": self.random.one_of(&TEXTS),
                "state": "open",
                "labels": [],
                "user": {"login": "octocat", "id": 1, "type": "User"},
            },
            "repository": {"id": 7, "name": "shop", "full_name": "example/shop", "private": false},
            "sender": {"login": "octocat", "id": 1, "type": "User"},
        });
        let subject = format!("example/shop#{number}");
        (
            "com.github.issues",
            "https://github.com/example/shop",
            subject,
            data,
        )
    }

    fn task(&mut self) -> (&'static str, &'static str, String, Value) {
        let number = self.random.below(CONVERSATIONS);
        let data = json!({
            "title": "Call the customer back",
            "conversation": format!("c-{number}"),
        });
        (
            "task.created",
            "/support",
            format!("task-{}", self.sent),
            data,
        )
    }
}

/// SplitMix64: <https://prng.di.unimi.it/splitmix64.c>.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`; the bias does not matter here.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// One of them.
    pub(super) fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stopped;

    impl Clock for Stopped {
        fn now_us(&self) -> u64 {
            1_767_225_600_000_000
        }
    }

    #[test]
    fn a_seed_decides_the_stream() {
        let events = |seed| {
            let mut stream = Stream::new(seed, Arc::new(Stopped));
            (0..500).map(|_| stream.next_event()).collect::<Vec<_>>()
        };
        let one = events(1);
        assert_eq!(one, events(1));
        assert_ne!(one, events(2));
        for ty in [
            "conversation.created",
            "conversation.closed",
            "task.created",
            "com.github.issues",
        ] {
            assert!(one.iter().any(|event| event["type"] == ty), "{ty}");
        }
    }
}
