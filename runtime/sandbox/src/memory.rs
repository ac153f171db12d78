//! The memory limit: everything that a run makes the host hold.

use std::mem;

use wasmtime::ResourceLimiter;

use crate::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_COMPILED_MAX};
use crate::rewrite::{PAGE_BYTES, SHADOW_ELEMENTS};

/// What one table element takes on the host, in bytes.
const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();

/// Counts what a run holds.
#[derive(Debug)]
pub(crate) struct MemoryMeter {
    limit: u64,
    held: u64,
    /// What each memory has beyond what it declared, in pages; see `rewrite`.
    reserve: usize,
    /// What is left of the reserve of the memory that is about to grow beyond
    /// it, in pages.
    crossed: usize,
}

/// A run asked for more than it may have. Ends the run: a rule that cannot
/// get memory has nothing sensible left to do, and an allocator's own failure
/// would be a bare `unreachable`.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{wanted} bytes of memory were asked for; at most {limit} are allowed")]
pub(crate) struct OutOfMemory {
    /// The limit, in bytes.
    pub(crate) limit: u64,
    /// What would have been held in all, in bytes.
    pub(crate) wanted: u64,
}

impl MemoryMeter {
    /// With this limit, in bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            held: 0,
            reserve: 0,
            crossed: 0,
        }
    }

    /// For a component whose memories have a reserve of so many pages. It
    /// counts as far as it is in use.
    pub(crate) fn reserve(&mut self, pages: u8) {
        self.reserve = pages.into();
    }

    /// The most held at once, in bytes; nothing is given back before the end.
    pub(crate) fn peak(&self) -> u64 {
        self.held
    }

    /// What may still be held, in bytes.
    pub(crate) fn room(&self) -> u64 {
        self.limit - self.held
    }

    /// Counts what the host keeps for the run outside its memories and
    /// tables.
    ///
    /// # Errors
    /// When it is more than there is room for.
    pub(crate) fn hold(&mut self, bytes: u64) -> Result<(), OutOfMemory> {
        let wanted = self.held.saturating_add(bytes);
        if wanted > self.limit {
            let limit = self.limit;
            return Err(OutOfMemory { limit, wanted });
        }
        self.held = wanted;
        Ok(())
    }

    /// Whether a table with this declared maximum stands for a memory.
    pub(crate) fn is_shadow(&self, maximum: Option<usize>) -> bool {
        self.reserve > 0 && maximum == Some(SHADOW_ELEMENTS as usize)
    }

    /// Whether memories have a reserve, so that growing them takes more
    /// instructions than it seems.
    pub(crate) fn has_reserve(&self) -> bool {
        self.reserve > 0
    }

    fn grow(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
        unit: usize,
    ) -> wasmtime::Result<bool> {
        let bytes = |units: usize| (units as u64).saturating_mul(unit as u64);
        // A maximum that the guest declared itself, below the limit: growing
        // beyond it fails as in every host, and the guest goes on.
        if maximum.is_some_and(|maximum| desired > maximum && bytes(maximum) < self.limit) {
            return Ok(false);
        }
        self.hold(bytes(desired.saturating_sub(current)))?;
        Ok(true)
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if current == 0 {
            // As it is made; one that has a reserve is never empty later.
            return self.grow(self.reserve * PAGE_BYTES, desired, maximum, 1);
        }
        let unused = mem::take(&mut self.crossed) * PAGE_BYTES;
        self.grow(current.saturating_sub(unused), desired, maximum, 1)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if !self.is_shadow(maximum) {
            return self.grow(current, desired, maximum, TABLE_ELEMENT_BYTES);
        }
        // A shadow has an element for each page of the reserve in use.
        if desired > self.reserve {
            self.crossed = self.reserve.saturating_sub(current);
            return Ok(false);
        }
        self.grow(current, desired, None, PAGE_BYTES)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_COMPILED_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }
}
