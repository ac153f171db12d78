//! The guest's allocator.
//!
//! A run's instance is thrown away after one event, and growing memory costs
//! the host more than all else in an ordinary run (it changes the process's
//! memory map). So a run is served from static memory, by moving a pointer;
//! only the last block is ever given back. A run that needs more grows its
//! memory; from then on, blocks come in classes of sizes and are used again,
//! so that long work which allocates and frees does not run into its memory
//! limit.

#![allow(
    unsafe_code,
    reason = "an allocator hands out raw memory. Each block is cut from a region that nobody else uses: the static \
              arena, or pages that `memory.grow` just added. WebAssembly without the threads proposal, which the \
              host refuses, has one thread, so the state is never reached from two places at once, and no method \
              calls anything that could allocate."
)]

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;

/// Enough for events of some 20 kB that are parsed into a tree.
const ARENA_BYTES: usize = 96 * 1024;
const PAGE_BYTES: usize = 64 * 1024;
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

#[global_allocator]
static ALLOCATOR: Allocator = Allocator(UnsafeCell::new(State {
    next: 0,
    end: 0,
    grown: false,
    free: [0; CLASSES],
}));

static ARENA: Arena = Arena(UnsafeCell::new(MaybeUninit::uninit()));

#[repr(C, align(16))]
struct Arena(UnsafeCell<MaybeUninit<[u8; ARENA_BYTES]>>);

// SAFETY: there is one thread; see the top of this file.
unsafe impl Sync for Arena {}

struct Allocator(UnsafeCell<State>);

// SAFETY: there is one thread; see the top of this file.
unsafe impl Sync for Allocator {}

/// Addresses are kept as numbers: 0 is none, and the initial value is all
/// zeros, so that it costs no bytes in the component's image.
struct State {
    /// From here to `end` nothing was handed out.
    next: usize,
    end: usize,
    /// Whether the arena did not suffice.
    grown: bool,
    /// Per class, the first of the blocks given back; each holds the next
    /// one's address.
    free: [usize; CLASSES],
}

impl State {
    fn alloc(&mut self, layout: Layout) -> usize {
        if self.grown {
            return self.alloc_class(layout);
        }
        if self.end == 0 {
            self.next = ARENA.0.get() as usize;
            self.end = self.next + ARENA_BYTES;
        }
        match self.cut(layout.size(), layout.align()) {
            0 => {
                self.grown = true;
                self.alloc_class(layout)
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
    fn alloc_class(&mut self, layout: Layout) -> usize {
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
            0 if self.grow(size + align) => self.cut(size, align),
            block => block,
        }
    }

    /// Adds pages to the region, or starts a new one with them. What is left
    /// of the old one is less than the block that did not fit.
    fn grow(&mut self, bytes: usize) -> bool {
        let pages = bytes.div_ceil(PAGE_BYTES).max(GROW_PAGES_MIN);
        let before = wasm32::memory_grow::<0>(pages);
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

    fn dealloc(&mut self, block: usize, layout: Layout) {
        if in_arena(block) {
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
    fn resize(&mut self, block: usize, layout: Layout, size: usize) -> bool {
        if !in_arena(block) {
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

fn in_arena(block: usize) -> bool {
    block.wrapping_sub(ARENA.0.get() as usize) < ARENA_BYTES
}

// SAFETY: blocks are disjoint, aligned and as large as asked for; see `State`.
// Nothing here panics or allocates.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the only reference, because there is one thread and `State`
        // calls nothing outside.
        let state = unsafe { &mut *self.0.get() };
        state.alloc(layout) as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`.
        let state = unsafe { &mut *self.0.get() };
        state.dealloc(block as usize, layout);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let state = unsafe { &mut *self.0.get() };
        if state.resize(block as usize, layout, size) {
            return block;
        }
        // SAFETY: the caller promises that `size`, rounded up to the
        // alignment, is a valid layout.
        let new_layout = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let new = state.alloc(new_layout) as *mut u8;
        if !new.is_null() {
            let kept = layout.size().min(size);
            // SAFETY: both blocks hold `kept` bytes and are disjoint, since
            // the old one was not given back yet.
            unsafe { ptr::copy_nonoverlapping(block, new, kept) };
            state.dealloc(block as usize, layout);
        }
        new
    }
}
