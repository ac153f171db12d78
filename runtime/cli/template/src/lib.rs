//! What this rule is for.

use ringfence::prelude::*;

/// What of the event's data matters; the rest is left alone.
#[derive(Deserialize)]
struct Conversation {
    priority: String,
}

/// Moves urgent conversations to the escalations team.
#[rule(on = "conversation.created", acts = "conversation.update")]
fn handle(conversation: Conversation, ctx: &mut Context) -> Result<()> {
    if conversation.priority == "urgent" {
        ctx.act("conversation.update", &json!({"team": "escalations"}))?;
    }
    Ok(())
}

/// For `cargo test`: without WebAssembly, in milliseconds.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgent_conversations_are_moved() {
        let run = Harness::<handle>::new().data(json!({"priority": "urgent"})).run();
        assert_eq!(run.actions(), [("conversation.update", json!({"team": "escalations"}))]);
    }
}
