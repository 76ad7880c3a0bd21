// SPDX-License-Identifier: GPL-2.0-only
//! Taking areas out of a chunk and giving them back: the maps. The hints that follow are in `hints`.

use super::bitmap;
use super::block::{BLOCK_BITS, MIN_ALLOC, align_up};
use super::chunk::Chunk;
use percuss_kernel::Quirks;

/// What taking or giving back an area did: the place and length in bits, and what the counts of the chunk and of all
/// chunks need to follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub at: i32,
    pub bits: i32,
    /// Pages that were entirely free and are not any more, or the other way round.
    pub empty_pages: i32,
}

/// The largest free area that a scan had to pass over (`pcpu_find_zero_area`'s `largest_off` and `largest_bits`). It is
/// too small for the request or not aligned for it, but may be a hint for the next.
#[derive(Clone, Copy, Default)]
struct Skipped {
    at: i32,
    bits: i32,
}

impl Skipped {
    /// Of equal areas the better aligned one is kept; one at bit 0 cannot be told from none.
    fn offer(&mut self, at: i32, bits: i32) {
        let better = || self.at != 0 && (at == 0 || at.trailing_zeros() > self.at.trailing_zeros());
        if bits > self.bits || bits == self.bits && better() {
            *self = Skipped { at, bits };
        }
    }
}

impl Chunk {
    /// Takes `bits` with this alignment at or a little after `start` (`pcpu_alloc_area`). `None` when a scan of one
    /// block's length beyond `start` finds no room.
    pub fn take(&mut self, bits: i32, align: i32, start: i32, quirks: &Quirks) -> Option<Change> {
        // Hints may be wrong about a block, but the scan must not go over the whole chunk under a spin lock.
        let end = (start + bits + BLOCK_BITS).min(self.map_bits());
        let (at, skipped) = self.scan(start, end, bits, align)?;
        // Before the map changes: the block learns of an area that is free now, and hints are then updated for what is
        // taken.
        if skipped.bits != 0 {
            self.learn_skipped(skipped, quirks);
        }
        bitmap::set(&mut self.alloc_map, at as usize, bits as usize);
        // The start of an area and the end of it are marked; what marks a former area left between them goes.
        bitmap::set(&mut self.bound_map, at as usize, 1);
        bitmap::clear(&mut self.bound_map, at as usize + 1, bits as usize - 1);
        bitmap::set(&mut self.bound_map, (at + bits) as usize, 1);
        self.head.free_bytes -= bits * MIN_ALLOC;
        // Only an area right at the first free bit moves it; it is never after the true one.
        if at == self.head.md.first_free {
            let size = self.map_bits() as usize;
            self.head.md.first_free = bitmap::next_zero(&self.alloc_map, size, (at + bits) as usize) as i32;
        }
        let empty_pages = self.hints_after_take(at, bits, quirks);
        self.touch_bits(at, at + bits);
        Some(Change { at, bits, empty_pages })
    }

    /// First fit of `bits` in `start..end`, and the largest area passed over (`pcpu_find_zero_area`).
    fn scan(&self, start: i32, end: i32, bits: i32, align: i32) -> Option<(i32, Skipped)> {
        let mut skipped = Skipped::default();
        let mut from = start;
        loop {
            let at = align_up(bitmap::next_zero(&self.alloc_map, end as usize, from as usize) as i32, align);
            let stop = at + bits;
            if stop > end {
                return None;
            }
            // The map is looked at only as far as the area would reach.
            let taken = bitmap::next_set(&self.alloc_map, stop as usize, at as usize) as i32;
            if taken == stop {
                return Some((at, skipped));
            }
            skipped.offer(at, taken - at);
            from = taken;
        }
    }

    /// Lets a block know about an area a scan passed over, with what alignment cut off before it
    /// (`pcpu_block_update_scan`).
    fn learn_skipped(&mut self, skipped: Skipped, quirks: &Quirks) {
        let within = skipped.at % BLOCK_BITS;
        let end = within + skipped.bits;
        // An area across blocks is no hint of one; the edges of both know about it.
        if end > BLOCK_BITS {
            return;
        }
        let index = (skipped.at / BLOCK_BITS) as usize;
        let start = bitmap::last_set(self.block_map(index), within as usize).map_or(0, |bit| bit as i32 + 1);
        self.blocks[index].learn(start, end, quirks);
    }

    /// Gives back the area that starts at bit `at` (`pcpu_free_area`). `None` when it lies outside the chunk.
    pub fn give_back(&mut self, at: i32, quirks: &Quirks) -> Option<Change> {
        let size = self.map_bits();
        if !(0..size).contains(&at) {
            return None;
        }
        // Only the next boundary says how long the area is; bits of the boundary map stay until the place is taken
        // again.
        let end = bitmap::next_set(&self.bound_map, size as usize, at as usize + 1) as i32;
        let bits = end - at;
        bitmap::clear(&mut self.alloc_map, at as usize, bits as usize);
        self.head.free_bytes += bits * MIN_ALLOC;
        // Before hints are updated: a full refresh of the chunk starts there.
        self.head.md.first_free = self.head.md.first_free.min(at);
        let empty_pages = self.hints_after_give_back(at, bits, quirks);
        self.touch_bits(at, end);
        Some(Change { at, bits, empty_pages })
    }
}

#[cfg(test)]
mod tests {
    use percuss_kernel::Block;
    use std::ops::Range;

    use super::*;
    use crate::block::Md;

    /// A chunk of three pages with some of its map taken, whose hints know nothing of that.
    fn chunk(taken: &[Range<usize>]) -> Chunk {
        let mut chunk = Chunk::default();
        chunk.init(3);
        taken.iter().for_each(|range| bitmap::set(&mut chunk.alloc_map, range.start, range.len()));
        chunk
    }

    #[test]
    fn a_scan_goes_on_for_a_block() {
        let at = |taken| chunk(&[taken]).take(8, 1, 0, &Quirks::default()).map(|change| change.at);
        assert_eq!(at(0..1024), Some(1024));
        assert_eq!(at(0..1025), None);
    }

    /// What block 0, which knew of nothing, knows after a take of 100 bits from 1000 on: start and length.
    fn learnt(taken: &[Range<usize>], align: i32) -> (i32, i32) {
        let mut chunk = chunk(taken);
        chunk.blocks[0] = Md(Block { first_free: 1000, nr_bits: BLOCK_BITS, ..Block::default() });
        assert!(chunk.take(100, align, 1000, &Quirks::default()).is_some());
        (chunk.blocks[0].contig_hint_start, chunk.blocks[0].contig_hint)
    }

    #[test]
    fn what_a_scan_passes_over_is_learnt_within_a_block() {
        assert_eq!(learnt(&[0..1000, 1024..1030], 1), (1000, 24), "up to its end");
        assert_eq!(learnt(&[0..1000, 1025..1030], 1), (0, 0), "but not beyond it");
        assert_eq!(learnt(&[0..1001, 1020..1030], 8), (1001, 19), "with what alignment cut off");
    }
}
