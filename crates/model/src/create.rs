// SPDX-License-Identifier: GPL-2.0-only
//! Creating and destroying chunks in vm areas.

use super::allocator::Allocator;
use super::bitmap;
use super::block::{BLOCK_BITS, PAGE};
use super::chunk::{Backing, ChunkId};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Irq, Kernel, Lock};

impl<K: Kernel> Allocator<K> {
    /// Zeroed metadata: from slab up to a page, else from vmalloc (`pcpu_mem_zalloc`). The maps of a large unit are
    /// larger than what slab gives without trouble.
    pub(super) fn metadata(&self, size: u64, gfp: Gfp) -> Addr {
        if size <= PAGE { self.kernel().kzalloc(size, gfp) } else { self.kernel().vmalloc(size, gfp.with(Gfp::ZERO)) }
    }

    /// Gives back a chunk's metadata, the last allocated first (`pcpu_free_chunk`).
    fn free_metadata(&self, backing: Backing) {
        for addr in [backing.ext, backing.blocks, backing.bound_map, backing.alloc_map, backing.header] {
            if addr != 0 {
                self.kernel().kvfree(addr);
            }
        }
    }

    /// Metadata of a new chunk, all or nothing (`pcpu_alloc_chunk`). The order of the five allocations is the kernel's:
    /// it shows in which of them a failure is met.
    fn alloc_metadata(&self, gfp: Gfp) -> Option<Backing> {
        let facts = self.facts();
        let pages = self.look(|core| core.place.unit_pages) as u64;
        let bits = pages * BLOCK_BITS as u64;
        let words = |bits: u64| bitmap::words(bits as usize) as u64 * 8;
        let mut backing = Backing::default();
        // Whether a chunk can be accounted is decided when it is made, and does not change later.
        let extended = facts.has_memcg && self.kernel().kmem_online();
        let wanted = [
            facts.chunk_fixed_size as u64 + words(pages),
            words(bits),
            // The end of the last area is marked after the last bit.
            words(bits + 1),
            pages * facts.block_md_size as u64,
            if extended { bits * facts.obj_ext_size as u64 } else { 0 },
        ];
        for (index, size) in wanted.into_iter().enumerate().filter(|(_, size)| *size != 0) {
            let addr = self.metadata(size, gfp);
            if addr == 0 {
                self.free_metadata(backing);
                return None;
            }
            let Backing { header, alloc_map, bound_map, blocks, ext, .. } = &mut backing;
            *[header, alloc_map, bound_map, blocks, ext][index] = addr;
        }
        Some(backing)
    }

    /// A new chunk, wholly free, without a single page, and on no list yet (`pcpu_create_chunk`).
    pub(super) fn create_chunk(&self, gfp: Gfp) -> Option<ChunkId> {
        let mut backing = self.alloc_metadata(gfp)?;
        // Metadata first and areas second; a failure of the areas gives the metadata back in reverse.
        let Some((handle, base)) = self.reserve_areas(gfp) else {
            self.free_metadata(backing);
            return None;
        };
        backing.areas = handle;
        let id = self.with(|core| {
            let id = core.add_chunk(core.place.unit_pages, base);
            core.chunks[id as usize].head.backing = backing;
            id
        });
        // After it is complete: a failed creation is not counted.
        self.count_new_chunk();
        self.kernel().trace_create(base);
        Some(id)
    }

    /// Congruent vm areas for all groups (`pcpu_get_vm_areas`): their distances are those of the first chunk's groups,
    /// so that one offset per CPU does for all chunks.
    fn reserve_areas(&self, gfp: Gfp) -> Option<(Addr, Addr)> {
        // At most one group for each of at most 64 CPUs; the table must not be borrowed across the call.
        let (mut offsets, mut sizes) = ([0; 64], [0; 64]);
        let (nr, align) = self.look(|core| {
            let place = &core.place;
            let nr = place.group_offsets.len();
            offsets[..nr].copy_from_slice(&place.group_offsets);
            sizes[..nr].copy_from_slice(&place.group_sizes);
            (nr, place.atom_size)
        });
        // The kernel's arrays of pointers and of structures, which it allocates before the areas.
        let extra = nr as u64 * (8 + self.facts().vm_struct_size as u64);
        self.kernel().get_vm_areas(&offsets[..nr], &sizes[..nr], align, self.mask_b04(gfp), extra)
    }

    /// Ends a chunk that has no page and is on no list (`pcpu_destroy_chunk`). The areas go first and the metadata
    /// last; the id may be given to another chunk from then on.
    pub(super) fn destroy_chunk(&self, id: ChunkId) {
        if self.facts().has_stats {
            let flags = self.kernel().spin_lock(Lock::Pcpu, Irq::Save);
            self.with(|core| core.count.nr_chunks = core.count.nr_chunks.wrapping_sub(1));
            self.unlock(Irq::Save, flags);
        }
        // Copied out: the id may be used again before the last of this memory is freed.
        let (base, backing) = self.look(|core| (core.chunk(id).head.base, core.chunk(id).head.backing));
        // Reported while the address still belongs to the chunk.
        self.kernel().trace_destroy(base);
        if backing.areas != 0 {
            self.kernel().free_vm_areas(backing.areas);
        }
        // Freeing metadata may run another task, which must not find the chunk.
        self.with(|core| core.drop_chunk(id));
        self.free_metadata(backing);
    }

    pub(super) fn count_new_chunk(&self) {
        if !self.facts().has_stats {
            return;
        }
        let flags = self.kernel().spin_lock(Lock::Pcpu, Irq::Save);
        self.with(|core| {
            let count = &mut core.count;
            count.nr_chunks += 1;
            count.nr_max_chunks = count.nr_max_chunks.max(count.nr_chunks);
        });
        self.unlock(Irq::Save, flags);
    }
}
