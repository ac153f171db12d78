//! What code a worker has, as its server keeps it: bounded, the least
//! recently used goes first.

use std::collections::HashMap;

use ringfence_model::VersionId;
use ringfence_sandbox::Slot;

/// Each holds a descriptor and some mappings in the worker. Below what a host
/// allows at least.
const COUNT_MAX: usize = 512;

/// What a worker has.
#[derive(Debug)]
pub(super) struct Loaded {
    bytes_max: u64,
    bytes: u64,
    uses: u64,
    slots: Slot,
    versions: HashMap<VersionId, Entry>,
}

#[derive(Debug)]
struct Entry {
    slot: Slot,
    bytes: u64,
    used: u64,
}

/// What has to be done before a version can be run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: it is there.
    Ready(Slot),
    /// Others have to go, and it has to be handed over.
    Load { forget: Vec<Slot>, slot: Slot },
}

impl Loaded {
    /// Nothing, and at most so much code, in bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            uses: 0,
            slots: 0,
            versions: HashMap::new(),
        }
    }

    /// A version of this size is to be run. It is taken for loaded from now
    /// on. One that is larger than all may be is loaded alone.
    pub(super) fn want(&mut self, version: VersionId, bytes: u64) -> Step {
        self.uses += 1;
        if let Some(entry) = self.versions.get_mut(&version) {
            entry.used = self.uses;
            return Step::Ready(entry.slot);
        }
        let mut forget = Vec::new();
        while self.bytes + bytes > self.bytes_max || self.versions.len() >= COUNT_MAX {
            match self
                .oldest()
                .and_then(|oldest| self.versions.remove(&oldest))
            {
                Some(entry) => {
                    self.bytes -= entry.bytes;
                    forget.push(entry.slot);
                }
                None => break,
            }
        }
        self.slots = self.slots.wrapping_add(1);
        self.bytes += bytes;
        let (slot, used) = (self.slots, self.uses);
        self.versions.insert(version, Entry { slot, bytes, used });
        Step::Load { forget, slot }
    }

    fn oldest(&self) -> Option<VersionId> {
        let oldest = self.versions.iter().min_by_key(|(_, entry)| entry.used);
        oldest.map(|(version, _)| *version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u8) -> VersionId {
        VersionId::of(&[number])
    }

    fn load(forget: &[Slot], slot: Slot) -> Step {
        let forget = forget.to_vec();
        Step::Load { forget, slot }
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut loaded = Loaded::new(100);
        assert_eq!(loaded.want(version(1), 40), load(&[], 1));
        assert_eq!(loaded.want(version(2), 40), load(&[], 2));
        assert_eq!(loaded.want(version(1), 40), Step::Ready(1));
        assert_eq!(loaded.want(version(3), 40), load(&[2], 3));
        assert_eq!(loaded.want(version(2), 90), load(&[1, 3], 4));
        // Larger than all may be: alone.
        assert_eq!(loaded.want(version(4), 200), load(&[4], 5));
        assert_eq!(loaded.want(version(1), 40), load(&[5], 6));
        assert_eq!(loaded.bytes, 40);
    }

    #[test]
    fn there_are_not_more_than_a_process_may_hold_open() {
        let mut loaded = Loaded::new(u64::MAX);
        let mut forgotten = 0;
        for number in 0..2 * COUNT_MAX as u32 {
            let version = VersionId::of(&number.to_le_bytes());
            match loaded.want(version, 1) {
                Step::Load { forget, .. } => forgotten += forget.len(),
                Step::Ready(_) => panic!("it was not there"),
            }
        }
        assert_eq!((loaded.versions.len(), forgotten), (COUNT_MAX, COUNT_MAX));
    }
}
