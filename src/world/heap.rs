// SPDX-License-Identifier: GPL-2.0-only
//! Metadata memory: `kzalloc`, `__vmalloc`, `kvfree`.

use super::arena::place::{HEAP, HEAP_END};
use super::kernel::Addr;

/// Granule of the heap in bytes: what the kernel's slab gives objects of this size at least.
const GRANULE: u64 = 64;

/// A deterministic allocator of addresses: last freed of the same size first, else from the end.
#[derive(Debug)]
pub struct Heap {
    /// Bytes of the live object at each granule, 0 elsewhere.
    live: Vec<u32>,
    /// Where objects have been since the reset: nowhere else is `live` other than 0.
    made: Vec<Addr>,
    next: u64,
    classes: Vec<(u64, Vec<Addr>)>,
    count: u32,
}

impl Heap {
    pub fn new() -> Heap {
        let granules = ((HEAP_END - HEAP) / GRANULE) as usize;
        Heap {
            live: vec![0; granules],
            made: Vec::with_capacity(256),
            next: HEAP,
            classes: Vec::with_capacity(16),
            count: 0,
        }
    }

    pub fn reset(&mut self) {
        for addr in self.made.drain(..) {
            self.live[((addr - HEAP) / GRANULE) as usize] = 0;
        }
        self.next = HEAP;
        self.classes.iter_mut().for_each(|(_, list)| list.clear());
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
        let rounded = size.max(1).next_multiple_of(GRANULE);
        let reused = self.classes.iter_mut().find(|(s, _)| *s == rounded).and_then(|(_, list)| list.pop());
        let addr = match reused {
            Some(addr) => addr,
            None if self.next + rounded <= HEAP_END => {
                self.made.push(self.next);
                self.next += rounded;
                self.next - rounded
            }
            None => return 0,
        };
        self.live[((addr - HEAP) / GRANULE) as usize] = size as u32;
        self.count += 1;
        addr
    }

    /// Bytes of the object that was at `addr`, or None when there is none.
    pub fn free(&mut self, addr: Addr) -> Option<u64> {
        if !(HEAP..self.next).contains(&addr) || !addr.is_multiple_of(GRANULE) {
            return None;
        }
        let size = std::mem::take(&mut self.live[((addr - HEAP) / GRANULE) as usize]) as u64;
        if size == 0 {
            return None;
        }
        let rounded = size.next_multiple_of(GRANULE);
        match self.classes.iter_mut().find(|(s, _)| *s == rounded) {
            Some((_, list)) => list.push(addr),
            None => self.classes.push((rounded, vec![addr])),
        }
        self.count -= 1;
        Some(size)
    }
}
