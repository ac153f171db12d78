//! Attack, together with `tag-vip`, which see.

use ringfence::prelude::*;

#[derive(Deserialize)]
struct Conversation {
    id: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    linked: Vec<String>,
}

/// Takes tags that nobody has allowed off a conversation, and off those
/// linked to it.
#[rule(
    on("conversation.updated", ignore = ["/updated_at"]),
    acts = "conversation.update",
)]
fn tidy(conversation: Conversation, ctx: &mut Context) -> Result<()> {
    if !conversation.tags.iter().any(|tag| tag == "vip") {
        return Ok(());
    }
    for id in [conversation.id].into_iter().chain(conversation.linked) {
        ctx.act(
            "conversation.update",
            &json!({"subject": id, "remove_tag": "vip"}),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::tidy>("fixtures");
    }
}
