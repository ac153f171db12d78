//! Legitimate: triggers itself, but makes progress and ends. A guard that
//! stops it is too strict.

use ringfence::prelude::*;

#[derive(Deserialize, Serialize)]
struct Tick {
    n: u32,
}

/// Counts down to zero, one event per step.
#[rule(
    on = "countdown.tick",
    emits = "countdown.tick",
    acts = "countdown.done"
)]
fn count(tick: Tick, ctx: &mut Context) -> Result<()> {
    match tick.n.checked_sub(1) {
        Some(n) => ctx.emit("countdown.tick", ctx.subject(), &Tick { n }),
        None => ctx.act("countdown.done", &json!({})),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::count>("fixtures");
    }
}
