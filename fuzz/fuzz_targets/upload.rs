//! Uploads any bytes; and if they are a rule, runs it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ringfence_hostile::fuzz::Fuzz;

static FUZZ: LazyLock<Fuzz> = LazyLock::new(Fuzz::quiet);

fuzz_target!(|bytes: &[u8]| {
    FUZZ.upload(bytes);
});
