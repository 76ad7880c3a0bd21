// SPDX-License-Identifier: GPL-2.0-only
//! Digests of the state as `percuss_abi.h` defines them.

use super::block::Md;
use super::chunk::{Chunk, ChunkId, Mark, NONE};
use super::core::Core;
use percuss_kernel::digest::{BLOCKS, CHUNK, RELEASE, WORDS, mix, pair};

#[inline]
fn block(h: u64, b: &Md) -> u64 {
    let h = mix(h, pair(b.scan_hint, b.scan_hint_start));
    let h = mix(h, pair(b.contig_hint, b.contig_hint_start));
    let h = mix(h, pair(b.left_free, b.right_free));
    mix(h, pair(b.first_free, b.nr_bits))
}

impl Core {
    /// What tells a chunk from all others, the two parts of the first chunk included.
    #[inline]
    fn chunk_key(&self, id: ChunkId) -> u64 {
        // Both parts of the first chunk may begin in the same page and have the same base.
        let base = self.chunk(id).head.base.wrapping_sub(self.place.static_image);
        base.wrapping_add((id == self.reserved) as u64)
    }

    #[inline]
    fn header(&self, id: ChunkId) -> u64 {
        let head = &self.chunk(id).head;
        let h = mix(CHUNK, self.chunk_key(id));
        let h = mix(h, pair(head.free_bytes, head.nr_empty));
        let h = mix(h, pair(head.nr_populated, head.nr_pages));
        let h = mix(h, pair(head.nr_alloc, head.immutable as i32 + 2 * head.isolated as i32));
        let h = mix(h, head.max_alloc_size);
        block(h, &head.md)
    }

    #[inline]
    fn globals(&self) -> u64 {
        let count = &self.count;
        let h = mix(RELEASE, pair(count.nr_empty, count.atomic_failed as i32));
        let h = mix(h, count.nr_populated);
        let h = mix(h, count.nr_alloc);
        let h = mix(h, count.nr_dealloc);
        let h = mix(h, count.nr_cur_alloc);
        let h = mix(h, count.nr_max_alloc);
        let h = mix(h, pair(count.nr_chunks as i32, count.nr_max_chunks as i32));
        mix(h, pair(count.min_alloc_size as i32, count.max_alloc_size as i32))
    }

    /// Calls `f` with the chunks on all slots in order. The list of doomed chunks is left out: in the kernel it is a
    /// local variable of the worker.
    #[inline]
    pub fn each_listed(&self, mut f: impl FnMut(u32, ChunkId)) {
        let mut from = 0;
        while let Some(list) = self.slots.next_occupied(from) {
            if list >= self.place.slots.nr {
                break;
            }
            let mut at = self.slots.first(list);
            while let Some(id) = at {
                f(list, id);
                let next = self.chunk(id).head.next;
                at = (next != NONE).then_some(next);
            }
            from = list + 1;
        }
    }

    #[inline]
    fn lists(&self, mut h: u64) -> u64 {
        self.each_listed(|list, id| h = mix(h, (list as u64) << 48 ^ self.chunk_key(id)));
        h
    }

    /// Digest of a release of pcpu_lock: globals, lists and what changed since the last one, which is then forgotten.
    /// Chunks are summed, so their order does not matter.
    pub fn release_digest(&mut self) -> u64 {
        let mut sum = 0u64;
        while let Some(id) = self.released.pop() {
            // Popped from the end, which saves moving the rest; the sum is the same in any order.
            let mark = std::mem::replace(&mut self.chunks[id as usize].head.release, Mark::CLEAN);
            let chunk = self.chunk(id);
            let touched = &chunk.blocks[mark.span.range(chunk.blocks.len())];
            sum = sum.wrapping_add(touched.iter().fold(self.header(id), block));
        }
        mix(self.lists(self.globals()), sum)
    }

    pub fn whole_digest(&self) -> u64 {
        let mut sum = 0u64;
        self.each_listed(|_, id| sum = sum.wrapping_add(self.whole_chunk(id)));
        if self.reserved != NONE {
            sum = sum.wrapping_add(self.whole_chunk(self.reserved));
        }
        mix(self.lists(self.globals()), sum)
    }

    fn whole_chunk(&self, id: ChunkId) -> u64 {
        let Chunk { blocks, alloc_map, bound_map, populated, .. } = self.chunk(id);
        let one = |(i, b)| block(mix(BLOCKS, i as u64), b);
        let h = mix(self.header(id), blocks.iter().enumerate().map(one).fold(0, u64::wrapping_add));
        [alloc_map, bound_map, populated].into_iter().fold(h, |h, map| mix(h, words(map)))
    }
}

/// Sum over the words that are not 0. Most are, and most of those have neighbours that are, so they are skipped several
/// at a time.
fn words(map: &[u64]) -> u64 {
    const STRIDE: usize = 8;
    let mut sum = 0u64;
    for (n, stride) in map.chunks(STRIDE).enumerate() {
        if stride.iter().fold(0, |any, w| any | w) == 0 {
            continue;
        }
        for (i, &w) in stride.iter().enumerate().filter(|(_, w)| **w != 0) {
            sum = sum.wrapping_add(mix(mix(WORDS, (n * STRIDE + i) as u64), w));
        }
    }
    sum
}
