// SPDX-License-Identifier: GPL-2.0-only
//! The records of the ABI and what they are in the vocabulary of percuss-kernel.
//!
//! Both sides are plain data, so that each conversion is a list of fields, with addresses made relative.

use percuss_kernel::{Block, ChunkState, ChunkView, First, Geometry, Globals};
use percuss_shim as shim;
use shim::abi;

/// A geometry as an image takes it. A unit of 0 bytes leaves its size to the builder.
///
/// Nodes are not part of it: an image asks for them CPU by CPU (`cpu_to_node()`).
pub fn boot_params(geometry: &Geometry) -> shim::Boot {
    shim::Boot {
        possible: geometry.cpus,
        static_size: geometry.static_size as u64,
        reserved_size: geometry.reserved as u64,
        dyn_size: geometry.dyn_size as u64,
        atom_size: geometry.atom as u64,
        unit_size: geometry.unit as u64,
        first: match geometry.first {
            First::Embed => abi::PERCUSS_FIRST_EMBED,
            First::Page => abi::PERCUSS_FIRST_PAGE,
            First::Info => abi::PERCUSS_FIRST_INFO,
        },
        kmem: geometry.kmem as u32,
    }
}

pub(crate) fn globals(g: &abi::percuss_globals) -> Globals {
    Globals {
        nr_empty_pop_pages: g.nr_empty_pop_pages,
        atomic_alloc_failed: g.atomic_alloc_failed != 0,
        nr_populated: g.nr_populated,
        nr_chunks: g.nr_chunks,
        nr_max_chunks: g.nr_max_chunks,
        nr_alloc: g.nr_alloc,
        nr_dealloc: g.nr_dealloc,
        nr_cur_alloc: g.nr_cur_alloc,
        nr_max_alloc: g.nr_max_alloc,
        min_alloc_size: g.min_alloc_size,
        max_alloc_size: g.max_alloc_size,
        nr_slots: g.nr_slots,
        free_slot: g.free_slot,
        sidelined_slot: g.sidelined_slot,
        to_depopulate_slot: g.to_depopulate_slot,
    }
}

/// A chunk of an image as a view; `head` lends the memory of its plain fields, so that nothing is allocated at a
/// release.
pub(crate) fn view<'a>(base: u64, c: &shim::Chunk<'a>, head: &'a mut ChunkState) -> ChunkView<'a> {
    // Everything but the address is the same in both vocabularies; flags are C's integers.
    head.base_addr = shim::relative(base, c.base_addr);
    head.slot = c.slot;
    head.position = c.position;
    head.free_bytes = c.free_bytes;
    head.nr_pages = c.nr_pages;
    head.nr_populated = c.nr_populated;
    head.nr_empty_pop_pages = c.nr_empty_pop_pages;
    head.start_offset = c.start_offset;
    head.end_offset = c.end_offset;
    head.nr_alloc = c.nr_alloc;
    head.max_alloc_size = c.max_alloc_size;
    head.immutable = c.immutable != 0;
    head.isolated = c.isolated != 0;
    head.is_first = c.is_first != 0;
    head.is_reserved = c.is_reserved != 0;
    head.md = bytemuck::cast(c.md);
    head.touched = (c.touched_lo, c.touched_hi);
    ChunkView {
        head,
        // A `Block` has the layout of the record, so that the metadata need not be copied.
        blocks: bytemuck::cast_slice::<[i32; 8], Block>(c.blocks()),
        alloc_map: c.alloc_map(),
        bound_map: c.bound_map(),
        populated: c.populated(),
    }
}
