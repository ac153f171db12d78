//! A run's randomness: the same for the same rule on the same event.

use ringfence_model::{EventId, RuleName};

/// Separates this use of BLAKE3 from every other.
const DOMAIN: &str = "ringfence 0.1 random";

/// A stream of numbers: BLAKE3's extended output over the event's id and the
/// rule's name, read as little-endian words. So a repetition of a run
/// sees the numbers that the run saw, and two rules on one event do not see
/// the same ones.
pub(crate) struct Random {
    words: blake3::OutputReader,
}

impl Random {
    /// The stream's start.
    pub(crate) fn seeded(event: EventId, rule: Option<&RuleName>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(DOMAIN);
        // The id has a fixed length, so the two do not run together.
        hasher.update(event.as_bytes());
        hasher.update(rule.map_or("", RuleName::as_str).as_bytes());
        Self {
            words: hasher.finalize_xof(),
        }
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u32 {
        let mut word = [0; 4];
        self.fill(&mut word);
        u32::from_le_bytes(word)
    }

    /// The bytes of the next ones.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        self.words.fill(bytes);
    }
}
