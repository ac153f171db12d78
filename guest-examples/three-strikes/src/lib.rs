//! Senders of three spam messages are blocked. Remembers a count per sender.

use ringfence::prelude::*;

const STRIKES: u32 = 3;

#[derive(Deserialize)]
struct Message {
    from: String,
    #[serde(default)]
    spam: bool,
}

/// Blocks a sender after three spam messages.
#[rule(on = "message.received", acts = "contact.block")]
fn strike(message: Message, ctx: &mut Context) -> Result<()> {
    if !message.spam {
        return Ok(());
    }
    let key = format!("strikes/{}", message.from);
    let strikes = ctx.recall::<u32>(&key)?.unwrap_or(0).saturating_add(1);
    if strikes < STRIKES {
        return ctx.remember(&key, &strikes);
    }
    ctx.forget(&key);
    ctx.act(
        "contact.block",
        &json!({"address": message.from, "strikes": strikes}),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::strike>("fixtures");
    }
}
