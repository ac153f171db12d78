//! Attack: works hard, then divides by zero in a way that the instruction
//! itself traps. An engine that forgets what a trapped run has used would let
//! it work for nothing.

use std::hint::black_box;
use std::num::NonZero;

use ringfence::prelude::*;

const TURNS: u32 = 300_000;

/// Works hard, then divides by zero: stopped with `trap`.
#[rule(on = "invoice.issued")]
fn divide(ctx: &mut Context) {
    let mut sum = ctx.depth();
    for turn in 0..TURNS {
        sum = sum.rotate_left(5) ^ turn;
    }
    // What follows must not be reordered before the work.
    let sum = black_box(sum);
    ctx.debug(format!("the work is done: {sum}"));
    // Rust's own division checks for zero and panics, which is not the trap
    // that is wanted here.
    #[allow(
        unsafe_code,
        reason = "a lie on purpose: the divisor is 0, and its value is hidden from the compiler, \
                  which therefore divides without a check. WebAssembly defines that as a trap"
    )]
    let divisor = unsafe { NonZero::new_unchecked(black_box(0_u32)) };
    black_box(sum / divisor);
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::divide>("fixtures");
    }
}
