//! Attack: calls itself without end.

use ringfence::prelude::*;

/// Calls itself without end: stopped with `stack-overflow`.
#[rule(on = "message.received")]
fn dive(ctx: &mut Context) {
    let depth = deeper(u64::from(ctx.depth()) + 1);
    ctx.info(format!("came back from {depth}"));
}

/// Keeps its values in locals, so that WebAssembly's own stack overflows and
/// not the one in linear memory. What it does after the call cannot be turned
/// into a loop.
#[inline(never)]
fn deeper(level: u64) -> u64 {
    if level == 0 {
        return 1;
    }
    let below = deeper(level.wrapping_add(1));
    (below.rotate_left(7) ^ level).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::dive>("fixtures");
    }
}
