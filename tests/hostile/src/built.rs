//! Guests that are built from Rust with the SDK, and from JavaScript.

use std::env;
use std::path::PathBuf;

use ringfence_model::StopCode;

use crate::text::home;
use crate::{Attack, End};

/// A built guest's bytes: from the folder that `RINGFENCE_GUESTS` names, or
/// `target/guests`.
///
/// # Panics
/// When it is not there. An attack that is left out promises nothing.
pub fn built(name: &str) -> Vec<u8> {
    let folder = env::var_os("RINGFENCE_GUESTS")
        .map_or_else(|| home().join("../../target/guests"), PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `make guests`", path.display()))
}

/// The hostile ones among `guest-examples`.
const RUST: [(&str, &str, StopCode); 5] = [
    (
        "infinite-loop",
        "A loop in Rust that never ends.",
        StopCode::OutOfFuel,
    ),
    (
        "memory-bomb",
        "A vector in Rust that grows without end.",
        StopCode::OutOfMemory,
    ),
    (
        "deep-recursion",
        "A recursion in Rust without end.",
        StopCode::StackOverflow,
    ),
    (
        "huge-output",
        "A Rust rule returns effects of a megabyte.",
        StopCode::OutputTooLarge,
    ),
    (
        "trap-late",
        "A Rust rule works for long and then panics.",
        StopCode::Trap,
    ),
];

/// All that are built.
pub(crate) fn attacks() -> Vec<Attack> {
    let attack = |(name, deed, code): (&str, &str, StopCode)| {
        let mut attack = Attack::new(format!("rust/{name}"), deed, End::Handle(code));
        // So that what stops it is the limit that it attacks.
        attack.limits.fuel = 100_000_000;
        attack.of(built(name))
    };
    RUST.into_iter().map(attack).collect()
}
