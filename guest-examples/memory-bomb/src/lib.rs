//! Attack: takes memory and never gives it back.

use std::hint::black_box;

use ringfence::prelude::*;

/// Takes memory until there is none: stopped with `out-of-memory`.
#[rule(on = "conversation.created")]
fn hoard(_ctx: &mut Context) {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        // Touches one page in each, so that memory runs out before fuel does.
        let mut block = Vec::with_capacity(64 * 1024);
        block.push(1);
        hoard.push(block);
        black_box(&hoard);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::hoard>("fixtures");
    }
}
