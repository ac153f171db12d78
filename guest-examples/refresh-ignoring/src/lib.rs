//! Attack: emits what it was given with a later time, which does not count.

use ringfence::prelude::*;

#[derive(Deserialize, Serialize)]
struct Conversation {
    #[serde(default)]
    status: String,
    #[serde(default)]
    updated_at: u64,
}

/// Touches a conversation whenever it was touched.
#[rule(on("conversation.refreshed", ignore = ["/updated_at"]), emits = "conversation.refreshed")]
fn refresh(mut conversation: Conversation, ctx: &mut Context) -> Result<()> {
    conversation.updated_at += 1;
    ctx.emit("conversation.refreshed", ctx.subject(), &conversation)
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::refresh>("fixtures");
    }
}
