// SPDX-License-Identifier: GPL-2.0-only
//! Metadata memory: `kzalloc`, `__vmalloc`, `kvfree`.

use crate::arena::place::{HEAP, HEAP_END};
use percuss_kernel::Addr;

/// Granule of the heap in bytes: what the kernel's slab gives objects of this size at least.
const GRANULE: u64 = 64;

/// A deterministic allocator of addresses: last freed of the same size first, else from the end. What it does, and by which
/// way through the code, depends on what was asked of it since the reset alone: a fuzzer looks at that.
#[derive(Debug, PartialEq)]
pub struct Heap {
    /// What is known of each granule that was ever handed out. No more: a World is made for each Model, with little use for
    /// a table of all.
    granules: Vec<Granule>,
    /// By granules of an object: the one of that size freed last.
    freed: Vec<Link>,
    count: u32,
}

/// Of an object's first granule; 0 in the others.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Granule {
    /// Bytes of the object, if it is live.
    live: u32,
    /// The object of its size that was freed before it, if it is not.
    before: Link,
}

/// The number of an object's first granule and 1; 0 when there is no object.
type Link = u32;

fn address(granule: usize) -> Addr {
    HEAP + granule as u64 * GRANULE
}

impl Heap {
    pub fn new() -> Heap {
        Heap { granules: Vec::with_capacity(1 << 12), freed: Vec::with_capacity(1 << 10), count: 0 }
    }

    pub fn clear(&mut self) {
        self.granules.clear();
        self.freed.clear();
        self.count = 0;
    }

    /// Live objects.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// An address, or 0 when the heap is full.
    pub fn alloc(&mut self, size: u64) -> Addr {
        if size > HEAP_END - HEAP {
            return 0;
        }
        let needed = size.max(1).div_ceil(GRANULE) as usize;
        let last = self.freed.get_mut(needed).filter(|link| **link != 0);
        let granule = match last {
            Some(link) => {
                let granule = *link as usize - 1;
                *link = self.granules[granule].before;
                granule
            }
            None => {
                let next = self.granules.len();
                if address(next + needed) > HEAP_END {
                    return 0;
                }
                self.granules.resize(next + needed, Granule::default());
                next
            }
        };
        self.granules[granule].live = size as u32;
        self.count += 1;
        address(granule)
    }

    /// Bytes of the object that was at `addr`, or None when there is none.
    pub fn free(&mut self, addr: Addr) -> Option<u64> {
        if addr < HEAP || !addr.is_multiple_of(GRANULE) {
            return None;
        }
        let granule = ((addr - HEAP) / GRANULE) as usize;
        let object = self.granules.get_mut(granule).filter(|object| object.live != 0)?;
        let size = u64::from(std::mem::take(&mut object.live));
        let needed = size.div_ceil(GRANULE) as usize;
        if self.freed.len() <= needed {
            self.freed.resize(needed + 1, 0);
        }
        object.before = std::mem::replace(&mut self.freed[needed], granule as Link + 1);
        self.count -= 1;
        Some(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_freed_of_a_size_comes_first() {
        let mut heap = Heap::new();
        let [a, b, c] = [100, 128, 64].map(|size| heap.alloc(size));
        assert_eq!([a, b, c], [HEAP, HEAP + 128, HEAP + 256]);
        assert_eq!([heap.free(a), heap.free(c), heap.free(b)], [Some(100), Some(64), Some(128)]);
        assert_eq!(heap.free(b), None, "freed twice");
        assert_eq!([65, 120, 64, 64].map(|size| heap.alloc(size)), [b, a, c, HEAP + 320]);
        assert_eq!(heap.count(), 4);
    }

    #[test]
    fn a_reset_forgets_all() {
        let mut heap = Heap::new();
        let ask = |heap: &mut Heap| {
            let a = heap.alloc(64);
            heap.alloc(200);
            heap.free(a);
            [heap.alloc(200), heap.alloc(64), heap.alloc(64)]
        };
        let first = ask(&mut heap);
        heap.clear();
        assert_eq!(heap.count(), 0);
        assert_eq!(heap.free(first[0]), None);
        assert_eq!(ask(&mut heap), first);
    }

    #[test]
    fn full_is_full_until_something_is_freed() {
        let mut heap = Heap::new();
        let all = heap.alloc(HEAP_END - HEAP);
        assert_eq!([all, heap.alloc(1), heap.alloc(u64::MAX)], [HEAP, 0, 0]);
        assert_eq!(heap.free(all), Some(HEAP_END - HEAP));
        assert_eq!(heap.alloc(HEAP_END - HEAP), HEAP);
    }
}
