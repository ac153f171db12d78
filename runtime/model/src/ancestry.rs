//! An event's ancestors, as short fingerprints: what a run is compared with
//! to find out whether it would do again what led to it.

use std::sync::Arc;

/// How many ancestors are kept, the nearest. A cycle of more runs than this
/// is found by its budget only.
pub const ANCESTORS_MAX: usize = 1_024;

/// Short fingerprints of the runs that led to an event, the nearest last.
/// Hints: whether two runs are alike is decided from their records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ancestry(Option<Arc<[u32]>>);

impl Ancestry {
    /// With one more run.
    #[must_use]
    pub fn with(&self, fingerprint: u32) -> Self {
        let mine = self.as_slice();
        let kept = &mine[mine.len().saturating_sub(ANCESTORS_MAX - 1)..];
        Self(Some(kept.iter().copied().chain([fingerprint]).collect()))
    }

    /// The nearest last.
    pub fn as_slice(&self) -> &[u32] {
        self.0.as_deref().unwrap_or_default()
    }

    /// How many runs back, from 1, there may be one with this fingerprint;
    /// the nearest first.
    pub fn distances(&self, fingerprint: u32) -> impl Iterator<Item = usize> {
        let runs = self.as_slice().iter().rev().zip(1..);
        runs.filter(move |(run, _)| **run == fingerprint)
            .map(|(_, distance)| distance)
    }

    /// As bytes, to be kept: four for each, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let runs = self.as_slice().iter();
        runs.flat_map(|run| run.to_le_bytes()).collect()
    }

    /// From such bytes; what is beyond the bound, or not whole, is left out.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let (runs, _) = bytes.as_chunks::<4>();
        let runs = &runs[runs.len().saturating_sub(ANCESTORS_MAX)..];
        if runs.is_empty() {
            return Self::default();
        }
        Self(Some(
            runs.iter().map(|run| u32::from_le_bytes(*run)).collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_nearest_are_kept_and_survive_bytes(runs in prop::collection::vec(0u32..50, 0..1_200)) {
            let ancestry = runs.iter().fold(Ancestry::default(), |all, run| all.with(*run));
            let kept = &runs[runs.len().saturating_sub(ANCESTORS_MAX)..];
            prop_assert_eq!(ancestry.as_slice(), kept);
            prop_assert_eq!(Ancestry::from_bytes(&ancestry.to_bytes()), ancestry.clone());
            for distance in ancestry.distances(7) {
                prop_assert_eq!(kept[kept.len() - distance], 7);
            }
            prop_assert_eq!(ancestry.distances(7).count(), kept.iter().filter(|run| **run == 7).count());
        }
    }
}
