//! Urgent conversations go to the people who handle escalations.

use ringfence::prelude::*;

#[derive(Deserialize)]
struct Conversation {
    priority: String,
}

/// Moves urgent conversations to the escalations team.
#[rule(on = "conversation.created", acts = "conversation.update")]
fn escalate(conversation: Conversation, ctx: &mut Context) -> Result<()> {
    if conversation.priority == "urgent" {
        ctx.act("conversation.update", &json!({"team": "escalations"}))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::escalate>("fixtures");
    }
}
