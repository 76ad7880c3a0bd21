// SPDX-License-Identifier: GPL-2.0-only
//! An allocator's state in plain data, the same for every tenant: what oracles judge and reports print. Names are those
//! of the kernel's structs and variables where there is one.

use crate::Addr;

/// Which chunks to show. Showing all after every op would take most of the time of a run, so oracles look at those that
/// an op touched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touched {
    /// Every chunk that can be reached, list by list, then the reserved chunk.
    All,
    /// Chunks touched since touched chunks were last shown, with the range of blocks; they are forgotten by that.
    Recent,
}

/// A change of what pcpu_lock protects that was made while the lock was free, by whichever task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnlockedChange {
    /// Base of the chunk; 0 for a global value.
    pub chunk: Addr,
    /// Which value, as a noun.
    pub field: String,
    // Of a list of chunks these are slots, -2 for none.
    pub before: i64,
    pub after: i64,
    /// The function that took the lock next.
    pub function: String,
    /// Where the lock was released and where it was taken next.
    pub between: [String; 2],
}

/// Metadata of a block or of a whole chunk (`struct pcpu_block_md`). Sizes and positions are in bits of the allocation
/// map, each of which stands for PCPU_MIN_ALLOC_SIZE bytes. The layout is that of the records in `struct
/// percuss_chunk`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Block {
    /// Largest known free area before the contig hint; 0 for none.
    pub scan_hint: i32,
    /// Where the scan hint starts. It means nothing while that is 0, but tenants compare it: stale values are
    /// behaviour.
    pub scan_hint_start: i32,
    /// Largest known free area.
    pub contig_hint: i32,
    pub contig_hint_start: i32,
    // The free areas at the two ends let areas be found that cross from one block to the next.
    pub left_free: i32,
    pub right_free: i32,
    // A search begins here. It may be lower than the first free bit, never higher.
    pub first_free: i32,
    pub nr_bits: i32,
}

/// One chunk. Page counts are those of one unit, byte counts those of the chunk's region in one unit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ChunkState {
    pub base_addr: Addr,
    /// The list that the chunk is on; -1 for the reserved chunk, which is on none, and -2 for a chunk on a list of the
    /// function that is emptying it.
    pub slot: i32,
    pub position: i32,
    pub free_bytes: i32,
    pub nr_pages: i32,
    pub nr_populated: i32,
    /// Populated pages on which no area lies. The balance work keeps some of them for atomic allocations.
    pub nr_empty_pop_pages: i32,
    /// Bytes at the start that the chunk does not serve, because its region does not start on a page.
    pub start_offset: i32,
    pub end_offset: i32,
    pub nr_alloc: i32,
    pub max_alloc_size: u64,
    /// The chunk is one of those made at boot, and is never depopulated or destroyed.
    pub immutable: bool,
    /// The chunk is on the sidelined or the to-depopulate list, and serves nothing from there.
    pub isolated: bool,
    /// The chunk is pcpu_first_chunk, which serves the dynamic part of the first chunk.
    pub is_first: bool,
    pub is_reserved: bool,
    pub md: Block,
    pub blocks: Vec<Block>,
    /// First and last block touched; the header alone was touched when the first is above the last.
    pub touched: (u32, u32),
    /// A set bit is allocated. Words have 64 bits, the lowest first, as in all maps.
    pub alloc_map: Vec<u64>,
    /// A set bit starts an area. The map has one bit more than the allocation map, for the end of the last one.
    pub bound_map: Vec<u64>,
    /// A set bit is a page that is backed in every unit.
    pub populated: Vec<u64>,
}

/// One chunk, looked at in place: the maps are the tenant's own, which saves copying them at each release.
///
/// It is valid during the call that shows it; the next op of the tenant changes what it shows.
#[derive(Clone, Copy, Debug)]
pub struct ChunkView<'a> {
    pub head: &'a ChunkState,
    pub blocks: &'a [Block],
    pub alloc_map: &'a [u64],
    pub bound_map: &'a [u64],
    pub populated: &'a [u64],
}

impl ChunkState {
    /// Takes over everything but the vectors, whose memory is kept for the maps that follow.
    pub fn copy_head(&mut self, from: &ChunkState) {
        // `..*from` copies each plain field, so that a field added to the struct cannot be forgotten here.
        // The maps are written over afterwards, and are as long as before in most cases.
        let vectors = ChunkState {
            blocks: std::mem::take(&mut self.blocks),
            alloc_map: std::mem::take(&mut self.alloc_map),
            bound_map: std::mem::take(&mut self.bound_map),
            populated: std::mem::take(&mut self.populated),
            ..*from
        };
        *self = vectors;
    }

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

/// State outside chunks: variables of percpu.c, `pcpu_stats` from `nr_chunks` to `max_alloc_size`, and the indexes of
/// the lists that are not for a size. Sizes are in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Globals {
    pub nr_empty_pop_pages: i32,
    pub atomic_alloc_failed: bool,
    pub nr_populated: u64,
    pub nr_chunks: u32,
    pub nr_max_chunks: u32,
    pub nr_alloc: u64,
    pub nr_dealloc: u64,
    pub nr_cur_alloc: u64,
    pub nr_max_alloc: u64,
    pub min_alloc_size: u64,
    pub max_alloc_size: u64,
    pub nr_slots: i32,
    /// The list of chunks that are wholly free. The balance work destroys all of them but one.
    pub free_slot: i32,
    pub sidelined_slot: i32,
    pub to_depopulate_slot: i32,
}

/// Globals and chunks. Only `chunks[..used]` is valid; the rest keeps its vectors, so that a copy allocates nothing
/// once the state has been large.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub globals: Globals,
    pub chunks: Vec<ChunkState>,
    pub used: usize,
}

impl State {
    pub fn chunks(&self) -> &[ChunkState] {
        &self.chunks[..self.used]
    }

    /// The next chunk to fill.
    ///
    /// It holds values of an earlier state, which the caller overwrites; its vectors keep their memory.
    pub fn next_chunk(&mut self) -> &mut ChunkState {
        // Chunks beyond `used` are from a state that had more; they are used again before a new one is made.
        if self.used == self.chunks.len() {
            self.chunks.push(ChunkState::default());
        }
        self.used += 1;
        &mut self.chunks[self.used - 1]
    }
}
