// SPDX-License-Identifier: GPL-2.0-only
//! What a block, or a whole chunk, knows about its free areas. All positions and lengths are in allocation units (bits).

use std::cmp::Ordering;

use super::bitmap;
use super::quirks::Quirks;
pub(super) use crate::tenant::Block;

/// Bytes of a page.
pub(super) const PAGE: u64 = 4096;
/// Bytes of an allocation unit, one bit of the maps.
pub(super) const MIN_ALLOC: i32 = 4;
/// Bits of a block; a block covers a page.
pub(super) const BLOCK_BITS: i32 = 1024;
/// Words of a block in the allocation map.
pub(super) const BLOCK_WORDS: usize = BLOCK_BITS as usize / 64;

/// `at` rounded up to a multiple of `align`, a power of two.
#[inline]
pub(super) const fn align_up(at: i32, align: i32) -> i32 {
    (at + align - 1) & -align
}

/// Whether `a..a + len` and `x..y` share a bit. An empty hint strictly inside `x..y` counts as sharing one.
#[inline]
const fn overlaps(a: i32, len: i32, x: i32, y: i32) -> bool {
    a < y && x < a + len
}

impl Block {
    /// All free. Starts stay as they were: with nothing before them they are 0.
    pub(super) fn free_all(&mut self, nr_bits: i32) {
        self.scan_hint = 0;
        self.contig_hint = nr_bits;
        self.left_free = nr_bits;
        self.right_free = nr_bits;
        self.first_free = 0;
        self.nr_bits = nr_bits;
    }

    /// Whether the contig hint holds an area of this size and alignment (`pcpu_check_block_hint`).
    #[inline]
    pub(super) fn fits(&self, bits: i32, align: i32) -> bool {
        let skip = align_up(self.contig_hint_start, align) - self.contig_hint_start;
        skip + bits <= self.contig_hint
    }

    /// Where a search for `bits` starts: behind the scan hint when that is known to be too small (`pcpu_next_hint`).
    #[inline]
    pub(super) fn search_start(&self, bits: i32, quirks: &Quirks) -> i32 {
        // Without B51 a scan hint is not taken to know of everything before it.
        if quirks.b51 && self.scan_hint != 0 && self.contig_hint_start > self.scan_hint_start && bits > self.scan_hint {
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

    /// Forgets the scan hint when `from..to` is taken out of it.
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

    /// Makes the scan hint the contig hint and returns where it ends.
    #[inline]
    pub(super) fn promote_scan(&mut self) -> i32 {
        self.contig_hint_start = self.scan_hint_start;
        self.contig_hint = self.scan_hint;
        self.scan_hint = 0;
        self.contig_hint_start + self.contig_hint
    }

    /// Takes note of the free area `start..end`, which is not part of a larger one here (`pcpu_block_update`).
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
        match len.cmp(&self.contig_hint) {
            Ordering::Greater => self.learn_larger(start, len, quirks),
            Ordering::Equal => self.learn_equal(start, len, quirks),
            Ordering::Less => {
                let farther = len == self.scan_hint && start > self.scan_hint_start;
                if start < self.contig_hint_start && (len > self.scan_hint || farther) {
                    self.set_scan(start, len);
                }
            }
        }
    }

    /// The old contig hint becomes the scan hint when it lies before the new one.
    fn learn_larger(&mut self, start: i32, len: i32, quirks: &Quirks) {
        let known = quirks.b26 || self.contig_hint != 0;
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
        old != 0 && (start == 0 || start.trailing_zeros() > old.trailing_zeros())
    }

    /// An equal scan hint must lie behind the contig hint; with B25 neither arm looks at which of the two comes first.
    fn learn_equal(&mut self, start: i32, len: i32, quirks: &Quirks) {
        let in_order = !quirks.b25;
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

    /// Looks at the block's map again after its contig hint was broken (`pcpu_block_refresh_hint`).
    pub(super) fn rescan(&mut self, map: &[u64], quirks: &Quirks) {
        let size = BLOCK_BITS as usize;
        let promoted = self.scan_hint != 0 && quirks.b51;
        let mut from = if promoted {
            self.promote_scan()
        } else {
            self.scan_hint = 0;
            self.contig_hint = 0;
            self.first_free
        };
        self.right_free = if promoted && !quirks.b50 && from == BLOCK_BITS { self.contig_hint } else { 0 };
        while let Some((start, end)) = bitmap::zero_run(map, size, from as usize) {
            self.learn(start as i32, end as i32, quirks);
            from = end as i32;
        }
    }
}
