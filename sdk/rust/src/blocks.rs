//! Which block goes where: the guest's allocator without its memory, so that
//! it can be tested natively.

#![allow(
    unsafe_code,
    reason = "a free block holds the next one's address: written when its owner gave it back, read before it is \
              handed out again. `Memory` promises that what it gives is nobody else's."
)]

use std::alloc::Layout;

/// Enough for events of some 20 kB that are parsed into a tree.
pub(crate) const ARENA_BYTES: usize = 96 * 1024;
pub(crate) const PAGE_BYTES: usize = 64 * 1024;
/// Growing costs the host the same for one page as for several.
const GROW_PAGES_MIN: usize = 4;
/// Four per power of two of a 32-bit memory.
const CLASSES: usize = 128;
/// Blocks beyond the arena hold at least a free list's link.
const CLASS_BYTES_MIN: usize = 16;
/// From this size on, a power of two would waste too much: rounded up to a
/// quarter of one.
const QUARTERS_FROM_BYTES: usize = 64 * 1024;
/// Blocks beyond the arena are aligned to their size, up to this.
const ALIGN_MAX: usize = 4096;

/// Where blocks are cut from. What it gives is valid for reads and writes, and
/// nobody else's.
pub(crate) trait Memory {
    /// The address of [`ARENA_BYTES`] bytes, aligned to 16.
    fn arena(&self) -> usize;

    /// Adds pages, and gives the number of the first; `usize::MAX` if there
    /// are none. WebAssembly's `memory.grow`.
    fn grow(&self, pages: usize) -> usize;
}

/// Addresses are kept as numbers: 0 is none, and the initial value is all
/// zeros, so that it costs no bytes in the component's image.
pub(crate) struct Blocks {
    /// Where the arena starts; 0 before the first block.
    arena: usize,
    /// From here to `end` nothing was handed out.
    next: usize,
    end: usize,
    /// Whether the arena did not suffice.
    grown: bool,
    /// Per class, the first of the blocks given back; each holds the next
    /// one's address.
    free: [usize; CLASSES],
}

impl Blocks {
    /// Nothing handed out, and no arena yet.
    pub(crate) const fn new() -> Self {
        Self {
            arena: 0,
            next: 0,
            end: 0,
            grown: false,
            free: [0; CLASSES],
        }
    }

    /// A block's address; 0 if there is no memory for it.
    pub(crate) fn alloc(&mut self, layout: Layout, memory: &impl Memory) -> usize {
        if self.grown {
            return self.alloc_class(layout, memory);
        }
        if self.arena == 0 {
            self.arena = memory.arena();
            self.next = self.arena;
            self.end = self.arena + ARENA_BYTES;
        }
        match self.cut(layout.size(), layout.align()) {
            0 => {
                self.grown = true;
                self.alloc_class(layout, memory)
            }
            block => block,
        }
    }

    /// Cuts a block off the region; 0 if it is too small.
    fn cut(&mut self, size: usize, align: usize) -> usize {
        let start = (self.next + align - 1) & !(align - 1);
        // Layouts are below 2^31, and so is `start` unless memory is full.
        match start.checked_add(size) {
            Some(end) if end <= self.end => {
                self.next = end;
                start
            }
            _ => 0,
        }
    }

    #[cold]
    fn alloc_class(&mut self, layout: Layout, memory: &impl Memory) -> usize {
        let Some((class, size)) = class_of(layout) else {
            return 0;
        };
        let block = self.free[class];
        if block != 0 {
            // SAFETY: the block is free, and a free block holds the address
            // of the next; `dealloc` wrote it.
            self.free[class] = unsafe { *(block as *const usize) };
            return block;
        }
        let align = size.min(ALIGN_MAX);
        match self.cut(size, align) {
            0 if self.grow(size + align, memory) => self.cut(size, align),
            block => block,
        }
    }

    /// Adds pages to the region, or starts a new one with them. What is left
    /// of the old one is less than the block that did not fit.
    fn grow(&mut self, bytes: usize, memory: &impl Memory) -> bool {
        let pages = bytes.div_ceil(PAGE_BYTES).max(GROW_PAGES_MIN);
        let before = memory.grow(pages);
        if before == usize::MAX {
            return false;
        }
        let start = before * PAGE_BYTES;
        if start != self.end {
            self.next = start;
        }
        // The last page may end at 2^32, which a `usize` cannot hold.
        self.end = start.saturating_add(pages * PAGE_BYTES);
        true
    }

    /// Takes a block back.
    pub(crate) fn dealloc(&mut self, block: usize, layout: Layout) {
        if self.in_arena(block) {
            if block + layout.size() == self.next {
                self.next = block;
            }
        } else if let Some((class, _)) = class_of(layout) {
            // SAFETY: the caller gives the block back, it is at least
            // `CLASS_BYTES_MIN` long and aligned, so it can hold an address.
            unsafe { *(block as *mut usize) = self.free[class] };
            self.free[class] = block;
        }
    }

    /// Whether the block can have another size where it is.
    pub(crate) fn resize(&mut self, block: usize, layout: Layout, size: usize) -> bool {
        if !self.in_arena(block) {
            let Ok(new) = Layout::from_size_align(size, layout.align()) else {
                return false;
            };
            return class_of(new) == class_of(layout);
        }
        let last = block + layout.size() == self.next;
        if last && size <= self.end - block {
            self.next = block + size;
            return true;
        }
        size <= layout.size()
    }

    fn in_arena(&self, block: usize) -> bool {
        block.wrapping_sub(self.arena) < ARENA_BYTES
    }
}

/// The class that holds this layout, and the size of its blocks; none if
/// there is no such block.
fn class_of(layout: Layout) -> Option<(usize, usize)> {
    if layout.align() > ALIGN_MAX {
        return None;
    }
    let bytes = layout.size().max(layout.align()).max(CLASS_BYTES_MIN);
    if bytes < QUARTERS_FROM_BYTES {
        let size = bytes.next_power_of_two();
        return Some((4 * size.ilog2() as usize, size));
    }
    let exponent = bytes.ilog2() as usize;
    let quarter = 1 << (exponent - 2);
    let size = bytes.checked_next_multiple_of(quarter)?;
    // Four quarters are the next exponent's class, with the same number.
    Some((4 * exponent + (size >> (exponent - 2)) - 4, size))
}

#[cfg(test)]
mod tests {
    use std::alloc::{alloc, dealloc};
    use std::cell::Cell;
    use std::ptr;

    use proptest::prelude::*;

    use super::*;

    const PAGES_MAX: usize = 64;

    /// A stretch of the test's own memory.
    struct Stretch {
        start: *mut u8,
        used: Cell<usize>,
        grows: Cell<usize>,
    }

    impl Stretch {
        const LAYOUT: Layout = match Layout::from_size_align(PAGES_MAX * PAGE_BYTES, PAGE_BYTES) {
            Ok(layout) => layout,
            Err(_) => unreachable!(),
        };

        fn new() -> Self {
            // SAFETY: the layout is not empty.
            let start = unsafe { alloc(Self::LAYOUT) };
            assert!(!start.is_null());
            // The arena has the first two pages.
            Self {
                start,
                used: Cell::new(2),
                grows: Cell::new(0),
            }
        }
    }

    impl Drop for Stretch {
        fn drop(&mut self) {
            // SAFETY: allocated in `new` with this layout.
            unsafe { dealloc(self.start, Self::LAYOUT) };
        }
    }

    impl Memory for Stretch {
        fn arena(&self) -> usize {
            self.start as usize
        }

        fn grow(&self, pages: usize) -> usize {
            self.grows.set(self.grows.get() + 1);
            // Every third time, somebody else has grown the memory before.
            let gap = usize::from(self.grows.get().is_multiple_of(3));
            let first = self.used.get() + gap;
            if first + pages > PAGES_MAX {
                return usize::MAX;
            }
            self.used.set(first + pages);
            self.start as usize / PAGE_BYTES + first
        }
    }

    /// A block in use, filled with its mark.
    struct Used {
        block: usize,
        layout: Layout,
        mark: u8,
    }

    impl Used {
        fn fill(&self) {
            // SAFETY: the block is this test's, and as long as its layout.
            unsafe { ptr::write_bytes(self.block as *mut u8, self.mark, self.layout.size()) };
        }

        fn is_intact(&self, bytes: usize) -> bool {
            // SAFETY: as in `fill`, which has initialized it.
            let held = unsafe { std::slice::from_raw_parts(self.block as *const u8, bytes) };
            held.iter().all(|byte| *byte == self.mark)
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Alloc(usize, u32),
        Free(usize),
        Resize(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let size =
            || prop_oneof![8 => 1..200_usize, 3 => 200..20_000_usize, 1 => 20_000..400_000_usize];
        prop_oneof![
            3 => (size(), 0..13_u32).prop_map(|(size, align)| Step::Alloc(size, align)),
            2 => any::<usize>().prop_map(Step::Free),
            2 => (any::<usize>(), size()).prop_map(|(which, size)| Step::Resize(which, size)),
        ]
    }

    proptest! {
        /// Blocks never overlap (or their marks would be overwritten), are
        /// aligned, and keep what they hold when they are resized.
        #[test]
        fn blocks_are_their_owners_alone(steps in prop::collection::vec(step(), 1..200)) {
            let memory = Stretch::new();
            let mut blocks = Blocks::new();
            let mut used: Vec<Used> = Vec::new();
            for (count, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Alloc(size, align) => {
                        let layout = Layout::from_size_align(size, 1 << align).unwrap();
                        let block = blocks.alloc(layout, &memory);
                        if block != 0 {
                            prop_assert_eq!(block % layout.align(), 0);
                            used.push(Used { block, layout, mark: count as u8 });
                            used.last().unwrap().fill();
                        }
                    }
                    Step::Free(which) if !used.is_empty() => {
                        let gone = used.swap_remove(which % used.len());
                        prop_assert!(gone.is_intact(gone.layout.size()));
                        blocks.dealloc(gone.block, gone.layout);
                    }
                    Step::Resize(which, size) if !used.is_empty() => {
                        let index = which % used.len();
                        let one = &mut used[index];
                        if blocks.resize(one.block, one.layout, size) {
                            prop_assert!(one.is_intact(size.min(one.layout.size())));
                            one.layout = Layout::from_size_align(size, one.layout.align()).unwrap();
                            one.fill();
                        }
                    }
                    _ => {}
                }
                for one in &used {
                    prop_assert!(one.is_intact(one.layout.size()));
                }
            }
        }
    }

    fn bytes(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn a_run_within_the_arena_never_grows() {
        let (memory, mut blocks) = (Stretch::new(), Blocks::new());
        for _ in 0..ARENA_BYTES / 64 {
            assert_ne!(blocks.alloc(bytes(64), &memory), 0);
        }
        assert_eq!(memory.grows.get(), 0);
        assert_ne!(blocks.alloc(bytes(64), &memory), 0);
        assert_eq!(memory.grows.get(), 1);
    }

    #[test]
    fn the_last_block_grows_in_place_and_is_given_back() {
        let (memory, mut blocks) = (Stretch::new(), Blocks::new());
        let first = blocks.alloc(bytes(8), &memory);
        let last = blocks.alloc(bytes(8), &memory);
        assert!(blocks.resize(last, bytes(8), 50_000));
        assert!(!blocks.resize(first, bytes(8), 16));
        blocks.dealloc(last, bytes(50_000));
        assert_eq!(blocks.alloc(bytes(8), &memory), last);
    }

    #[test]
    fn long_work_uses_its_memory_again() {
        let (memory, mut blocks) = (Stretch::new(), Blocks::new());
        for turn in 0..100_000 {
            let layout = bytes(1 + turn % 9_000);
            let keep = blocks.alloc(bytes(100), &memory);
            let block = blocks.alloc(layout, &memory);
            assert!(keep != 0 && block != 0, "turn {turn}");
            blocks.dealloc(keep, bytes(100));
            blocks.dealloc(block, layout);
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let (memory, mut blocks) = (Stretch::new(), Blocks::new());
        assert_eq!(blocks.alloc(bytes(PAGES_MAX * PAGE_BYTES), &memory), 0);
        let wide = Layout::from_size_align(1, 1 << 17).unwrap();
        assert_eq!(blocks.alloc(wide, &memory), 0);
        // And all else goes on.
        assert_ne!(blocks.alloc(bytes(100), &memory), 0);
    }
}
