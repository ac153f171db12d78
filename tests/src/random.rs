//! Randomness that a test can repeat.

/// SplitMix64 (Steele, Lea and Flood 2014): small, and good enough to choose
/// moments and places of failures.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From `RINGFENCE_SEED`, or from `seed`. Says which, so that a failure
    /// can be repeated.
    pub fn from_env(seed: u64) -> Self {
        let given = std::env::var("RINGFENCE_SEED").ok();
        let seed = given.map_or(seed, |text| {
            text.parse()
                .unwrap_or_else(|error| panic!("RINGFENCE_SEED is `{text}`: {error}"))
        });
        say(&format!(
            "seed {seed}; repeat it with RINGFENCE_SEED={seed}"
        ));
        Self(seed)
    }

    /// The next number.
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both possible.
    pub fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.draw() % (high - low + 1)
    }
}

#[allow(clippy::print_stderr, reason = "shown beside a test that fails")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}
