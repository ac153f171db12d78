//! Urgent conversations go to the people who handle escalations: the rule
//! `escalate-urgent`, written with the WIT package and nothing else of
//! Ringfence's. Its allocator is the standard library's, which grows the
//! memory in every run.

use bindings::ringfence::rule::types::{
    Action, Effect, Event, Failure, Invocation, Manifest, Trigger,
};
use serde::Deserialize;

#[allow(unsafe_code, clippy::all, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "rule" });
    use super::Rule;
    export!(Rule with_types_in self);
}

#[derive(Deserialize)]
struct Conversation {
    priority: String,
}

struct Rule;

impl bindings::Guest for Rule {
    fn describe() -> Manifest {
        Manifest {
            triggers: vec![Trigger {
                type_: "conversation.created".into(),
                ignore: vec![],
            }],
            emits: vec![],
            acts: vec!["conversation.update".into()],
            config_schema: None,
            summary: "Moves urgent conversations to the escalations team.".into(),
        }
    }

    fn handle(event: Event, _invocation: Invocation) -> Result<Vec<Effect>, Failure> {
        let conversation: Conversation = serde_json::from_str(&event.data)
            .map_err(|error| Failure::InvalidEvent(format!("data: {error}")))?;
        if conversation.priority != "urgent" {
            return Ok(vec![]);
        }
        Ok(vec![Effect::Act(Action {
            name: "conversation.update".into(),
            payload: serde_json::json!({"team": "escalations"}).to_string(),
        })])
    }
}
