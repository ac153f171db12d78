//! Attack, together with `pong`: the two set each other off.

use ringfence::prelude::*;
use ringfence::serde_json::value::RawValue;

/// Turns `task.assigned` into `task.delegated`, and `pong` turns it back.
#[rule(on = "task.assigned", emits = "task.delegated")]
fn ping(task: Box<RawValue>, ctx: &mut Context) -> Result<()> {
    ctx.emit("task.delegated", ctx.subject(), &task)
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::ping>("fixtures");
    }
}
