// SPDX-License-Identifier: GPL-2.0-only
//! Boot memory: memblock, which hands out the lowest free address of a node.

use crate::arena::addresses::{LINEAR, NODE};
use crate::state::redzone;
use percuss_kernel::Addr;
use percuss_kernel::digest::mix;

/// A range of addresses that was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Taken {
    start: Addr,
    end: Addr,
}

/// The boot allocator: a sorted list of what is taken, with neighbours joined. Boot takes single pages one after the
/// other, tens of thousands for a large first chunk; joined they are a few ranges.
#[derive(Debug, Default, PartialEq)]
pub struct Memblock {
    taken: Vec<Taken>,
    /// Address and bytes of each live allocation of `memblock_alloc()`. A tenant in C keeps state in these, so a reset
    /// has to restore them.
    metadata: Vec<(Addr, u64)>,
}

impl Memblock {
    pub fn clear(&mut self) {
        self.taken.clear();
        self.metadata.clear();
    }

    /// Address and bytes of each metadata allocation that was not freed.
    pub fn metadata(&self) -> &[(Addr, u64)] {
        &self.metadata
    }

    /// The address of `size` bytes on a node, or 0 when there is no room; `metadata` marks what a reset has to restore,
    /// which has a red zone after it. Units have none: builders count on their places.
    pub fn alloc(&mut self, size: u64, align: u64, node: u32, metadata: bool) -> Addr {
        let asked = size;
        let size = if metadata && size != 0 { redzone::after(size) } else { size };
        let (low, high) = (LINEAR + node as u64 * NODE, LINEAR + (node as u64 + 1) * NODE);
        let mut start = low.next_multiple_of(align.max(1));
        // Ranges that end before the node begins cannot be in the way.
        let mut at = self.taken.partition_point(|t| t.end <= start);
        while let Some(t) = self.taken.get(at)
            && t.start < start + size
        {
            start = t.end.next_multiple_of(align.max(1));
            at += 1;
        }
        // The upper half of a node belongs to the page allocator, which hands out its pages from the top.
        if size == 0 || start + size > high - NODE / 2 {
            return 0;
        }
        self.insert(at, Taken { start, end: start + size });
        if metadata {
            self.metadata.push((start, asked));
        }
        start
    }

    /// Inserts a range before index `at` and joins it with neighbours it touches.
    fn insert(&mut self, at: usize, new: Taken) {
        // Joined at once, as a list of single pages would make each further search longer.
        let joins_left = at > 0 && self.taken[at - 1].end == new.start;
        let joins_right = self.taken.get(at).is_some_and(|t| t.start == new.end);
        match (joins_left, joins_right) {
            (true, true) => {
                self.taken[at - 1].end = self.taken[at].end;
                self.taken.remove(at);
            }
            (true, false) => self.taken[at - 1].end = new.end,
            (false, true) => self.taken[at].start = new.start,
            (false, false) => self.taken.insert(at, new),
        }
    }

    /// Gives a range back, which may be a part of what was handed out: percpu.c frees the tails of its units.
    pub fn free(&mut self, addr: Addr, size: u64) {
        let end = addr + size;
        // The red zones of what is freed go with it.
        let mut last = end;
        self.metadata.retain(|(a, s)| {
            let kept = *a < addr || end < a + s;
            if !kept {
                last = last.max(a + redzone::after(*s));
            }
            kept
        });
        let end = last;
        let mut i = 0;
        while i < self.taken.len() {
            let t = self.taken[i];
            if t.end <= addr || end <= t.start {
                i += 1;
                continue;
            }
            // A range may be freed in its middle, which leaves two pieces.
            self.taken.remove(i);
            if end < t.end {
                self.taken.insert(i, Taken { start: end, end: t.end });
            }
            if t.start < addr {
                self.taken.insert(i, Taken { start: t.start, end: addr });
                i += 1;
            }
        }
    }

    /// A digest of the ranges taken. It is in the Boot event, so that C and Model must leave the same memory to the
    /// kernel.
    pub fn digest(&self) -> u64 {
        let taken = self.taken.iter().fold(0x6d, |h, t| mix(mix(h, t.start), t.end));
        // Red zones end at whole lines, so a size that differs by a few bytes does not show in the ranges.
        self.metadata.iter().fold(taken, |h, (addr, size)| mix(mix(h, *addr), *size))
    }

    pub fn bytes(&self) -> u64 {
        self.taken.iter().map(|t| t.end - t.start).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use percuss_program::rng::Rng;

    /// Compares with a slow allocator that has one flag for each granule.
    #[test]
    fn the_lowest_free_range_is_taken() {
        const GRANULE: u64 = 64;
        let mut rng = Rng::new(3, 0);
        let (mut memblock, mut flags) = (Memblock::default(), vec![false; 4096]);
        let mut live: Vec<(Addr, u64)> = Vec::new();
        for _ in 0..2000 {
            let size = GRANULE * (1 + rng.below(20) as u64);
            let align = GRANULE << rng.below(4);
            if live.len() < 100 && rng.below(5) < 3 || live.is_empty() {
                // One granule more, which is the red zone.
                let n = (size / GRANULE) as usize + 1;
                let fits = |at: &usize| {
                    (at * GRANULE as usize).is_multiple_of(align as usize) && flags[*at..at + n].iter().all(|f| !f)
                };
                let at = (0..flags.len() - n).find(fits).expect("there is room");
                assert_eq!(memblock.alloc(size, align, 0, true), LINEAR + at as u64 * GRANULE);
                flags[at..at + n].fill(true);
                live.push((LINEAR + at as u64 * GRANULE, size));
            } else {
                let (addr, size) = live.swap_remove(rng.below(live.len() as u32) as usize);
                memblock.free(addr, size);
                let at = ((addr - LINEAR) / GRANULE) as usize;
                flags[at..at + (size / GRANULE) as usize + 1].fill(false);
            }
            assert_eq!(memblock.bytes(), flags.iter().filter(|f| **f).count() as u64 * GRANULE);
            let mut metadata = memblock.metadata().to_vec();
            metadata.sort_unstable();
            live.sort_unstable();
            assert_eq!(metadata, live);
        }
    }
}
