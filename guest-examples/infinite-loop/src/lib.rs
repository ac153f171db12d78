//! Attack: never returns.

use std::hint::black_box;

use ringfence::prelude::*;

/// Never returns: stopped with `out-of-fuel`.
#[rule(on = "conversation.created")]
fn spin(_ctx: &mut Context) {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::spin>("fixtures");
    }
}
