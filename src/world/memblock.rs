// SPDX-License-Identifier: GPL-2.0-only
//! Boot memory: memblock, lowest address first within a node.

use super::arena::place::{LINEAR, NODE};
use super::digest::mix;
use super::kernel::Addr;

/// A range handed out at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Taken {
    start: Addr,
    end: Addr,
}

/// The boot allocator: sorted list of what is taken.
#[derive(Debug, Default)]
pub struct Memblock {
    taken: Vec<Taken>,
    /// Metadata allocations: what a tenant in C keeps state in.
    metadata: Vec<(Addr, u64)>,
}

impl Memblock {
    pub fn reset(&mut self) {
        self.taken.clear();
        self.metadata.clear();
    }

    /// Metadata still allocated, as (address, bytes).
    pub fn metadata(&self) -> &[(Addr, u64)] {
        &self.metadata
    }

    pub fn alloc(&mut self, size: u64, align: u64, node: u32, metadata: bool) -> Addr {
        let (low, high) = (LINEAR + node as u64 * NODE, LINEAR + (node as u64 + 1) * NODE);
        let mut start = low.next_multiple_of(align.max(1));
        let mut at = 0;
        for (i, t) in self.taken.iter().enumerate() {
            if t.end <= start {
                at = i + 1;
                continue;
            }
            if t.start >= start + size {
                break;
            }
            start = t.end.next_multiple_of(align.max(1));
            at = i + 1;
        }
        // The upper half of a node belongs to the page allocator.
        if size == 0 || start + size > high - NODE / 2 {
            return 0;
        }
        self.taken.insert(at, Taken { start, end: start + size });
        if metadata {
            self.metadata.push((start, size));
        }
        start
    }

    /// Gives a range back, which may be part of what was handed out.
    pub fn free(&mut self, addr: Addr, size: u64) {
        let end = addr + size;
        self.metadata.retain(|(a, s)| !(addr <= *a && a + s <= end));
        let mut i = 0;
        while i < self.taken.len() {
            let t = self.taken[i];
            if t.end <= addr || end <= t.start {
                i += 1;
                continue;
            }
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

    /// Digest of what is taken, neighbours joined.
    pub fn digest(&self) -> u64 {
        let mut h = 0x6d;
        let mut run: Option<Taken> = None;
        for t in &self.taken {
            match &mut run {
                Some(r) if r.end == t.start => r.end = t.end,
                _ => {
                    if let Some(r) = run {
                        h = mix(mix(h, r.start), r.end);
                    }
                    run = Some(*t);
                }
            }
        }
        run.map_or(h, |r| mix(mix(h, r.start), r.end))
    }
}
