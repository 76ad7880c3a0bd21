// SPDX-License-Identifier: GPL-2.0-only
//! Metadata memory: `kzalloc`, `__vmalloc`, `kvfree`.

use super::arena::place::{HEAP, HEAP_END};
use super::kernel::Addr;

/// Granule of the heap in bytes: what the kernel's slab gives objects of this size at least.
const GRANULE: u64 = 64;

/// Objects that a program makes, mostly.
const USUAL: usize = 1024;

/// A deterministic allocator of addresses: last freed of the same size first, else from the end. What it does, and by which
/// way through the code, depends on what was asked of it since the reset alone: a fuzzer looks at that.
#[derive(Debug)]
pub struct Heap {
    /// Bytes of the live object at each granule, 0 elsewhere.
    live: Vec<u32>,
    /// Where objects have been since the reset, and their granules: nowhere else is one of the tables other than 0.
    made: Vec<(Addr, u32)>,
    /// The object freed last of those with so many granules.
    freed: Vec<Link>,
    /// For each freed object, the one of its size that was freed before it.
    before: Vec<Link>,
    next: u64,
    count: u32,
}

/// The number of an object's first granule and 1; 0 when there is no object.
type Link = u32;

fn granule(addr: Addr) -> usize {
    ((addr - HEAP) / GRANULE) as usize
}

/// Of an object of so many bytes.
fn granules(size: u64) -> u32 {
    size.max(1).div_ceil(GRANULE) as u32
}

impl Heap {
    pub fn new() -> Heap {
        let all = granules(HEAP_END - HEAP) as usize;
        Heap {
            live: vec![0; all],
            made: Vec::with_capacity(USUAL),
            freed: vec![0; all + 1],
            before: vec![0; all],
            next: HEAP,
            count: 0,
        }
    }

    pub fn reset(&mut self) {
        for (addr, granules) in self.made.drain(..) {
            self.live[granule(addr)] = 0;
            self.before[granule(addr)] = 0;
            self.freed[granules as usize] = 0;
        }
        self.next = HEAP;
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
        let granules = granules(size);
        let rounded = u64::from(granules) * GRANULE;
        let addr = match self.freed[granules as usize] {
            0 if self.next + rounded > HEAP_END => return 0,
            0 => {
                self.made.push((self.next, granules));
                self.next += rounded;
                self.next - rounded
            }
            link => {
                self.freed[granules as usize] = self.before[link as usize - 1];
                HEAP + u64::from(link - 1) * GRANULE
            }
        };
        self.live[granule(addr)] = size as u32;
        self.count += 1;
        addr
    }

    /// Bytes of the object that was at `addr`, or None when there is none.
    pub fn free(&mut self, addr: Addr) -> Option<u64> {
        if !(HEAP..self.next).contains(&addr) || !addr.is_multiple_of(GRANULE) {
            return None;
        }
        let size = std::mem::take(&mut self.live[granule(addr)]) as u64;
        if size == 0 {
            return None;
        }
        let link = granule(addr) as Link + 1;
        self.before[granule(addr)] = std::mem::replace(&mut self.freed[granules(size) as usize], link);
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
        heap.reset();
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
