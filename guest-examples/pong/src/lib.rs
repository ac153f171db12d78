//! Attack, together with `ping`: the two set each other off.

use ringfence::prelude::*;
use ringfence::serde_json::value::RawValue;

/// Turns `task.delegated` into `task.assigned`, and `ping` turns it back.
#[rule(on = "task.delegated", emits = "task.assigned")]
fn pong(task: Box<RawValue>, ctx: &mut Context) -> Result<()> {
    ctx.emit("task.assigned", ctx.subject(), &task)
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::pong>("fixtures");
    }
}
