//! What is in the artifacts' folder, and what goes when it is full.

use std::collections::{BTreeMap, HashMap};

use ringfence_model::VersionId;

/// Files by the order in which they were used.
#[derive(Debug)]
pub(crate) struct Shelf {
    bytes_max: u64,
    bytes: u64,
    files: HashMap<VersionId, File>,
    order: BTreeMap<u64, VersionId>,
    uses: u64,
}

#[derive(Debug, Clone, Copy)]
struct File {
    bytes: u64,
    used: u64,
}

impl Shelf {
    /// With room for so many bytes.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            files: HashMap::new(),
            order: BTreeMap::new(),
            uses: 0,
        }
    }

    /// Whether so many bytes fit into it when it is empty.
    pub(crate) fn could_hold(&self, bytes: u64) -> bool {
        bytes <= self.bytes_max
    }

    /// Adds a file, used last.
    pub(crate) fn put(&mut self, version: VersionId, bytes: u64) {
        self.remove(version);
        self.uses += 1;
        let used = self.uses;
        self.files.insert(version, File { bytes, used });
        self.order.insert(used, version);
        self.bytes += bytes;
    }

    /// A file was used.
    pub(crate) fn touch(&mut self, version: VersionId) {
        if let Some(File { bytes, .. }) = self.files.get(&version).copied() {
            self.put(version, bytes);
        }
    }

    /// A file is gone.
    pub(crate) fn remove(&mut self, version: VersionId) {
        if let Some(File { bytes, used }) = self.files.remove(&version) {
            self.order.remove(&used);
            self.bytes -= bytes;
        }
    }

    /// What has to go so that so many bytes more fit: the least recently used
    /// that is not hot, or else the least recently used.
    pub(crate) fn surplus(
        &self,
        bytes: u64,
        is_hot: &dyn Fn(VersionId) -> bool,
    ) -> Option<VersionId> {
        if self.bytes.saturating_add(bytes) <= self.bytes_max {
            return None;
        }
        let cold = self.order.values().find(|version| !is_hot(**version));
        cold.or_else(|| self.order.values().next()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first_and_what_is_hot_last() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|bytes| VersionId::of(bytes));
        let mut shelf = Shelf::new(10);
        for version in [a, b, c] {
            shelf.put(version, 3);
        }
        let cold = |_| false;
        assert_eq!(shelf.surplus(1, &cold), None);
        assert_eq!(shelf.surplus(2, &cold), Some(a));
        shelf.touch(a);
        assert_eq!(shelf.surplus(2, &cold), Some(b));
        assert_eq!(shelf.surplus(2, &|version| version == b), Some(c));
        assert_eq!(shelf.surplus(2, &|_| true), Some(b));
        shelf.remove(b);
        assert_eq!(shelf.surplus(4, &cold), None);
        shelf.put(c, 10);
        assert_eq!(shelf.surplus(0, &cold), Some(a));
        assert!(shelf.could_hold(10) && !shelf.could_hold(11));
    }
}
