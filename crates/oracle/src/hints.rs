// SPDX-License-Identifier: GPL-2.0-only
//! Hints below the truth, and what comes of them: requests that fail, or make a chunk, although there is room.
//!
//! percpu.c documents that a hint inside one block is accurate. Unmodified kernels break that in known ways, so the
//! Model carries each as a quirk and these objections are expected to be accounted for by one.

use super::bits;
use percuss_kernel::{Addr, ChunkView};

/// Which hint it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hint {
    /// `contig_hint` of a block
    Block,
    /// `right_free` of a block
    RightEdge,
    /// `contig_hint` of a chunk, against a run inside one block
    Chunk,
}

/// A hint below the longest free run it is to describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Below {
    /// Which hint.
    pub which: Hint,
    /// Base of the chunk.
    pub chunk: Addr,
    /// The block, None for the hint of the whole chunk.
    pub block: Option<u32>,
    /// The hint, in allocation units.
    pub hint: i32,
    /// The run.
    pub truth: i32,
}

/// Looks at the touched blocks of a chunk (or all).
pub fn below(c: &ChunkView<'_>, all: bool, mut see: impl FnMut(Below)) {
    let nr = c.blocks.len() as u32;
    let (lo, hi) = if all { (0, nr - 1) } else { c.head.touched };
    let mut most = 0;
    for i in (lo..=hi).take_while(|i| *i < nr) {
        let b = &c.blocks[i as usize];
        // A full or empty block has nothing to misjudge.
        if b.contig_hint == 1024 {
            most = 1024;
            continue;
        }
        let free = bits::free_runs(c.alloc_map, i * 1024, (i + 1) * 1024);
        let (longest, right) = (free.longest as i32, free.right as i32);
        most = most.max(longest);
        for (which, hint, truth) in [(Hint::Block, b.contig_hint, longest), (Hint::RightEdge, b.right_free, right)] {
            if hint < truth {
                see(Below { which, chunk: c.head.base_addr, block: Some(i), hint, truth });
            }
        }
    }
    if c.head.md.contig_hint < most {
        see(Below {
            which: Hint::Chunk,
            chunk: c.head.base_addr,
            block: None,
            hint: c.head.md.contig_hint,
            truth: most,
        });
    }
}

/// A request, in allocation units.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Units asked for.
    pub bits: u32,
    /// Alignment in units.
    pub align: u32,
    /// Only populated pages count.
    pub atomic: bool,
    /// From the reserved chunk.
    pub reserved: bool,
}

/// The block of a chunk in which the request fits wherever the run starts, by the map alone.
pub fn room(c: &ChunkView<'_>, free_slot: i32, sidelined_slot: i32, r: Request) -> Option<u32> {
    let h = c.head;
    let searched = if r.reserved { h.is_reserved } else { (0..=free_slot).contains(&h.slot) };
    // The allocator puts chunks that failed a small request on list 0 on purpose; they are not searched.
    let parked = h.slot == 0 && h.md.contig_hint != 0 && h.slot != sidelined_slot;
    if !searched || (parked && !r.reserved) {
        return None;
    }
    let need = r.bits + r.align - 1;
    (0..c.blocks.len() as u32).find(|i| {
        let populated = c.populated[(i / 64) as usize] >> (i % 64) & 1 == 1;
        (populated || !r.atomic) && bits::free_runs(c.alloc_map, i * 1024, (i + 1) * 1024).longest >= need
    })
}
