//! Uses as much of each limit as its event says: to see where limits end it.

use std::hint::black_box;

use ringfence::prelude::*;

/// How much to use; what is not said, not at all.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Use {
    /// Turns of a loop.
    turns: u64,
    /// Memory held at once, in bytes.
    memory: usize,
    /// Effects.
    effects: u64,
    /// The length of one effect's text, in bytes.
    output: usize,
    /// Log, in bytes.
    log: usize,
    /// The length of one remembered text, in bytes.
    remember: usize,
}

/// Uses it.
#[rule(on = "limits.use", acts = "note.add")]
fn use_up(wanted: Use, ctx: &mut Context) -> Result<()> {
    for turn in 0..wanted.turns {
        black_box(turn);
    }
    if wanted.memory > 0 {
        black_box(vec![1u8; wanted.memory]);
    }
    for number in 0..wanted.effects {
        ctx.act("note.add", &number)?;
    }
    if wanted.output > 0 {
        ctx.act("note.add", &"x".repeat(wanted.output))?;
    }
    if wanted.log > 0 {
        ctx.info("x".repeat(wanted.log));
    }
    if wanted.remember > 0 {
        ctx.remember("text", &"x".repeat(wanted.remember))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::use_up>("fixtures");
    }
}
