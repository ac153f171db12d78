//! Root events that need not wait behind what is on disk.
//!
//! A tenant's events come into memory in the order of the log. Where its own
//! follow-ups fill its window, fresh root events would wait on disk behind all
//! of them, and root events that go first could not. So a root event may be
//! taken into memory at once, ahead of what is on disk, if none of that is about
//! the same subject. Which subjects are on disk is known by Bloom filters
//! (Bloom, "Space/Time Trade-offs in Hash Coding with Allowable Errors", 1970):
//! they may say yes in error, and then the event waits; they never say no.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use ringfence_store::Seq;

/// One filter's bits, 8 KiB, and the subjects that it holds at most: it then
/// errs for one in 40.
const WORDS: usize = 1_024;
const SUBJECTS_MAX: u32 = 8_192;
/// Bits for one subject.
const BITS: u32 = 4;

/// Filters of one tenant: enough for the events that may wait by the plan
/// `standard`. Where there are more, nothing goes ahead.
const FILTERS_MAX: usize = 16;

/// Events taken ahead that pages have not passed yet, at most.
const TAKEN_MAX: usize = 10_000;
/// Each takes a place, in bytes.
const TAKEN_BYTES: u64 = size_of::<Seq>() as u64;

/// What a tenant has on disk, and what was taken ahead of it.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    hasher: RandomState,
    /// None where it is not known what is on disk, as after a restart.
    on_disk: Option<VecDeque<Filter>>,
    /// In order.
    taken: VecDeque<Seq>,
}

/// Subjects of a stretch of the log.
#[derive(Debug)]
struct Filter {
    words: Box<[u64]>,
    subjects: u32,
    last: Seq,
}

impl Ahead {
    /// What one more filter takes, in bytes.
    pub(crate) const FILTER_BYTES: u64 = WORDS as u64 * 8;

    /// What it takes, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let filters = self.on_disk.as_ref().map_or(0, VecDeque::len) as u64;
        filters * Self::FILTER_BYTES + self.taken.len() as u64 * TAKEN_BYTES
    }

    /// Up to now nothing was on disk that is not in memory; from now on it is.
    pub(crate) fn begin(&mut self) {
        self.on_disk = Some(VecDeque::new());
    }

    /// An event was left on disk. Where there would have to be one more filter,
    /// and `may_grow` is not, nothing is known any more.
    pub(crate) fn leave(&mut self, seq: Seq, subject: Option<&str>, may_grow: bool) {
        let (Some(filters), Some(subject)) = (&mut self.on_disk, subject) else {
            return;
        };
        let is_full = |filter: &Filter| filter.subjects >= SUBJECTS_MAX;
        if filters.back().is_none_or(is_full) {
            if !may_grow || filters.len() >= FILTERS_MAX {
                self.on_disk = None;
                return;
            }
            filters.push_back(Filter::new());
        }
        if let Some(filter) = filters.back_mut() {
            filter.add(self.hasher.hash_one(subject));
            filter.last = seq;
        }
    }

    /// Whether a root event goes ahead of what is on disk. It then counts as
    /// taken.
    pub(crate) fn takes(&mut self, seq: Seq, subject: Option<&str>) -> bool {
        let Some(filters) = &self.on_disk else {
            return false;
        };
        let waits = subject.is_some_and(|subject| {
            let hash = self.hasher.hash_one(subject);
            filters.iter().any(|filter| filter.may_hold(hash))
        });
        if waits || self.taken.len() >= TAKEN_MAX {
            return false;
        }
        self.taken.push_back(seq);
        true
    }

    /// Whether an event that was read from disk was taken ahead.
    pub(crate) fn has(&self, seq: Seq) -> bool {
        self.taken.binary_search(&seq).is_ok()
    }

    /// All up to this place was read from disk.
    pub(crate) fn passed(&mut self, loaded: Seq) {
        let passed = self.taken.partition_point(|seq| *seq <= loaded);
        self.taken.drain(..passed);
        if self.taken.is_empty() {
            self.taken.shrink_to_fit();
        }
        if let Some(filters) = &mut self.on_disk {
            while filters.front().is_some_and(|filter| filter.last <= loaded) {
                filters.pop_front();
            }
        }
    }
}

impl Filter {
    fn new() -> Self {
        Self {
            words: vec![0; WORDS].into(),
            subjects: 0,
            last: 0,
        }
    }

    fn add(&mut self, hash: u64) {
        self.subjects += 1;
        for (word, bit) in places(hash) {
            self.words[word] |= bit;
        }
    }

    fn may_hold(&self, hash: u64) -> bool {
        places(hash).all(|(word, bit)| self.words[word] & bit != 0)
    }
}

/// The bits of a hash, from two halves of it (Kirsch and Mitzenmacher, "Less
/// Hashing, Same Performance", 2006).
fn places(hash: u64) -> impl Iterator<Item = (usize, u64)> {
    let (one, other) = (hash as u32, (hash >> 32) as u32 | 1);
    (0..BITS).map(move |at| {
        let bit = one.wrapping_add(at.wrapping_mul(other)) as usize % (WORDS * 64);
        (bit / 64, 1 << (bit % 64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small source of chance, the same each time.
    fn next(state: &mut u64) -> u64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *state >> 33
    }

    /// Whatever comes and is read in which order: nothing goes ahead of an
    /// event about the same subject, and much of the rest does.
    #[test]
    fn nothing_overtakes_its_own_subject() {
        for seed in 0..20 {
            let mut chance = seed;
            let mut ahead = Ahead::default();
            assert!(!ahead.takes(1, None), "not known");
            ahead.begin();
            let mut on_disk: VecDeque<(Seq, String)> = VecDeque::new();
            let (mut taken, mut refused) = (0, 0);
            for seq in 1..30_000 {
                let subject = format!("s-{}", next(&mut chance) % 3_000);
                if next(&mut chance).is_multiple_of(3) {
                    let waits = on_disk.iter().any(|(_, known)| *known == subject);
                    if ahead.takes(seq, Some(&subject)) {
                        assert!(!waits, "{subject}");
                        assert!(ahead.has(seq));
                        taken += 1;
                        continue;
                    }
                    refused += u32::from(!waits && ahead.taken.len() < TAKEN_MAX);
                }
                ahead.leave(seq, Some(&subject), true);
                on_disk.push_back((seq, subject));
                // Pages are read, now and then.
                if on_disk.len() > 200 {
                    let (loaded, _) = on_disk.drain(..100).next_back().unwrap();
                    ahead.passed(loaded);
                    assert!(ahead.taken.iter().all(|seq| *seq > loaded));
                }
            }
            assert!(taken * 3 > refused, "{taken} and {refused} in error");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut ahead = Ahead::default();
        ahead.begin();
        let most = u64::from(SUBJECTS_MAX) * FILTERS_MAX as u64;
        for seq in 1..=most {
            ahead.leave(seq, Some(&seq.to_string()), true);
        }
        assert_eq!(ahead.on_disk.as_ref().map(VecDeque::len), Some(FILTERS_MAX));
        assert_eq!(ahead.bytes(), FILTERS_MAX as u64 * Ahead::FILTER_BYTES);
        let free = (1..=1_000).filter(|at| ahead.takes(most + at, Some(&format!("r-{at}"))));
        assert!(free.count() > 600, "it errs seldom");
        ahead.leave(most + 2_000, Some("one more"), true);
        assert!(!ahead.takes(most + 2_001, None), "not known any more");
        ahead.begin();
        let taken = (0..2 * TAKEN_MAX as u64).filter(|at| ahead.takes(most * 2 + at, None));
        assert!(taken.count() <= TAKEN_MAX);
        ahead.leave(most * 3, Some("where memory is short"), false);
        assert!(!ahead.takes(most * 3 + 1, None), "not known any more");
        ahead.passed(most * 4);
        assert_eq!(ahead.bytes(), 0);
    }
}
