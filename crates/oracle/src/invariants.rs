// SPDX-License-Identifier: GPL-2.0-only
//! Rules the allocator's state must satisfy whenever pcpu_lock is released, judged from the state alone.
//!
//! The rules are those measured on unmodified kernels: counters, lists and left edges are exact; a hint may be below the
//! truth (see [`super::hints`]) but never above it, and the region it names is free.

use std::fmt;

use super::bits::{self, Free};
use percuss_kernel::{Addr, Block, ChunkView, Globals};
use percuss_world::arena::wide;

/// Chunks with at most this many blocks are recounted in whole whenever they are touched.
const WHOLE: usize = 16;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Short name, stable: becomes the finding's title.
    pub rule: &'static str,
    /// Base of the chunk, 0 for a global rule.
    pub chunk: Addr,
    /// Block, when the rule is about one.
    pub block: Option<u32>,
    /// What the state says.
    pub found: i64,
    /// What it must be (or must not exceed).
    pub expected: i64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}, expected {}", self.rule, self.found, self.expected)?;
        match (self.chunk, self.block) {
            (0, _) => Ok(()),
            (c, None) => write!(f, " (chunk {c:#x})"),
            (c, Some(b)) => write!(f, " (chunk {c:#x}, block {b})"),
        }
    }
}

/// Judges one chunk: the touched blocks, or all of them.
pub fn chunk(g: &Globals, c: &ChunkView<'_>, all: bool) -> Result<(), Violation> {
    wide(|| judge(g, c, all))
}

#[inline(always)]
fn judge(g: &Globals, c: &ChunkView<'_>, all: bool) -> Result<(), Violation> {
    let fail = |rule, block, found: i64, expected: i64| {
        Err(Violation { rule, chunk: c.head.base_addr, block, found, expected })
    };
    let nr = c.blocks.len() as u32;
    let whole = all || c.blocks.len() <= WHOLE;
    let (lo, hi) = if all { (0, nr.saturating_sub(1)) } else { c.head.touched };
    for i in lo..=hi.min(nr.saturating_sub(1)) {
        if lo > hi {
            break;
        }
        block(c, i)?;
    }
    let populated = bits::count(c.populated, c.head.nr_pages as u32);
    if populated as i32 != c.head.nr_populated {
        return fail(
            "nr_populated is not the number of populated pages",
            None,
            c.head.nr_populated as i64,
            populated as i64,
        );
    }
    if whole {
        let used = bits::count(c.alloc_map, nr * 1024);
        let free = (nr * 1024 - used) as i64 * 4;
        if free != c.head.free_bytes as i64 {
            return fail("free_bytes is not what the allocation map leaves free", None, c.head.free_bytes as i64, free);
        }
        let full = c.blocks.iter().filter(|b| b.contig_hint == b.nr_bits).count() as i64;
        // Pages in use but not populated yet are paid back when they are populated.
        let expected = populated as i64 - (c.head.nr_pages as i64 - full);
        if expected != c.head.nr_empty_pop_pages as i64 {
            return fail(
                "nr_empty_pop_pages is not the number of empty populated pages",
                None,
                c.head.nr_empty_pop_pages as i64,
                expected,
            );
        }
    }
    hint_regions(c)?;
    membership(g, c)
}

#[inline(always)]
fn block(c: &ChunkView<'_>, i: u32) -> Result<(), Violation> {
    let b = &c.blocks[i as usize];
    let start = i * 1024;
    let truth = bits::measure(c.alloc_map, start, start + 1024);
    let fail = |rule, found: i32, expected: u32| {
        Err(Violation { rule, chunk: c.head.base_addr, block: Some(i), found: found as i64, expected: expected as i64 })
    };
    if b.left_free != truth.left as i32 {
        return fail("left_free of a block is not its free left edge", b.left_free, truth.left);
    }
    if b.right_free > truth.right as i32 {
        return fail("right_free of a block exceeds its free right edge", b.right_free, truth.right);
    }
    if b.first_free > truth.first as i32 {
        return fail("first_free of a block is behind its first free bit", b.first_free, truth.first);
    }
    if b.contig_hint > truth.longest as i32 {
        return fail("contig_hint of a block exceeds its longest free run", b.contig_hint, truth.longest);
    }
    region(c, i, b, &truth)
}

#[inline(always)]
fn region(c: &ChunkView<'_>, i: u32, b: &Block, truth: &Free) -> Result<(), Violation> {
    for (rule, at, len) in [
        ("the contig hint of a block names a region that is not free", b.contig_hint_start, b.contig_hint),
        ("the scan hint of a block names a region that is not free", b.scan_hint_start, b.scan_hint),
    ] {
        let fine = len == 0
            || (len > 0
                && at >= 0
                && at + len <= 1024
                && bits::all_clear(c.alloc_map, i * 1024 + at as u32, i * 1024 + (at + len) as u32));
        if !fine {
            return Err(Violation {
                rule,
                chunk: c.head.base_addr,
                block: Some(i),
                found: len as i64,
                expected: truth.longest as i64,
            });
        }
    }
    Ok(())
}

/// Regions named by the hints of the whole chunk.
#[inline(always)]
fn hint_regions(c: &ChunkView<'_>) -> Result<(), Violation> {
    let map_bits = c.blocks.len() as i32 * 1024;
    for (rule, at, len) in [
        (
            "the contig hint of a chunk names a region that is not free",
            c.head.md.contig_hint_start,
            c.head.md.contig_hint,
        ),
        ("the scan hint of a chunk names a region that is not free", c.head.md.scan_hint_start, c.head.md.scan_hint),
    ] {
        let fine = len == 0
            || (len > 0
                && at >= 0
                && at + len <= map_bits
                && bits::all_clear(c.alloc_map, at as u32, (at + len) as u32));
        if !fine {
            return Err(Violation {
                rule,
                chunk: c.head.base_addr,
                block: None,
                found: len as i64,
                expected: at as i64,
            });
        }
    }
    Ok(())
}

/// A chunk is on the list its state calls for.
fn membership(g: &Globals, c: &ChunkView<'_>) -> Result<(), Violation> {
    let h = c.head;
    let aside = h.slot == g.sidelined_slot || h.slot == g.to_depopulate_slot;
    let fail = |rule, found: i32, expected: i32| {
        Err(Violation { rule, chunk: h.base_addr, block: None, found: found as i64, expected: expected as i64 })
    };
    if h.slot < 0 {
        return Ok(());
    }
    if h.isolated != aside {
        return fail(
            "a chunk is isolated exactly when it is sidelined or waits for the worker",
            h.slot,
            h.isolated as i32,
        );
    }
    Ok(())
}

/// Sums over all chunks that can be reached; `heads` are all of them, in list order.
#[derive(Debug, Default, Clone, Copy)]
pub struct Totals {
    listed: u32,
    empty: i64,
    populated: i64,
    areas: i64,
    immutable: i64,
}

impl Totals {
    /// Adds a chunk.
    pub fn add(&mut self, c: &ChunkView<'_>) {
        let h = c.head;
        if h.slot >= 0 {
            self.listed += 1;
            if !h.isolated {
                self.empty += h.nr_empty_pop_pages as i64;
            }
        }
        self.areas += h.nr_alloc as i64;
        self.immutable += h.immutable as i64;
        if !h.immutable {
            self.populated += h.nr_populated as i64;
        }
    }

    /// Judges the globals, when every chunk could be reached. `first_pages`: pages of the first chunk's unit.
    pub fn judge(&self, g: &Globals, first_pages: u64) -> Result<(), Violation> {
        if self.listed != g.nr_chunks {
            return Ok(()); // some chunk is being made or torn down
        }
        let fail = |rule, found: i64, expected: i64| Err(Violation { rule, chunk: 0, block: None, found, expected });
        if self.empty != g.nr_empty_pop_pages as i64 {
            return fail(
                "pcpu_nr_empty_pop_pages is not the sum over the chunks it counts",
                g.nr_empty_pop_pages as i64,
                self.empty,
            );
        }
        if self.populated + first_pages as i64 != g.nr_populated as i64 {
            return fail(
                "pcpu_nr_populated is not the sum over the chunks",
                g.nr_populated as i64,
                self.populated + first_pages as i64,
            );
        }
        if self.areas != g.nr_cur_alloc as i64 {
            return fail("nr_cur_alloc is not the number of areas in the chunks", g.nr_cur_alloc as i64, self.areas);
        }
        Ok(())
    }
}
