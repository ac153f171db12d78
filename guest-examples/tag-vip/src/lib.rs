//! Attack, together with `tidy-tags`: each alone is sensible. Through a host
//! application that answers each `conversation.update` with a
//! `conversation.updated` they undo each other for ever, and spread over all
//! conversations that are linked.

use ringfence::prelude::*;

#[derive(Deserialize)]
struct Conversation {
    id: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    linked: Vec<String>,
}

/// Tags a conversation, and those linked to it, with `vip`.
#[rule(
    on("conversation.updated", ignore = ["/updated_at"]),
    acts = "conversation.update",
)]
fn tag(conversation: Conversation, ctx: &mut Context) -> Result<()> {
    if conversation.tags.iter().any(|tag| tag == "vip") {
        return Ok(());
    }
    for id in [conversation.id].into_iter().chain(conversation.linked) {
        ctx.act(
            "conversation.update",
            &json!({"subject": id, "add_tag": "vip"}),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::tag>("fixtures");
    }
}
