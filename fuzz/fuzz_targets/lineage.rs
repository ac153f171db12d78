//! Reads any bytes as a lineage token.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_hostile::fuzz::lineage;

fuzz_target!(|bytes: &[u8]| {
    lineage(bytes);
});
