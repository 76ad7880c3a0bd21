// SPDX-License-Identifier: GPL-2.0-only
//! Addresses of metadata: what `kzalloc()` and `__vmalloc()` return and `kvfree()` takes.

use crate::arena::addresses::{HEAP, HEAP_END};
use crate::state::redzone;
use percuss_kernel::Addr;

/// The heap hands out multiples of this many bytes, aligned to it, each with a red zone after what was asked for. It is
/// a cache line, and most metadata of percpu.c is larger.
const GRANULE: u64 = redzone::LEAST;

/// The granules that an object of this size takes, its red zone included.
fn granules(size: u64) -> usize {
    (redzone::after(size) / GRANULE) as usize
}

/// A deterministic allocator of addresses: the object of the same size freed last comes first, else the end of the
/// heap. Both its results and its way through the code depend only on the calls since the last clear: a fuzzer counts
/// new code as progress, and must not be led by what an earlier program left.
#[derive(Debug, PartialEq)]
pub struct Heap {
    /// The granules handed out since the last clear. There is no table of all: each Model has a World, which uses few.
    granules: Vec<Granule>,
    /// The object freed last, by size in granules.
    freed: Vec<Link>,
    count: u32,
}

/// What is known of an object, in its first granule; the others are 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Granule {
    /// Bytes of the object; 0 when it is not live.
    live: u32,
    /// The object of the same size that was freed before this one.
    before: Link,
}

/// 1 + the number of an object's first granule; 0 for no object.
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

    pub fn count(&self) -> u32 {
        self.count
    }

    /// Address and bytes of each live object, in the order of their addresses.
    pub fn live(&self) -> impl Iterator<Item = (Addr, u64)> {
        let live = self.granules.iter().enumerate().filter(|(_, object)| object.live != 0);
        live.map(|(i, object)| (address(i), u64::from(object.live)))
    }

    /// The address of a new object, or 0 when the heap is full.
    pub fn alloc(&mut self, size: u64) -> Addr {
        if size >= HEAP_END - HEAP {
            return 0;
        }
        let needed = granules(size);
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
                // The table grows with the heap, so a clear costs what the program used.
                self.granules.resize(next + needed, Granule::default());
                next
            }
        };
        self.granules[granule].live = size as u32;
        self.count += 1;
        address(granule)
    }

    /// Frees the object at `addr` and returns its bytes; None when no live object begins there.
    pub fn free(&mut self, addr: Addr) -> Option<u64> {
        // The address is the tenant's: kvfree() of any number must end in an event and not in a panic.
        if addr < HEAP || !addr.is_multiple_of(GRANULE) {
            return None;
        }
        let granule = ((addr - HEAP) / GRANULE) as usize;
        let object = self.granules.get_mut(granule).filter(|object| object.live != 0)?;
        let size = u64::from(std::mem::take(&mut object.live));
        let needed = granules(size);
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
        assert_eq!([a, b, c], [HEAP, HEAP + 192, HEAP + 384], "an object and its red zone are whole lines");
        assert_eq!(heap.live().collect::<Vec<_>>(), [(a, 100), (b, 128), (c, 64)]);
        assert_eq!([heap.free(a), heap.free(c), heap.free(b)], [Some(100), Some(64), Some(128)]);
        assert_eq!(heap.free(b), None, "freed twice");
        assert_eq!([65, 120, 64, 64].map(|size| heap.alloc(size)), [b, a, c, HEAP + 512]);
        assert_eq!(heap.count(), 4);
    }

    #[test]
    fn clearing_forgets_all() {
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
        let most = HEAP_END - HEAP - GRANULE;
        let all = heap.alloc(most);
        assert_eq!([all, heap.alloc(1), heap.alloc(u64::MAX)], [HEAP, 0, 0]);
        assert_eq!(heap.free(all), Some(most));
        assert_eq!([most + 1, HEAP_END - HEAP].map(|size| heap.alloc(size)), [0, 0], "no room for a red zone");
        assert_eq!(heap.alloc(most), HEAP);
    }
}
