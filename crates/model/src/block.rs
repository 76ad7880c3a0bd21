// SPDX-License-Identifier: GPL-2.0-only
//! What a block, or a whole chunk, knows about its free areas. All positions and lengths are in allocation units (bits).

use std::cmp::Ordering;
use std::ops::{Deref, DerefMut};

use bytemuck::TransparentWrapper;

use super::bitmap;
use percuss_kernel::Block;
use percuss_kernel::{Quirk, Quirks};

pub(super) const PAGE: u64 = 4096;
/// Bytes of an allocation unit, one bit of the maps (`PCPU_MIN_ALLOC_SIZE`). Compiled in; an image with another value
/// is refused by `Facts::supported`.
pub(super) const MIN_ALLOC: i32 = 4;
/// Bits of a block (`PCPU_BITMAP_BLOCK_BITS`). A block covers exactly a page, so that index of block and index of page
/// are the same, and an empty page shows in the block's contig hint.
pub(super) const BLOCK_BITS: i32 = 1024;
/// Words of a block in the allocation map.
pub(super) const BLOCK_WORDS: usize = BLOCK_BITS as usize / 64;

#[inline]
pub(super) const fn align_up(at: i32, align: i32) -> i32 {
    (at + align - 1) & -align
}

/// Whether `a..a + len` and `x..y` share a bit (`pcpu_region_overlap`). A hint of length 0 strictly inside `x..y`
/// counts as sharing one: the kernel's comparison has no case for it, and its stale start then causes a rescan.
#[inline]
const fn overlaps(a: i32, len: i32, x: i32, y: i32) -> bool {
    a < y && x < a + len
}

/// The metadata of a block or of a whole chunk (`struct pcpu_block_md`), with the rules by which hints change. The
/// contig hint is the largest free area known; the scan hint is a smaller one before it, which tells a search how far
/// nothing of its size can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, TransparentWrapper)]
#[repr(transparent)]
pub(super) struct Md(pub Block);

impl Deref for Md {
    type Target = Block;

    #[inline]
    fn deref(&self) -> &Block {
        &self.0
    }
}

impl DerefMut for Md {
    #[inline]
    fn deref_mut(&mut self) -> &mut Block {
        &mut self.0
    }
}

impl Md {
    /// All free (`pcpu_init_md_block`). Starts stay as they were: with nothing before them they are 0, and for a block
    /// that was in use the kernel keeps the scan hint's old start too, which a digest shows.
    pub(super) fn free_all(&mut self, nr_bits: i32) {
        self.scan_hint = 0;
        self.contig_hint = nr_bits;
        self.left_free = nr_bits;
        self.right_free = nr_bits;
        self.first_free = 0;
        self.nr_bits = nr_bits;
    }

    /// Whether the contig hint holds an area of this size and alignment (`pcpu_check_block_hint`). What alignment cuts
    /// off is counted from the hint's start only, so other areas of the block are not considered.
    #[inline]
    pub(super) fn fits(&self, bits: i32, align: i32) -> bool {
        // Bits that alignment cuts off at the hint's start.
        let skip = align_up(self.contig_hint_start, align) - self.contig_hint_start;
        skip + bits <= self.contig_hint
    }

    /// Where a search for `bits` starts: behind the scan hint when that is known to be too small (`pcpu_next_hint`).
    #[inline]
    pub(super) fn search_start(&self, bits: i32, quirks: &Quirks) -> i32 {
        // Without B51 a scan hint is not taken to know of everything before it.
        if quirks.has(Quirk::B51)
            && self.scan_hint != 0
            && self.contig_hint_start > self.scan_hint_start
            && bits > self.scan_hint
        {
            self.scan_hint_start + self.scan_hint
        } else {
            self.first_free
        }
    }

    /// Whether taking `from..to` uses up part of the contig hint.
    #[inline]
    pub(super) fn breaks_contig(&self, from: i32, to: i32) -> bool {
        overlaps(self.contig_hint_start, self.contig_hint, from, to)
    }

    /// Forgets the scan hint when `from..to` is taken out of it. What is left of it is not looked for: the map is
    /// scanned only when the contig hint breaks.
    #[inline]
    pub(super) fn take_scan(&mut self, from: i32, to: i32) {
        if overlaps(self.scan_hint_start, self.scan_hint, from, to) {
            self.scan_hint = 0;
        }
    }

    #[inline]
    fn set_scan(&mut self, start: i32, len: i32) {
        self.scan_hint_start = start;
        self.scan_hint = len;
    }

    /// Makes the scan hint the contig hint and returns where it ends, which is where a rescan goes on: nothing before
    /// it is larger, as long as the scan hint was right (B51).
    #[inline]
    pub(super) fn promote_scan(&mut self) -> i32 {
        self.contig_hint_start = self.scan_hint_start;
        self.contig_hint = self.scan_hint;
        self.scan_hint = 0;
        self.contig_hint_start + self.contig_hint
    }

    /// Takes note of the free area `start..end`, which is not part of a larger one here (`pcpu_block_update`).
    /// Positions are relative to the block or chunk. All changes of hints that add an area come through here, so the
    /// order in which areas are learnt decides which of equal ones is kept.
    #[inline]
    pub(super) fn learn(&mut self, start: i32, end: i32, quirks: &Quirks) {
        let len = end - start;
        self.first_free = self.first_free.min(start);
        if start == 0 {
            self.left_free = len;
        }
        if end == self.nr_bits {
            self.right_free = len;
        }
        // The edges above are exact for any area; below, only one area can be the contig hint, and ties are settled by
        // alignment and by which comes first.
        match len.cmp(&self.contig_hint) {
            Ordering::Greater => self.learn_larger(start, len, quirks),
            Ordering::Equal => self.learn_equal(start, len, quirks),
            Ordering::Less => {
                // Of equal scan hints the farther one is kept, since a search can then skip more. It must lie before
                // the contig hint.
                let farther = len == self.scan_hint && start > self.scan_hint_start;
                if start < self.contig_hint_start && (len > self.scan_hint || farther) {
                    self.set_scan(start, len);
                }
            }
        }
    }

    /// A larger area takes over the contig hint. The old one becomes the scan hint when it lies before the new one;
    /// after it, it could not bound a search and is forgotten.
    fn learn_larger(&mut self, start: i32, len: i32, quirks: &Quirks) {
        // Without B26 a contig hint of length 0 has no place, so the scan hint goes. With it the stale start is
        // compared like a real one and may keep the scan hint.
        let known = quirks.has(Quirk::B26) || self.contig_hint != 0;
        if start <= self.contig_hint_start || !known {
            self.scan_hint = 0;
        } else if self.contig_hint > self.scan_hint {
            self.set_scan(self.contig_hint_start, self.contig_hint);
        } else if start < self.scan_hint_start {
            self.scan_hint = 0;
        }
        self.contig_hint_start = start;
        self.contig_hint = len;
    }

    /// Whether an area at `start` is aligned better than the contig hint; nothing is better than 0.
    #[inline]
    fn better_aligned(&self, start: i32) -> bool {
        let old = self.contig_hint_start;
        // `__ffs` of 0 is undefined, so the kernel asks for 0 first, on both sides.
        old != 0 && (start == 0 || start.trailing_zeros() > old.trailing_zeros())
    }

    /// An equal scan hint must lie behind the contig hint; with B25 neither arm looks at which of the two comes first.
    fn learn_equal(&mut self, start: i32, len: i32, quirks: &Quirks) {
        let in_order = !quirks.has(Quirk::B25);
        if self.better_aligned(start) {
            self.contig_hint_start = start;
            let behind = self.scan_hint == len && self.scan_hint_start <= start;
            if in_order && behind || start < self.scan_hint_start && self.contig_hint > self.scan_hint {
                self.scan_hint = 0;
            }
        } else if start > self.scan_hint_start || self.contig_hint > self.scan_hint {
            self.set_scan(start, len);
            if in_order && start <= self.contig_hint_start {
                self.scan_hint = 0;
            }
        }
    }

    /// Looks at the block's map again after its contig hint was broken (`pcpu_block_refresh_hint`). A scan hint
    /// shortens that: it is promoted, and the scan starts at its end instead of at the first free bit.
    pub(super) fn rescan(&mut self, map: &[u64], quirks: &Quirks) {
        let size = BLOCK_BITS as usize;
        let promoted = self.scan_hint != 0 && quirks.has(Quirk::B51);
        let mut from = if promoted {
            self.promote_scan()
        } else {
            self.scan_hint = 0;
            self.contig_hint = 0;
            self.first_free
        };
        // With B50 a promoted hint that reaches the block's end is not scanned again, and the right edge is lost.
        self.right_free = if promoted && !quirks.has(Quirk::B50) && from == BLOCK_BITS { self.contig_hint } else { 0 };
        while let Some((start, end)) = bitmap::zero_run(map, size, from as usize) {
            self.learn(start as i32, end as i32, quirks);
            from = end as i32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start and length of a hint.
    type Hint = (i32, i32);

    fn block(contig: Hint, scan: Hint) -> Md {
        Md(Block {
            contig_hint_start: contig.0,
            contig_hint: contig.1,
            scan_hint_start: scan.0,
            scan_hint: scan.1,
            first_free: 1,
            nr_bits: BLOCK_BITS,
            ..Block::default()
        })
    }

    /// Contig and scan hint after an area was learnt.
    fn learnt(mut block: Md, area: Hint, quirks: &Quirks) -> [Hint; 2] {
        block.learn(area.0, area.1, quirks);
        [(block.contig_hint_start, block.contig_hint), (block.scan_hint_start, block.scan_hint)]
    }

    #[test]
    fn a_larger_area_is_the_contig_hint() {
        let new = [(200, 10), (100, 4)];
        for (contig, scan, area, expected) in [
            ((100, 4), (10, 2), (200, 210), new),
            ((100, 4), (10, 2), (100, 110), [(100, 10), (10, 0)]),
            ((100, 4), (10, 2), (50, 60), [(50, 10), (10, 0)]),
            // An equally long scan hint stays, unless it would be behind the contig hint.
            ((100, 4), (50, 4), (200, 210), [(200, 10), (50, 4)]),
            ((100, 4), (200, 4), (200, 210), [(200, 10), (200, 4)]),
            ((100, 4), (201, 4), (200, 210), [(200, 10), (201, 0)]),
        ] {
            assert_eq!(learnt(block(contig, scan), area, &Quirks::v6_12()), expected, "{contig:?} {scan:?} {area:?}");
        }
    }

    #[test]
    fn an_equal_area_may_be_the_contig_hint() {
        let on = Quirks::v6_12().with(Quirk::B25);
        let off = on.without(Quirk::B25);
        for (contig, scan, area, with, without) in [
            // Aligned better.
            ((3, 4), (1000, 2), (8, 12), [(8, 4), (1000, 0)], [(8, 4), (1000, 0)]),
            ((3, 4), (8, 2), (8, 12), [(8, 4), (8, 2)], [(8, 4), (8, 2)]),
            ((3, 4), (7, 4), (8, 12), [(8, 4), (7, 4)], [(8, 4), (7, 0)]),
            ((3, 4), (8, 4), (8, 12), [(8, 4), (8, 4)], [(8, 4), (8, 0)]),
            ((3, 4), (9, 4), (8, 12), [(8, 4), (9, 4)], [(8, 4), (9, 4)]),
            ((8, 4), (2, 2), (0, 4), [(0, 4), (2, 0)], [(0, 4), (2, 0)]),
            // No better: the scan hint, if it is farther or larger than that.
            ((8, 4), (9, 2), (24, 28), [(8, 4), (24, 4)], [(8, 4), (24, 4)]),
            ((0, 4), (9, 2), (64, 68), [(0, 4), (64, 4)], [(0, 4), (64, 4)]),
            ((8, 4), (12, 4), (13, 17), [(8, 4), (13, 4)], [(8, 4), (13, 4)]),
            ((8, 4), (20, 4), (13, 17), [(8, 4), (20, 4)], [(8, 4), (20, 4)]),
            ((8, 4), (20, 2), (3, 7), [(8, 4), (3, 4)], [(8, 4), (3, 0)]),
            ((8, 4), (2, 2), (8, 12), [(8, 4), (8, 4)], [(8, 4), (8, 0)]),
            ((16, 4), (13, 4), (13, 17), [(16, 4), (13, 4)], [(16, 4), (13, 4)]),
        ] {
            let what = format!("{contig:?} {scan:?} {area:?}");
            assert_eq!(learnt(block(contig, scan), area, &on), with, "B25: {what}");
            assert_eq!(learnt(block(contig, scan), area, &off), without, "{what}");
        }
    }

    #[test]
    fn a_smaller_area_may_be_the_scan_hint() {
        let (contig, scan) = ((100, 10), (10, 4));
        for (area, expected) in [
            ((20, 24), (20, 4)),
            ((5, 9), (10, 4)),
            ((5, 10), (5, 5)),
            ((20, 23), (10, 4)),
            ((100, 105), (10, 4)),
            ((150, 155), (10, 4)),
        ] {
            assert_eq!(learnt(block(contig, scan), area, &Quirks::v6_12()), [contig, expected], "{area:?}");
        }
    }

    #[test]
    fn edges_are_those_of_the_block() {
        let mut block = block((100, 10), (10, 4));
        for (area, left, right, first) in [((2, 4), 0, 0, 1), ((0, 3), 3, 0, 0), ((1000, 1024), 3, 24, 0)] {
            block.learn(area.0, area.1, &Quirks::v6_12());
            assert_eq!((block.left_free, block.right_free, block.first_free), (left, right, first), "{area:?}");
        }
    }

    #[test]
    fn a_search_starts_behind_a_scan_hint_that_is_too_small() {
        let quirks = Quirks::v6_12().with(Quirk::B51);
        for (contig, scan, bits, start) in [
            ((20, 10), (8, 4), 5, 12),
            ((20, 10), (8, 4), 4, 1),
            ((20, 10), (8, 0), 5, 1),
            ((8, 10), (8, 4), 5, 1),
            ((9, 10), (8, 4), 5, 12),
            ((4, 10), (8, 4), 5, 1),
        ] {
            assert_eq!(block(contig, scan).search_start(bits, &quirks), start, "{contig:?} {scan:?} {bits}");
            assert_eq!(block(contig, scan).search_start(bits, &quirks.without(Quirk::B51)), 1);
        }
    }

    #[test]
    fn hints_are_broken_within_their_ends() {
        let at = |start, end| block((10, 4), (0, 0)).breaks_contig(start, end);
        assert_eq!([at(6, 10), at(6, 11), at(13, 20), at(14, 20)], [false, true, true, false]);
        // One without length is broken by what lies around it.
        let at = |start, end| block((10, 0), (0, 0)).breaks_contig(start, end);
        assert_eq!([at(9, 11), at(10, 11), at(9, 10)], [true, false, false]);
        let scan = |start, end| {
            let mut block = block((100, 10), (10, 4));
            block.take_scan(start, end);
            block.scan_hint
        };
        assert_eq!([scan(6, 10), scan(6, 11), scan(13, 20), scan(14, 20)], [4, 0, 0, 4]);
    }

    #[test]
    fn alignment_counts_for_a_fit() {
        let fits = |start, bits, align| block((start, 10), (0, 0)).fits(bits, align);
        assert_eq!([fits(8, 10, 8), fits(8, 11, 8), fits(9, 3, 8), fits(9, 4, 8)], [true, false, true, false]);
    }
}
