//! A short fuzzing session with fixed inputs: the seeds, and seeds that were
//! damaged. `fuzz/` has the long ones.

use std::collections::BTreeMap;

use ringfence_hostile::End;
use ringfence_hostile::fuzz::{Fuzz, lineage, seeds};

/// Inputs for each target beside its seeds.
const DAMAGED: usize = 500;

/// Numbers that are the same each time (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// One of the seeds, with bytes changed, put in, cut out or doubled.
fn damaged(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(input.len());
        let end = (at + random.below(64)).min(input.len());
        match random.below(6) {
            _ if input.is_empty() => input.push(random.next() as u8),
            0 => input[at] = random.next() as u8,
            1 => input[at] ^= 1 << random.below(8),
            2 => input[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            3 => input.insert(at, random.next() as u8),
            4 => drop(input.drain(at..end)),
            _ => {
                let piece = input[at..end].to_vec();
                let at = random.below(input.len());
                input.splice(at..at, piece);
            }
        }
    }
    input
}

/// How often an input ended how.
type Ends = BTreeMap<String, usize>;

fn fuzz(target: &str, seed: u64, take: impl Fn(&Fuzz, &[u8]) -> Option<End>) -> Ends {
    let fuzz = Fuzz::new();
    let end = |input: &[u8]| take(&fuzz, input).map_or("none".into(), |end| end.to_string());
    fuzz_with(target, seed, end)
}

fn fuzz_with(target: &str, seed: u64, take: impl Fn(&[u8]) -> String) -> Ends {
    let mut seeds = seeds().into_iter();
    let (_, seeds) = seeds.find(|(name, _)| *name == target).unwrap();
    let mut random = Random(seed);
    let damaged = (0..DAMAGED).map(|_| damaged(&seeds, &mut random));
    let mut ends = Ends::new();
    for input in seeds.iter().cloned().chain(damaged) {
        *ends.entry(take(&input)).or_default() += 1;
    }
    ends
}

/// Inputs that all end in one way look at one thing only.
fn check(ends: &Ends, expected: &[&str]) {
    for end in expected {
        assert!(ends.contains_key(*end), "none ended with {end}: {ends:?}");
    }
}

#[test]
fn every_upload_gets_a_verdict() {
    let ends = fuzz("upload", 1, Fuzz::upload);
    let codes = ["not-wasm", "invalid-wasm", "wrong-type", "no-wit-type"];
    let codes = codes.map(|code| format!("upload {code}"));
    check(&ends, &codes.each_ref().map(String::as_str));
    check(
        &ends,
        &["describe trap", "handle trap", "handle out-of-fuel"],
    );
}

#[test]
fn every_module_runs_twice_alike() {
    let ends = fuzz("module", 2, Fuzz::module);
    check(&ends, &["handle trap", "handle out-of-fuel"]);
}

#[test]
fn every_result_gets_a_verdict() {
    let ends = fuzz("handle", 3, Fuzz::handle);
    let codes = ["trap", "rule-failed", "undeclared-effect", "invalid-effect"];
    let codes = codes.map(|code| format!("handle {code}"));
    check(&ends, &codes.each_ref().map(String::as_str));
    check(&ends, &["harmless"]);
}

#[test]
fn only_what_was_signed_is_taken_for_a_lineage() {
    let ends = fuzz_with("lineage", 4, |input| lineage(input).to_owned());
    check(
        &ends,
        &["taken", "malformed", "forged", "other tenant", "expired"],
    );
}
