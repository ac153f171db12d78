//! A customer gets the tags of their conversations. Does nothing when the
//! customer has them already, so that it settles where the host application
//! answers with another `conversation.updated`.

use ringfence::prelude::*;

#[derive(Deserialize)]
struct Conversation {
    #[serde(default)]
    tags: Vec<String>,
    customer: Customer,
}

#[derive(Deserialize)]
struct Customer {
    id: String,
    #[serde(default)]
    tags: Vec<String>,
}

/// Gives a customer the tags of their conversations.
#[rule(
    on = "conversation.created",
    on("conversation.updated", ignore = ["/updated_at", "/version"]),
    acts = "customer.update",
)]
fn sync(conversation: Conversation, ctx: &mut Context) -> Result<()> {
    let Customer { id, mut tags } = conversation.customer;
    let before = tags.len();
    for tag in conversation.tags {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.len() == before {
        return Ok(());
    }
    ctx.act("customer.update", &json!({"id": id, "tags": tags}))
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::sync>("fixtures");
    }
}
