//! Attack: emits its own trigger, unchanged.

use ringfence::prelude::*;
use ringfence::serde_json::value::RawValue;

/// Emits the event that it was given once more.
#[rule(on = "conversation.updated", emits = "conversation.updated")]
fn echo(conversation: Box<RawValue>, ctx: &mut Context) -> Result<()> {
    ctx.emit("conversation.updated", ctx.subject(), &conversation)
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::echo>("fixtures");
    }
}
