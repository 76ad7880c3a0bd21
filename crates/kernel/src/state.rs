// SPDX-License-Identifier: GPL-2.0-only
//! A copy of an allocator's state: what oracles judge and reports print.

use crate::Addr;

/// Which chunks to copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touched {
    /// Every chunk that can be reached, list by list, then the reserved chunk.
    All,
    /// Chunks touched since the last copy of touched chunks, with the range of blocks.
    Recent,
}

/// Metadata of a block or of a whole chunk (`struct pcpu_block_md`); all in allocation units (bits).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Block {
    /// Largest known area before the contig hint.
    pub scan_hint: i32,
    /// Where it starts; meaningless when it is 0, but compared.
    pub scan_hint_start: i32,
    /// Largest known area.
    pub contig_hint: i32,
    /// Where it starts.
    pub contig_hint_start: i32,
    /// Free bits at the left edge.
    pub left_free: i32,
    /// Free bits at the right edge.
    pub right_free: i32,
    /// First free bit.
    pub first_free: i32,
    /// Bits covered.
    pub nr_bits: i32,
}

/// One chunk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ChunkState {
    /// `base_addr`
    pub base_addr: Addr,
    /// List it is on; -1 for the reserved chunk, -2 for none that can be reached.
    pub slot: i32,
    /// Position on the list from the head.
    pub position: i32,
    /// Free bytes.
    pub free_bytes: i32,
    /// Pages of one unit.
    pub nr_pages: i32,
    /// Populated pages of one unit.
    pub nr_populated: i32,
    /// Populated pages without a single allocation.
    pub nr_empty_pop_pages: i32,
    /// Bytes hidden before and after the region served.
    pub start_offset: i32,
    /// See `start_offset`.
    pub end_offset: i32,
    /// Live areas.
    pub nr_alloc: i32,
    /// Largest area ever served, bytes.
    pub max_alloc_size: u64,
    /// Part of the first chunk.
    pub immutable: bool,
    /// On the sidelined or to-depopulate list.
    pub isolated: bool,
    /// Serves the dynamic part of the first chunk.
    pub is_first: bool,
    /// Serves the reserved part.
    pub is_reserved: bool,
    /// Metadata of the whole chunk.
    pub md: Block,
    /// Metadata of each block.
    pub blocks: Vec<Block>,
    /// Blocks touched, inclusive; empty when low > high.
    pub touched: (u32, u32),
    /// Allocation map, 64 bits a word.
    pub alloc_map: Vec<u64>,
    /// Boundary map, one bit more.
    pub bound_map: Vec<u64>,
    /// Populated pages.
    pub populated: Vec<u64>,
}

/// One chunk, looked at in place.
#[derive(Clone, Copy, Debug)]
pub struct ChunkView<'a> {
    /// Everything but the vectors, which are empty here.
    pub head: &'a ChunkState,
    /// Metadata of each block.
    pub blocks: &'a [Block],
    /// Allocation map, 64 bits a word.
    pub alloc_map: &'a [u64],
    /// Boundary map, one bit more.
    pub bound_map: &'a [u64],
    /// Populated pages.
    pub populated: &'a [u64],
}

impl ChunkState {
    /// Takes over everything but the vectors.
    pub fn copy_head(&mut self, from: &ChunkState) {
        let vectors = ChunkState {
            blocks: std::mem::take(&mut self.blocks),
            alloc_map: std::mem::take(&mut self.alloc_map),
            bound_map: std::mem::take(&mut self.bound_map),
            populated: std::mem::take(&mut self.populated),
            ..*from
        };
        *self = vectors;
    }

    /// The chunk as a view.
    pub fn view(&self) -> ChunkView<'_> {
        ChunkView {
            head: self,
            blocks: &self.blocks,
            alloc_map: &self.alloc_map,
            bound_map: &self.bound_map,
            populated: &self.populated,
        }
    }
}

/// State outside chunks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Globals {
    /// `pcpu_nr_empty_pop_pages`
    pub nr_empty_pop_pages: i32,
    /// `pcpu_atomic_alloc_failed`
    pub atomic_alloc_failed: bool,
    /// `pcpu_nr_populated`
    pub nr_populated: u64,
    /// pcpu_stats
    pub nr_chunks: u32,
    /// pcpu_stats
    pub nr_max_chunks: u32,
    /// pcpu_stats
    pub nr_alloc: u64,
    /// pcpu_stats
    pub nr_dealloc: u64,
    /// pcpu_stats
    pub nr_cur_alloc: u64,
    /// pcpu_stats
    pub nr_max_alloc: u64,
    /// pcpu_stats, bytes
    pub min_alloc_size: u64,
    /// pcpu_stats, bytes
    pub max_alloc_size: u64,
    /// Number of lists.
    pub nr_slots: i32,
    /// List of fully free chunks.
    pub free_slot: i32,
    /// List of isolated, depopulated chunks.
    pub sidelined_slot: i32,
    /// List of isolated chunks waiting for the worker.
    pub to_depopulate_slot: i32,
}

/// Globals and chunks. `chunks[..used]` is valid; the rest is kept for its memory.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// State outside chunks.
    pub globals: Globals,
    /// Chunks, see `used`.
    pub chunks: Vec<ChunkState>,
    /// How many of `chunks` are valid.
    pub used: usize,
}

impl State {
    /// The valid chunks.
    pub fn chunks(&self) -> &[ChunkState] {
        &self.chunks[..self.used]
    }

    /// The next chunk to fill, its old memory kept.
    pub fn next_chunk(&mut self) -> &mut ChunkState {
        if self.used == self.chunks.len() {
            self.chunks.push(ChunkState::default());
        }
        self.used += 1;
        &mut self.chunks[self.used - 1]
    }
}
