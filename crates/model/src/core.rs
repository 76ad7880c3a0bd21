// SPDX-License-Identifier: GPL-2.0-only
//! The allocator's state and the steps on it that call no kernel function.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use super::area::Change;
use super::block::{MIN_ALLOC, PAGE};
use super::chunk::{Chunk, ChunkId, Mark, NONE};
use super::facts::Facts;
use super::frames::Frames;
use super::slots::Slots;
use percuss_kernel::Quirks;
use percuss_kernel::{Addr, Layout, Pfn};

/// Failed allocations that are reported before the log is spared (`warn_limit` of `pcpu_alloc_noprof`). The kernel's
/// counter is a static that nothing resets, so a boot gets this many reports and then a last line that says so.
const WARNINGS: i32 = 10;

/// The slots that are not for a size. They follow the slots for sizes, so their numbers depend on the unit size and are
/// known only once boot has laid out the first chunk (`pcpu_sidelined_slot`, `pcpu_free_slot`,
/// `pcpu_to_depopulate_slot`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct SlotPlan {
    /// Isolated chunks without empty pages to give back.
    pub sidelined: u32,
    pub free: u32,
    /// Isolated chunks whose empty pages the worker will give back.
    pub to_depopulate: u32,
    pub nr: u32,
    /// Chunks about to be destroyed: a list that only the worker reaches.
    pub doomed: u32,
}

/// What boot decided and never changes again: the variables that the kernel marks `__ro_after_init`. A restore leaves
/// it alone. Tables are by CPU, with room for the 64 CPUs that a mask can name.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub base: Addr,
    pub static_image: Addr,
    pub static_size: u64,
    pub unit_size: u64,
    pub unit_pages: i32,
    pub atom_size: u64,
    pub nr_units: u32,
    pub low_cpu: u32,
    pub high_cpu: u32,
    pub possible: u64,
    pub unit_map: [i32; 64],
    pub unit_offsets: [u64; 64],
    pub group_offsets: Vec<u64>,
    pub group_sizes: Vec<u64>,
    pub slots: SlotPlan,
}

impl Default for Place {
    fn default() -> Place {
        Place {
            base: 0,
            static_image: 0,
            static_size: 0,
            unit_size: 0,
            unit_pages: 0,
            atom_size: 0,
            nr_units: 0,
            low_cpu: 0,
            high_cpu: 0,
            possible: 0,
            unit_map: [-1; 64],
            unit_offsets: [0; 64],
            group_offsets: Vec::new(),
            group_sizes: Vec::new(),
            slots: SlotPlan::default(),
        }
    }
}

impl Place {
    /// Address of a page of a CPU's unit in the chunk at `base` (`pcpu_chunk_addr`).
    #[inline]
    pub fn page_addr(&self, base: Addr, cpu: u32, page: i32) -> Addr {
        base + self.unit_offsets[cpu as usize] + page as u64 * PAGE
    }

    /// Index of a page of a CPU's unit in the pages array (`pcpu_page_idx`).
    #[inline]
    pub fn page_index(&self, cpu: u32, page: i32) -> usize {
        (self.unit_map[cpu as usize] * self.unit_pages + page) as usize
    }

    /// The range from the lowest unit's `start` to the highest unit's `end`, which flushes are for. One range over all
    /// units, with what lies between them, is what the kernel flushes too.
    pub fn flush_range(&self, base: Addr, start: i32, end: i32) -> (Addr, Addr) {
        (self.page_addr(base, self.low_cpu, start), self.page_addr(base, self.high_cpu, end))
    }

    /// The layout as reports and the Boot event have it. It copies the tables, so it is for boot, not for each call.
    pub fn layout(&self) -> Layout {
        Layout {
            base_addr: self.base,
            unit_size: self.unit_size,
            atom_size: self.atom_size,
            nr_units: self.nr_units,
            nr_slots: self.slots.nr,
            low_cpu: self.low_cpu,
            high_cpu: self.high_cpu,
            unit_map: self.unit_map.to_vec(),
            unit_offsets: self.unit_offsets.to_vec(),
            group_offsets: self.group_offsets.clone(),
            group_sizes: self.group_sizes.clone(),
        }
    }
}

/// Counters and flags outside chunks. Most are guarded by pcpu_lock, `warnings` by nothing, as in the kernel. They are
/// `Copy` and apart from the chunks, so that a save or a restore takes them in one assignment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Counters {
    /// Entirely free populated pages of chunks that are neither reserved nor isolated.
    pub nr_empty: i32,
    /// Populated pages of one unit, over all chunks.
    pub nr_populated: u64,
    /// An atomic allocation failed since the worker last looked.
    pub atomic_failed: bool,
    pub async_enabled: bool,
    pub warnings: i32,
    /// Where the kernel put the array of pages; 0 before the first population.
    pub pages_array: Addr,
    pub nr_chunks: u32,
    pub nr_max_chunks: u32,
    pub nr_alloc: u64,
    pub nr_dealloc: u64,
    pub nr_cur_alloc: u64,
    pub nr_max_alloc: u64,
    pub min_alloc_size: u64,
    pub max_alloc_size: u64,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            nr_empty: 0,
            nr_populated: 0,
            atomic_failed: false,
            async_enabled: false,
            warnings: WARNINGS,
            pages_array: 0,
            nr_chunks: 0,
            nr_max_chunks: 0,
            nr_alloc: 0,
            nr_dealloc: 0,
            nr_cur_alloc: 0,
            nr_max_alloc: 0,
            min_alloc_size: 0,
            max_alloc_size: 0,
        }
    }
}

/// All state of an allocator. Steps on it take no lock and call no kernel function: the caller holds the locks that the
/// C function of the same purpose runs under, and no task switch can come between two lines here.
#[derive(Default, Debug)]
pub(super) struct Core {
    pub facts: Facts,
    pub quirks: Quirks,
    pub place: Place,
    pub count: Counters,
    /// Chunks by id; those not live wait in `spare` with their memory.
    pub chunks: Vec<Chunk>,
    pub spare: Vec<ChunkId>,
    pub slots: Slots,
    pub first: ChunkId,
    /// The chunk of its reserved part, or [`NONE`].
    pub reserved: ChunkId,
    pub released: Vec<ChunkId>,
    /// Chunks with changes since they were last copied, in order of the first change.
    pub copied: Vec<ChunkId>,
    pub pages: Vec<Pfn>,
    pub frames: Frames,
    /// (chunk, first bit of an area) -> objcg charged for it. No step goes over them all; still they hash the same in
    /// every run.
    pub charged: HashMap<(ChunkId, i32), u32, BuildHasherDefault<DefaultHasher>>,
    pub saved: Saved,
}

/// What [`Core::restore`] goes back to. The chunks are whole copies; a restore copies back only the blocks that were
/// touched since.
#[derive(Default, Debug)]
pub(super) struct Saved {
    pub count: Counters,
    pub slots: Slots,
    pub chunks: Vec<(ChunkId, Chunk)>,
    pub has_pages: bool,
}

impl Core {
    /// State before boot; memory of an earlier boot is kept, so that booting again allocates little.
    pub fn clear(&mut self) {
        self.count = Counters::default();
        self.spare.clear();
        // The first ones are taken first, whatever there was before, so that the same program needs no more memory twice.
        for (id, chunk) in self.chunks.iter_mut().enumerate().rev() {
            chunk.head.live = false;
            self.spare.push(id as ChunkId);
        }
        self.first = NONE;
        self.reserved = NONE;
        self.released.clear();
        self.copied.clear();
        self.pages.clear();
        self.frames.clear();
        self.charged.clear();
    }

    /// Drops the marks of what boot did to the chunks, so that the first release of pcpu_lock after it reports only
    /// what changed under that lock.
    pub fn forget_changes(&mut self) {
        self.released.clear();
        self.copied.clear();
        for chunk in &mut self.chunks {
            chunk.head.release = Mark::CLEAN;
            chunk.head.copy = Mark::CLEAN;
        }
    }

    /// A new chunk of `nr_pages` pages at `base`, on no list. A spare chunk's memory is used when there is one.
    pub fn add_chunk(&mut self, nr_pages: i32, base: Addr) -> ChunkId {
        let id = self.spare.pop().unwrap_or_else(|| {
            self.chunks.push(Chunk::default());
            self.chunks.len() as ChunkId - 1
        });
        let chunk = &mut self.chunks[id as usize];
        // Also for a spare one: nothing of the chunk that was there before may be seen.
        chunk.init(nr_pages);
        chunk.head.base = base;
        id
    }

    /// Forgets a chunk, whose changes were all released; its memory is kept for the next. The caller has depopulated
    /// it: frames that named it stay noted, as `page->index` does in the kernel until the page backs another chunk.
    pub fn drop_chunk(&mut self, id: ChunkId) {
        self.slots.unlink(&mut self.chunks, id);
        self.chunks[id as usize].head.live = false;
        // The digest of the last release has been taken, but a copy may not have been made since.
        self.copied.retain(|&other| other != id);
        self.spare.push(id);
    }

    #[inline]
    pub fn chunk(&self, id: ChunkId) -> &Chunk {
        &self.chunks[id as usize]
    }

    /// Enters a chunk in the lists of changed ones. It is to be called before the change is noted in its header: the
    /// marks there decide whether the chunk is on the lists already.
    #[inline]
    fn note_touch(&mut self, id: ChunkId) {
        let head = &self.chunks[id as usize].head;
        if !head.release.touched {
            self.released.push(id);
        }
        if !head.copy.touched {
            self.copied.push(id);
        }
    }

    /// Slot for a largest area of `size` bytes (`pcpu_size_to_slot`).
    #[inline]
    pub fn size_to_slot(&self, size: i32) -> u32 {
        // Only a chunk that is free as a whole goes to the free slot; the worker counts on all chunks there being so.
        if size as u64 == self.place.unit_size { self.place.slots.free } else { self.plain_slot(size) }
    }

    /// The slot for sizes that are not a whole unit (`__pcpu_size_to_slot`): one for each power of two, counted from
    /// `PCPU_SLOT_BASE_SHIFT`, and at least 1 because 0 is for chunks that are full or failed.
    #[inline]
    pub fn plain_slot(&self, size: i32) -> u32 {
        // `fls`, which counts from 1 and is 0 for 0.
        let bits = 32 - size.leading_zeros();
        (bits + 2).saturating_sub(self.facts.slot_base_shift).max(1)
    }

    /// The slot a chunk belongs in (`pcpu_chunk_slot`). Slots go by the largest free area known, not by the number of
    /// free bytes, so a chunk in pieces lies low although much of it is free.
    #[inline]
    pub fn chunk_slot(&self, id: ChunkId) -> u32 {
        match self.chunk(id).slot_bytes() {
            0 => 0,
            bytes => self.size_to_slot(bytes),
        }
    }

    /// Moves a chunk to a list. The reserved chunk is never on one (`__pcpu_chunk_move`): it serves only callers that
    /// ask for it, and must not be found by a search.
    pub fn move_chunk(&mut self, id: ChunkId, list: u32, front: bool) {
        if id != self.reserved {
            self.slots.move_to(&mut self.chunks, id, list, front);
        }
    }

    /// Puts a chunk that is on no list, or was isolated, at the front of the slot it belongs in (`pcpu_chunk_relocate`
    /// with slot -1).
    pub fn enter_slot(&mut self, id: ChunkId) {
        self.move_chunk(id, self.chunk_slot(id), true);
    }

    /// Puts a chunk in the slot it belongs in when that is not `old`: at the front when it has more room than before
    /// (`pcpu_chunk_relocate`). Isolated chunks stay where they are.
    pub fn relocate(&mut self, id: ChunkId, old: u32) {
        let new = self.chunk_slot(id);
        // Isolated chunks leave their list only through the worker or a reintegration, whatever their hints say.
        if !self.chunk(id).head.isolated && old != new {
            self.move_chunk(id, new, old < new);
        }
    }

    /// Takes a chunk out of the active slots (`pcpu_isolate_chunk`). Its empty pages leave the count at once, so that
    /// the worker does not take pages about to be given back for a supply.
    pub fn isolate(&mut self, id: ChunkId) {
        let head = &mut self.chunks[id as usize].head;
        // A chunk that is isolated again moves to the front without being subtracted twice.
        if !head.isolated {
            head.isolated = true;
            self.count.nr_empty -= head.nr_empty;
        }
        // At the front: the chunk isolated last is reclaimed first.
        self.slots.move_to(&mut self.chunks, id, self.place.slots.to_depopulate, true);
    }

    /// Puts an isolated chunk back in the active slots (`pcpu_reintegrate_chunk`). Its empty pages count again. A chunk
    /// that is not isolated stays where it is.
    pub fn reintegrate(&mut self, id: ChunkId) {
        let head = &mut self.chunks[id as usize].head;
        if head.isolated {
            head.isolated = false;
            self.count.nr_empty += head.nr_empty;
            self.enter_slot(id);
        }
    }

    /// Counts pages that became empty and populated, or stopped being so (`pcpu_update_empty_pages`).
    pub fn count_empty(&mut self, id: ChunkId, nr: i32) {
        let head = &mut self.chunks[id as usize].head;
        head.nr_empty += nr;
        // The global count is of pages an atomic caller could get: neither the reserved chunk nor isolated ones serve
        // one.
        if id != self.reserved && !head.isolated {
            self.count.nr_empty += nr;
        }
    }

    /// Takes an area out of a chunk from `start` on and moves the chunk to its new slot (`pcpu_alloc_area`).
    pub fn take_area(&mut self, id: ChunkId, bits: i32, align: i32, start: i32) -> Option<Change> {
        let old = self.chunk_slot(id);
        self.note_touch(id);
        let change = self.chunks[id as usize].take(bits, align, start, &self.quirks);
        // A hint promised room that the map does not have. Nothing was written, so the chunk must not show up as
        // changed.
        let Some(change) = change else {
            self.forget_touch(id);
            return None;
        };
        self.count_empty(id, -change.empty_pages);
        self.relocate(id, old);
        Some(change)
    }

    /// Undoes [`Core::note_touch`] when nothing changed after all. The chunk is the last of both lists then, so it is
    /// enough to pop it; the marks in its header tell whether it was entered just now.
    fn forget_touch(&mut self, id: ChunkId) {
        let head = &self.chunks[id as usize].head;
        if !head.release.touched {
            self.released.pop();
        }
        if !head.copy.touched {
            self.copied.pop();
        }
    }

    /// Gives the area at byte `off` back and moves the chunk to its new slot; returns its bytes (`pcpu_free_area`).
    /// `None` when the offset is no place in the chunk.
    pub fn give_back_area(&mut self, id: ChunkId, off: i64) -> Option<i32> {
        // The C allocator would write outside its maps for such an offset. The Model stops there, and the caller
        // reports a BUG.
        let nr_pages = self.chunk(id).head.nr_pages as i64;
        if !(0..nr_pages * PAGE as i64).contains(&off) {
            return None;
        }
        if self.facts.has_stats {
            // The kernel counts before it looks for the area's end, so a free that goes wrong later has been counted
            // too.
            self.count.nr_dealloc += 1;
            self.count.nr_cur_alloc = self.count.nr_cur_alloc.wrapping_sub(1);
            self.chunks[id as usize].head.nr_alloc -= 1;
        }
        let old = self.chunk_slot(id);
        self.note_touch(id);
        let change = self.chunks[id as usize].give_back(off as i32 / MIN_ALLOC, &self.quirks)?;
        self.count_empty(id, change.empty_pages);
        self.relocate(id, old);
        Some(change.bits * MIN_ALLOC)
    }

    /// Pages `start..end` of a chunk have backing now (`pcpu_chunk_populated`).
    pub fn populated(&mut self, id: ChunkId, start: i32, end: i32) {
        let nr = end - start;
        self.note_touch(id);
        let chunk = &mut self.chunks[id as usize];
        super::bitmap::set(&mut chunk.populated, start as usize, nr as usize);
        chunk.head.nr_populated += nr;
        chunk.touch_header();
        // Pages of one unit: how many CPUs there are does not matter to this count.
        self.count.nr_populated += nr as u64;
        self.count_empty(id, nr);
    }

    /// Pages `start..end` of a chunk have no backing any more (`pcpu_chunk_depopulated`).
    pub fn depopulated(&mut self, id: ChunkId, start: i32, end: i32) {
        let nr = end - start;
        self.note_touch(id);
        let chunk = &mut self.chunks[id as usize];
        super::bitmap::clear(&mut chunk.populated, start as usize, nr as usize);
        chunk.head.nr_populated -= nr;
        chunk.touch_header();
        self.count.nr_populated = self.count.nr_populated.wrapping_sub(nr as u64);
        self.count_empty(id, -nr);
    }

    /// Statistics of an allocation of `size` bytes (`pcpu_stats_area_alloc`). They are part of the digest, so they are
    /// kept only when the image has `CONFIG_PERCPU_STATS`.
    pub fn count_alloc(&mut self, id: ChunkId, size: u64) {
        if !self.facts.has_stats {
            return;
        }
        let count = &mut self.count;
        count.nr_alloc += 1;
        // Wraps like the kernel's unsigned counter, which an unbalanced free takes below 0.
        count.nr_cur_alloc = count.nr_cur_alloc.wrapping_add(1);
        count.nr_max_alloc = count.nr_max_alloc.max(count.nr_cur_alloc);
        count.min_alloc_size = count.min_alloc_size.min(size);
        count.max_alloc_size = count.max_alloc_size.max(size);
        let head = &mut self.chunks[id as usize].head;
        head.nr_alloc += 1;
        head.max_alloc_size = head.max_alloc_size.max(size);
    }

    /// The chunk of the first chunk that serves an address, which is relative to unit offset 0.
    pub fn first_chunk_of(&self, addr: Addr) -> Option<ChunkId> {
        [self.first, self.reserved].into_iter().find(|&id| id != NONE && self.chunk(id).serves(addr))
    }

    /// Whether a free left the chunk fit for giving pages back to the system (`pcpu_should_reclaim_chunk`). The first
    /// chunk never is. An isolated chunk is with any empty page; another must have a quarter of its pages empty while
    /// the others still have more than `PCPU_EMPTY_POP_PAGES_HIGH`.
    pub fn should_reclaim(&self, id: ChunkId) -> bool {
        // Its pages belong to the kernel image's layout and cannot be given back.
        if id == self.first || id == self.reserved {
            return false;
        }
        let head = &self.chunk(id).head;
        // The chunk's own pages are subtracted first: they are in the count, and would justify giving themselves back.
        let plenty = self.count.nr_empty > self.facts.empty_pop_high as i32 + head.nr_empty;
        head.isolated && head.nr_empty != 0 || plenty && head.nr_empty >= head.nr_pages / 4
    }
}
