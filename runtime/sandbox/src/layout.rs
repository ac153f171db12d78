//! What must be known of compiled code besides the code.

use serde::{Deserialize, Serialize};

/// What must be known of compiled code besides the code, to count and to
/// charge what its runs take. It goes where the code goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Layout {
    /// What each of its memories has beyond what it declares, in pages; 0 if
    /// growth was left alone.
    pub reserve_pages: u8,
    /// Imports that are linked when an instance is made.
    pub links: u32,
}

impl Layout {
    /// In the order of its fields, little endian.
    pub(crate) fn to_bytes(self) -> [u8; 5] {
        let [a, b, c, d] = self.links.to_le_bytes();
        [self.reserve_pages, a, b, c, d]
    }

    /// What [`Layout::to_bytes`] wrote at the beginning, and the rest; none if
    /// it is too short.
    pub(crate) fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&[reserve_pages, a, b, c, d], rest) = bytes.split_first_chunk()?;
        let layout = Self {
            reserve_pages,
            links: u32::from_le_bytes([a, b, c, d]),
        };
        Some((layout, rest))
    }
}
