// SPDX-License-Identifier: GPL-2.0-only
//! Free objects of the slab allocator, under memory pressure.

use crate::arena::PAGE;

/// Sizes of objects in bytes: the kernel's kmalloc caches up to a page. The caches below 64 are left out, because few
/// objects of percpu.c fall into them.
const SIZES: [u16; 9] = [64, 96, 128, 192, 256, 512, 1024, 2048, 4096];

/// Empty pages that a cache keeps instead of giving them back, SLUB's `MIN_PARTIAL`.
pub const KEPT: u16 = 5;

/// Free objects in the pages of each cache. The page of an object is not kept: live objects are taken to lie as close
/// together as they can, so that a page is empty as soon as enough objects are free.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Slabs([u16; SIZES.len()]);

impl Slabs {
    /// The cache for objects of this size; None for one so large that it has pages of its own.
    pub fn cache(size: u64) -> Option<usize> {
        // The sizes ascend, so the first that fits is the smallest.
        SIZES.iter().position(|s| size <= u64::from(*s))
    }

    fn per_page(cache: usize) -> u16 {
        (PAGE / u64::from(SIZES[cache])) as u16
    }

    /// Takes a free object; false when the cache needs a page first.
    pub fn take(&mut self, cache: usize) -> bool {
        let free = &mut self.0[cache];
        let taken = *free > 0;
        *free -= u16::from(taken);
        taken
    }

    pub fn add_page(&mut self, cache: usize) {
        self.0[cache] += Slabs::per_page(cache);
    }

    /// Gives an object back; true when the cache then has one empty page more than it keeps, which goes back to the
    /// page allocator.
    pub fn give(&mut self, cache: usize) -> bool {
        let free = &mut self.0[cache];
        *free += 1;
        let per_page = Slabs::per_page(cache);
        // At most one page goes back for each object, since one object is given at a time.
        let too_many = *free > KEPT * per_page;
        *free -= if too_many { per_page } else { 0 };
        too_many
    }
}
