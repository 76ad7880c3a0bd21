// SPDX-License-Identifier: GPL-2.0-only
//! Hints after an area was taken or given back: which blocks learn, which are scanned again, and when the chunk is.

use super::bitmap;
use super::block::{BLOCK_BITS, BLOCK_WORDS, Md};
use super::chunk::Chunk;
use percuss_kernel::{Quirk, Quirks};

/// An area in terms of blocks: the first and last block it lies in and where in them. The end is computed from the last
/// bit, so that an area that ends with a block does not reach into the next.
#[derive(Clone, Copy)]
struct Extent {
    first: usize,
    last: usize,
    /// In the first block.
    start: i32,
    end: i32,
}

impl Extent {
    fn new(at: i32, bits: i32) -> Extent {
        let tail = at + bits - 1;
        Extent {
            first: (at / BLOCK_BITS) as usize,
            last: (tail / BLOCK_BITS) as usize,
            start: at % BLOCK_BITS,
            end: tail % BLOCK_BITS + 1,
        }
    }

    fn one_block(self) -> bool {
        self.first == self.last
    }

    fn between(self) -> i32 {
        self.last as i32 - self.first as i32 - 1
    }
}

impl Chunk {
    /// Hints after `bits` from `at` were taken; returns how many pages stopped being entirely free
    /// (`pcpu_block_update_hint_alloc`). The allocation map has the area already: blocks whose contig hint broke are
    /// scanned with it.
    pub fn hints_after_take(&mut self, at: i32, bits: i32, quirks: &Quirks) -> i32 {
        let area = Extent::new(at, bits);
        let mut lost = self.first_block_taken(area, bits, quirks);
        if !area.one_block() {
            lost += self.last_block_taken(area, quirks) + area.between();
            // A last block that is covered to its end has nothing left, like those in between.
            let whole = if area.end == BLOCK_BITS { area.last + 1 } else { area.last };
            for block in &mut self.blocks[area.first + 1..whole] {
                block.scan_hint = 0;
                block.contig_hint = 0;
                block.left_free = 0;
                block.right_free = 0;
            }
        }
        let md = &mut self.head.md;
        md.take_scan(at, at + bits);
        // The chunk's contig hint may be longer than a block, so it is collected again and not cut.
        if md.breaks_contig(at, at + bits) {
            self.refresh(false, quirks);
        }
        lost
    }

    /// The block an area starts in. The area may reach beyond it: positions past its end are meant. The kernel compares
    /// them as they are, so an area that goes on in the next block also counts as ending after any hint here.
    fn first_block_taken(&mut self, area: Extent, bits: i32, quirks: &Quirks) -> i32 {
        let (start, end) = (area.start, area.start + bits);
        let map = &self.alloc_map[area.first * BLOCK_WORDS..(area.first + 1) * BLOCK_WORDS];
        let block = &mut self.blocks[area.first];
        let lost = (block.contig_hint == BLOCK_BITS) as i32;
        // Only an area right at the first free bit moves it; one farther on leaves it where it is.
        if start == block.first_free {
            block.first_free = next_free(map, end);
        }
        block.take_scan(start, end);
        if block.breaks_contig(start, end) {
            if start == 0 {
                block.left_free = 0;
            }
            block.rescan(map, quirks);
        } else {
            // The contig hint stands, so only the edges can have become shorter.
            block.left_free = block.left_free.min(start);
            block.right_free = if area.one_block() { block.right_free.min(BLOCK_BITS - area.end) } else { 0 };
        }
        lost
    }

    /// The block an area that started in another block ends in: the area covers its left part.
    fn last_block_taken(&mut self, area: Extent, quirks: &Quirks) -> i32 {
        let map = &self.alloc_map[area.last * BLOCK_WORDS..(area.last + 1) * BLOCK_WORDS];
        let block = &mut self.blocks[area.last];
        let lost = (block.contig_hint == BLOCK_BITS) as i32;
        block.first_free = next_free(map, area.end);
        if area.end == BLOCK_BITS {
            // Taken as a whole: emptied with the blocks in between.
            return lost;
        }
        // The area covers the block from its first bit, so any hint that starts before its end is hit.
        if area.end > block.scan_hint_start {
            block.scan_hint = 0;
        }
        block.left_free = 0;
        if area.end > block.contig_hint_start {
            block.rescan(map, quirks);
        } else {
            block.right_free = block.right_free.min(BLOCK_BITS - area.end);
        }
        lost
    }

    /// Hints after `bits` from `at` were given back; returns how many pages became entirely free
    /// (`pcpu_block_update_hint_free`). No block is scanned: the freed area grows to its neighbours on both sides,
    /// within the block, and is learnt.
    pub fn hints_after_give_back(&mut self, at: i32, bits: i32, quirks: &Quirks) -> i32 {
        let area = Extent::new(at, bits);
        // Both ends are found before a hint changes: each looks at hints from before the free.
        let start = self.free_from(area);
        let end = self.free_to(area);
        let first_end = if area.one_block() { end } else { BLOCK_BITS };
        // A page counts only when its whole block is one free area now.
        let mut gained = (start == 0 && first_end == BLOCK_BITS) as i32;
        self.blocks[area.first].learn(start, first_end, quirks);
        if !area.one_block() {
            gained += (end == BLOCK_BITS) as i32 + area.between();
            self.blocks[area.last].learn(0, end, quirks);
            for block in &mut self.blocks[area.first + 1..area.last] {
                free_between(block);
            }
        }
        // An area that reaches a whole block may join areas of blocks around it, which only a collection finds. A
        // smaller one is learnt as it is, without its neighbours across the edges.
        if end - start >= BLOCK_BITS || !area.one_block() {
            self.refresh(true, quirks);
        } else {
            // With B24 the end lacks the block's offset, so outside block 0 the area has a negative length and is no
            // hint.
            let base = area.first as i32 * BLOCK_BITS;
            let stop = if quirks.has(Quirk::B24) { end } else { base + end };
            self.head.md.learn(base + start, stop, quirks);
        }
        gained
    }

    /// Where the free area around the freed one starts, within its first block. A contig hint that ends at it saves the
    /// scan.
    fn free_from(&self, area: Extent) -> i32 {
        let block = &self.blocks[area.first];
        if area.start == block.contig_hint_start + block.contig_hint {
            return block.contig_hint_start;
        }
        bitmap::last_set(self.block_map(area.first), area.start as usize).map_or(0, |bit| bit as i32 + 1)
    }

    /// Where it ends, within its last block. A contig hint that starts there saves the scan.
    fn free_to(&self, area: Extent) -> i32 {
        let block = &self.blocks[area.last];
        if area.end == block.contig_hint_start {
            return block.contig_hint_start + block.contig_hint;
        }
        bitmap::next_set(self.block_map(area.last), BLOCK_BITS as usize, area.end as usize) as i32
    }

    /// Collects the chunk's hints from those of its blocks, either all or from the scan hint on
    /// (`pcpu_chunk_refresh_hint`). Areas that no block's hint shows are lost to the chunk until a free nearby shows
    /// them again.
    fn refresh(&mut self, full: bool, quirks: &Quirks) {
        // A copy, since the walk below borrows the blocks; it goes back at the end.
        let mut md = self.head.md;
        if !quirks.has(Quirk::B51) {
            // Without B51 a scan hint is not trusted, so the walk begins at the first free bit.
            md.scan_hint = 0;
        }
        let mut from = if !full && md.scan_hint != 0 {
            md.promote_scan()
        } else {
            md.contig_hint = 0;
            md.first_free
        };
        while let Some((at, bits)) = self.next_region(from) {
            md.learn(at, at + bits, quirks);
            // The bit after a region is taken.
            from = at + bits + 1;
        }
        self.head.md = md;
    }
}

fn next_free(map: &[u64], from: i32) -> i32 {
    bitmap::next_zero(map, BLOCK_BITS as usize, from as usize) as i32
}

/// A block between the ends of a freed area is free as a whole; a scan hint's old start stays.
fn free_between(block: &mut Md) {
    block.free_all(BLOCK_BITS);
    block.contig_hint_start = 0;
}
