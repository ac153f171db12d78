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

use crate::blocks::{ARENA_BYTES, Blocks, Memory};

/// Tells the host not to prepare for growth, which costs a little in each run:
/// it is rare here. The name and the text are known to the host.
#[used]
#[unsafe(link_section = "ringfence:growth")]
static GROWTH: [u8; 4] = *b"rare";

#[global_allocator]
static ALLOCATOR: Allocator = Allocator(UnsafeCell::new(Blocks::new()));

static ARENA: Arena = Arena(UnsafeCell::new(MaybeUninit::uninit()));

#[repr(C, align(16))]
struct Arena(UnsafeCell<MaybeUninit<[u8; ARENA_BYTES]>>);

// SAFETY: there is one thread; see the top of this file.
unsafe impl Sync for Arena {}

struct Allocator(UnsafeCell<Blocks>);

// SAFETY: there is one thread; see the top of this file.
unsafe impl Sync for Allocator {}

/// The instance's own memory.
struct Linear;

impl Memory for Linear {
    fn arena(&self) -> usize {
        ARENA.0.get() as usize
    }

    fn grow(&self, pages: usize) -> usize {
        wasm32::memory_grow::<0>(pages)
    }
}

// SAFETY: blocks are disjoint, aligned and as large as asked for; see `Blocks`.
// Nothing here panics or allocates.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the only reference, because there is one thread and `Blocks`
        // calls nothing but `Linear`.
        let blocks = unsafe { &mut *self.0.get() };
        blocks.alloc(layout, &Linear) as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`.
        let blocks = unsafe { &mut *self.0.get() };
        blocks.dealloc(block as usize, layout);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let blocks = unsafe { &mut *self.0.get() };
        if blocks.resize(block as usize, layout, size) {
            return block;
        }
        // SAFETY: the caller promises that `size`, rounded up to the
        // alignment, is a valid layout.
        let new_layout = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let new = blocks.alloc(new_layout, &Linear) as *mut u8;
        if !new.is_null() {
            let kept = layout.size().min(size);
            // SAFETY: both blocks hold `kept` bytes and are disjoint, since
            // the old one was not given back yet.
            unsafe { ptr::copy_nonoverlapping(block, new, kept) };
            blocks.dealloc(block as usize, layout);
        }
        new
    }
}
