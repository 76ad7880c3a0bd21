// SPDX-License-Identifier: GPL-2.0-only
//! Views and copies of the state for oracles and reports.

use bytemuck::TransparentWrapper;

use super::block::Md;
use super::chunk::{ChunkId, Mark, NONE, Span};
use super::core::Core;
use percuss_kernel::{ChunkState, ChunkView, Globals, State, Touched};

const SLOT_RESERVED: i32 = -1;
const SLOT_UNREACHABLE: i32 = -2;

impl Core {
    /// Copies the chunks of interest to `out`, whose memory is used again. See [`percuss_kernel::Tenant::state`].
    pub fn copy_state(&mut self, which: Touched, out: &mut State) {
        out.globals = self.copy_globals();
        out.used = 0;
        self.visit(which, &mut |_, c| {
            let to = out.next_chunk();
            to.copy_head(c.head);
            to.blocks.clear();
            to.blocks.extend_from_slice(c.blocks);
            for (to, from) in
                [(&mut to.alloc_map, c.alloc_map), (&mut to.bound_map, c.bound_map), (&mut to.populated, c.populated)]
            {
                to.clear();
                to.extend_from_slice(from);
            }
        });
    }

    /// Shows the chunks of interest in place, without copying their maps. With `Touched::Recent` the marks are cleared,
    /// so the next call shows later changes only. See [`percuss_kernel::Tenant::visit`].
    pub fn visit(&mut self, which: Touched, see: &mut dyn FnMut(&Globals, &ChunkView<'_>)) {
        let globals = self.copy_globals();
        let mut head = ChunkState::default();
        match which {
            Touched::All => self.visit_all(&globals, &mut head, see),
            Touched::Recent => {
                for at in 0..self.copied.len() {
                    let id = self.copied[at];
                    let mark = std::mem::replace(&mut self.chunks[id as usize].head.copy, Mark::CLEAN);
                    let (slot, position) = self.whereabouts(id);
                    see(&globals, &self.view(id, (slot, position), mark.span, &mut head));
                }
                // Only after the loop, which goes by index because each chunk is borrowed on its own.
                self.copied.clear();
            }
        }
    }

    fn visit_all(&self, globals: &Globals, head: &mut ChunkState, see: &mut dyn FnMut(&Globals, &ChunkView<'_>)) {
        let (mut last, mut position) = (NONE, 0);
        self.each_listed(|list, id| {
            // Chunks come list by list, so a change of list starts the count again.
            position = if list == last { position + 1 } else { 0 };
            last = list;
            see(globals, &self.view(id, (list as i32, position), Span::ALL, head));
        });
        if self.reserved != NONE {
            see(globals, &self.view(self.reserved, (SLOT_RESERVED, 0), Span::ALL, head));
        }
    }

    /// Slot of a chunk and its position there from the head. It walks back along the list, which is cheaper than a walk
    /// over all slots for the few chunks that changed.
    fn whereabouts(&self, id: ChunkId) -> (i32, i32) {
        let head = &self.chunk(id).head;
        if id == self.reserved {
            return (SLOT_RESERVED, 0);
        }
        if head.list >= self.place.slots.nr {
            return (SLOT_UNREACHABLE, 0);
        }
        let mut position = 0;
        let mut at = head.prev;
        while at != NONE {
            position += 1;
            at = self.chunk(at).head.prev;
        }
        (head.list as i32, position)
    }

    /// A chunk in place; `out` lends the memory of its plain fields.
    fn view<'a>(
        &'a self,
        id: ChunkId,
        (slot, position): (i32, i32),
        span: Span,
        out: &'a mut ChunkState,
    ) -> ChunkView<'a> {
        let chunk = self.chunk(id);
        let head = &chunk.head;
        let touched = span.range(chunk.blocks.len());
        out.base_addr = head.base;
        out.slot = slot;
        out.position = position;
        out.free_bytes = head.free_bytes;
        out.nr_pages = head.nr_pages;
        out.nr_populated = head.nr_populated;
        out.nr_empty_pop_pages = head.nr_empty;
        out.start_offset = head.start_offset;
        out.end_offset = head.end_offset;
        out.nr_alloc = head.nr_alloc;
        out.max_alloc_size = head.max_alloc_size;
        out.immutable = head.immutable;
        out.isolated = head.isolated;
        out.is_first = id == self.first;
        out.is_reserved = id == self.reserved;
        out.md = head.md.0;
        out.touched = if touched.is_empty() { (1, 0) } else { (touched.start as u32, touched.end as u32 - 1) };
        ChunkView {
            head: out,
            blocks: Md::peel_slice(&chunk.blocks),
            alloc_map: &chunk.alloc_map,
            bound_map: &chunk.bound_map,
            populated: &chunk.populated,
        }
    }

    fn copy_globals(&self) -> Globals {
        let (count, slots) = (&self.count, &self.place.slots);
        Globals {
            nr_empty_pop_pages: count.nr_empty,
            atomic_alloc_failed: count.atomic_failed,
            nr_populated: count.nr_populated,
            nr_chunks: count.nr_chunks,
            nr_max_chunks: count.nr_max_chunks,
            nr_alloc: count.nr_alloc,
            nr_dealloc: count.nr_dealloc,
            nr_cur_alloc: count.nr_cur_alloc,
            nr_max_alloc: count.nr_max_alloc,
            min_alloc_size: count.min_alloc_size,
            max_alloc_size: count.max_alloc_size,
            nr_slots: slots.nr as i32,
            free_slot: slots.free as i32,
            sidelined_slot: slots.sidelined as i32,
            to_depopulate_slot: slots.to_depopulate as i32,
        }
    }
}
