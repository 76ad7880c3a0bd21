// SPDX-License-Identifier: GPL-2.0-only
//! Hints: none that is about one block is below the longest free run there is.
//!
//! percpu.c documents that such a hint is accurate. Unmodified kernels break that in known ways, so the Model carries
//! each as a quirk, and what this oracle sees is expected to be accounted for by one.

use std::collections::BTreeSet;

use percuss_kernel::{Addr, ChunkView, Lock, Touched};

use crate::{Finding, Oracle, OracleKind, Scene, bits};

/// Occurrences noted per program. A program that fragments on purpose makes thousands, and each is looked for in a run
/// of the Model for every quirk.
pub(crate) const NOTED: usize = 256;

/// A hint below the truth, with the op after which it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenBelow {
    pub op: u32,
    pub below: Below,
}

impl SeenBelow {
    /// The same hint of the same block, after the same op. How far the hint is below the truth is not compared.
    pub fn is_at(&self, other: &SeenBelow) -> bool {
        // Two Models place chunks at the same addresses as long as they do the same, so the base names the chunk.
        let place = |s: &SeenBelow| (s.op, s.below.which, s.below.chunk, s.below.block);
        place(self) == place(other)
    }

    pub fn finding(&self) -> Finding {
        let Below { which, chunk, block, hint, truth } = self.below;
        let title = match which {
            Hint::Block => "percuss: hint of a block below the truth",
            Hint::RightEdge => "percuss: right edge of a block below the truth",
            Hint::Chunk => "percuss: hint of a chunk below the truth",
        };
        let at = block.map_or(String::new(), |n| format!(" block {n}"));
        let detail = format!("chunk {chunk:#x}{at}: hint {hint} units, truth {truth}");
        Finding::new(OracleKind::Hints, self.op, title, detail)
    }
}

/// Looks at the hints of a tenant after every op, and notes each when it comes about.
///
/// Occurrences are noted, not reported: a quirk accounts for them one by one, and a caller that asks the Model without
/// it compares what each has [`seen`](Hints::seen).
#[derive(Debug, Default)]
pub struct Hints {
    /// Hints below the truth, first occurrences in order, at most `NOTED`.
    pub seen: Vec<SeenBelow>,
    /// Hints below the truth right now, so that each is noted once.
    standing: BTreeSet<(u64, Option<u32>, Hint)>,
}

impl Oracle for Hints {
    fn start(&mut self) {
        self.seen.clear();
        self.standing.clear();
    }

    fn op_ended(&mut self, scene: &Scene<'_>, op: u32) {
        // Another task may be changing the state. What it touched stays recent and is looked at after its op.
        if scene.host.world().is_held(Lock::Pcpu) {
            return;
        }
        let (seen, standing) = (&mut self.seen, &mut self.standing);
        scene.tenant.visit(Touched::Recent, &mut |_, c| {
            let base = c.head.base_addr;
            let (lo, hi) = c.head.touched;
            // Only what is looked at again can have been put right; other blocks of the chunk stand as they did.
            standing.retain(|(chunk, block, _)| *chunk != base || block.is_some_and(|b| b < lo || b > hi));
            below(c, false, |b| {
                // Inserted even when there are enough, so that one that stands is not taken for a new one later.
                if standing.insert((b.chunk, b.block, b.which)) && seen.len() < NOTED {
                    seen.push(SeenBelow { op, below: b });
                }
            });
        });
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hint {
    /// `contig_hint` of a block
    Block,
    /// `right_free` of a block
    RightEdge,
    /// `contig_hint` of a chunk, against a run inside one block
    Chunk,
}

/// A hint below the longest free run it is to describe. Both figures are in allocation units of four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Below {
    pub which: Hint,
    pub chunk: Addr,
    /// The block, None for the hint of the whole chunk.
    pub block: Option<u32>,
    pub hint: i32,
    pub truth: i32,
}

/// Looks at the touched blocks of a chunk (or all), and calls `see` for each hint that is below the truth.
///
/// The hint of the whole chunk is compared with the runs of the blocks looked at: it may be below a run that crosses
/// blocks, which the kernel does not promise to find.
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
        // Measured from the map, never by way of other hints.
        let free = bits::free_runs(c.alloc_map, i * 1024, (i + 1) * 1024);
        let (longest, right) = (free.longest as i32, free.right as i32);
        most = most.max(longest);
        for (which, hint, truth) in [(Hint::Block, b.contig_hint, longest), (Hint::RightEdge, b.right_free, right)] {
            if hint < truth {
                see(Below { which, chunk: c.head.base_addr, block: Some(i), hint, truth });
            }
        }
    }
    // Against the blocks that were looked at. With all of them this is the whole chunk's longest run inside a block.
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
