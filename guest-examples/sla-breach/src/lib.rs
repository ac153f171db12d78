//! Conversations that wait too long for a first reply are reported. Needs the
//! clock, so send it a tick (`sla.tick`, with the conversation as data) now
//! and then.

use ringfence::prelude::*;

#[derive(Deserialize)]
struct Conversation {
    /// Milliseconds since 1970.
    first_reply_due_ms: u64,
    #[serde(default)]
    first_reply_at_ms: Option<u64>,
    /// Set by the host application on `conversation.escalate`.
    #[serde(default)]
    breached: bool,
}

#[derive(Deserialize, Schema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// How much later than due a reply may be, in milliseconds.
    #[serde(default)]
    grace_ms: u64,
}

/// Reports conversations that have waited too long for a first reply.
#[rule(
    on = ["conversation.updated", "sla.tick"],
    ignore = "/updated_at",
    emits = "sla.breached",
    acts = "conversation.escalate",
)]
fn watch(conversation: Conversation, config: Config, ctx: &mut Context) -> Result<()> {
    if conversation.breached {
        return Ok(());
    }
    let due = conversation
        .first_reply_due_ms
        .saturating_add(config.grace_ms);
    // An answered conversation needs no clock.
    let late_ms = match conversation.first_reply_at_ms {
        Some(replied) => replied.saturating_sub(due),
        None => ctx.now().saturating_sub(due),
    };
    if late_ms == 0 {
        return Ok(());
    }
    let Some(subject) = ctx.subject() else {
        return Err(Error::invalid_event(
            "the event's `subject` names no conversation",
        ));
    };
    ctx.info(format!("{subject} is {late_ms} ms late"));
    ctx.emit("sla.breached", subject, &json!({"late_ms": late_ms}))?;
    ctx.act(
        "conversation.escalate",
        &json!({"conversation": subject, "breached": true}),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::watch>("fixtures");
    }
}
