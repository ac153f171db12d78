//! Makes a module of any bytes and a rule of the module, and runs it twice.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ringfence_hostile::fuzz::Fuzz;

static FUZZ: LazyLock<Fuzz> = LazyLock::new(Fuzz::quiet);

fuzz_target!(|bytes: &[u8]| {
    FUZZ.module(bytes);
});
