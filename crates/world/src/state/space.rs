// SPDX-License-Identifier: GPL-2.0-only
//! The memory that programs run in, which outlives boots, and what is known of its content.

use super::pageset::PageSet;
use super::sample::Contents;
use crate::arena::{Arena, PAGE, POISON, addresses};
use percuss_kernel::Addr;

/// Pages in use from which the next program boots, so that their memory goes back to the system: 64 MiB. Each
/// worker process has several Worlds and there is one worker for each core, so what one may keep is bounded.
const RELEASE_AFTER: u64 = 16_384;

/// The arena and what is known of its pages. No reset of programs or machines changes it, except where it gives memory
/// back to the system.
#[derive(Debug)]
pub struct Space {
    pub arena: Arena,
    /// Bytes of the tenant's `struct page`, cleared when its page is handed out; 0 for a tenant that has none.
    pub page_struct: u32,
    pub contents: Contents,
    /// Pages of vmalloc space that cost memory.
    committed: PageSet,
    /// Pages of vmalloc space whose bytes are all poison outside of live areas.
    poisoned: PageSet,
    /// The largest number of bytes that one boot has taken since memory was given back.
    boot_bytes: u64,
}

impl Space {
    /// # Errors
    /// The system refuses the address space.
    pub fn new(page_struct: u32) -> std::io::Result<Space> {
        Ok(Space {
            arena: Arena::new()?,
            page_struct,
            contents: Contents::default(),
            committed: PageSet::new(),
            poisoned: PageSet::new(),
            boot_bytes: 0,
        })
    }

    /// Whether memory has content: the tenant is C and reads and writes it. The Model keeps its state in Rust, and what
    /// it does to memory is all in its events.
    #[inline]
    pub fn backed(&self) -> bool {
        self.page_struct != 0
    }

    /// Notes that the page at `at` is about to be used. It is poisoned the first time only: from then on each free of
    /// an area poisons its bytes again, so bytes outside of live areas stay poison.
    #[inline]
    pub fn commit(&mut self, at: Addr) {
        let page = ((at - addresses::VMALLOC) / PAGE) as u32;
        self.committed.insert(page);
        if self.contents == Contents::Whole && self.poisoned.insert(page) {
            self.arena.fill(at, PAGE, POISON);
        }
    }

    pub fn booted(&mut self, bytes: u64) {
        // All boots take the lowest addresses, so they use the same memory and the largest one counts.
        self.boot_bytes = self.boot_bytes.max(bytes);
    }

    pub fn forget_poison(&mut self) {
        self.poisoned.clear();
    }

    /// So much memory is committed that the next program should boot, which gives it back.
    pub fn wants_release(&self) -> bool {
        self.pages_taken() > RELEASE_AFTER
    }

    /// Makes [`Space::wants_release`] true when half of that is committed already.
    pub fn release_early(&mut self) {
        if self.pages_taken() > RELEASE_AFTER / 2 {
            self.boot_bytes = (RELEASE_AFTER + 1) * PAGE;
        }
    }

    fn pages_taken(&self) -> u64 {
        self.committed.count() as u64 + self.boot_bytes / PAGE
    }

    pub fn release(&mut self) {
        self.arena.release(addresses::VMALLOC, addresses::VMALLOC_END - addresses::VMALLOC);
        self.arena.release(addresses::HEAP, addresses::HEAP_END - addresses::HEAP);
        self.arena.release(addresses::LINEAR, addresses::LINEAR_END - addresses::LINEAR);
        self.boot_bytes = 0;
        self.committed.clear();
        self.poisoned.clear();
    }
}
