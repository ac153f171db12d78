//! What `make` builds before the corpus is let loose: guests from Rust, and
//! the command, in whose child processes uploads are compiled.

use std::env;
use std::path::PathBuf;

use ringfence_model::{Json, StopCode};

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

/// The `ringfence` binary: `RINGFENCE_BIN`, or the one beside this program.
///
/// # Panics
/// When there is none.
pub(crate) fn binary() -> PathBuf {
    let beside = || {
        let program = env::current_exe().expect("a running program has a path");
        // A test lies one folder deeper than a program.
        let folders = program.ancestors().skip(1).take(2);
        folders
            .map(|folder| folder.join("ringfence"))
            .find(|path| path.is_file())
            .expect("there is no `ringfence` beside this program; run `make build`")
    };
    env::var_os("RINGFENCE_BIN").map_or_else(beside, PathBuf::from)
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

/// Those that `guest-examples/js-attacks` does, by its event's data.
const SCRIPTS: [(&str, &str, StopCode); 5] = [
    (
        "loop",
        "A loop in JavaScript that never ends.",
        StopCode::OutOfFuel,
    ),
    (
        "memory",
        "A list in JavaScript that grows without end.",
        StopCode::OutOfMemory,
    ),
    (
        "recursion",
        "A recursion in JavaScript that catches what is to end it.",
        StopCode::StackOverflow,
    ),
    (
        "expression",
        "A regular expression in JavaScript that is matched in exponential time.",
        StopCode::OutOfFuel,
    ),
    (
        "effects",
        "A script returns a thousand effects.",
        StopCode::TooManyEffects,
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
    let script = |(name, deed, code): (&str, &str, StopCode)| {
        let mut attack = Attack::new(format!("js/{name}"), deed, End::Handle(code));
        attack.limits.fuel = 100_000_000;
        attack.data = Json::trusted(format!(r#"{{"attack": "{name}"}}"#));
        attack.of(built("js-attacks"))
    };
    let rust = RUST.into_iter().map(attack);
    rust.chain(SCRIPTS.into_iter().map(script)).collect()
}
