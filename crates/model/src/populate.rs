// SPDX-License-Identifier: GPL-2.0-only
//! Pages behind chunks: getting, mapping, unmapping and giving them back, and what happens when that fails half way.

use super::allocator::Allocator;
use super::bitmap::cpus;
use super::block::PAGE;
use super::chunk::ChunkId;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Diag, Kernel, Pfn, Quirk};

/// An entry of the pages array without a page (NULL in the kernel's array of pointers).
const NO_PFN: Pfn = Pfn::MAX;

/// Most pages of one unit that are populated at once: an area of the largest size touches nine.
const MOST_PAGES: usize = 16;

/// Pages `start..end` of every unit of a chunk. What is populated or not is the same for all CPUs, so one range does
/// for all.
#[derive(Clone, Copy)]
pub(super) struct Pages {
    pub chunk: ChunkId,
    pub start: i32,
    pub end: i32,
}

impl Pages {
    fn nr(self) -> u32 {
        (self.end - self.start) as u32
    }

    fn range(self) -> std::ops::Range<i32> {
        self.start..self.end
    }
}

impl<K: Kernel> Allocator<K> {
    fn unit_page(&self, pages: Pages, cpu: u32, page: i32) -> Addr {
        self.look(|core| core.place.page_addr(core.chunk(pages.chunk).head.base, cpu, page))
    }

    fn flush_range(&self, pages: Pages) -> (Addr, Addr) {
        self.look(|core| core.place.flush_range(core.chunk(pages.chunk).head.base, pages.start, pages.end))
    }

    fn page(&self, cpu: u32, page: i32) -> Option<Pfn> {
        let pfn = self.look(|core| core.pages[core.place.page_index(cpu, page)]);
        (pfn != NO_PFN).then_some(pfn)
    }

    fn set_page(&self, cpu: u32, page: i32, pfn: Option<Pfn>) {
        self.with(|core| {
            let index = core.place.page_index(cpu, page);
            core.pages[index] = pfn.unwrap_or(NO_PFN);
        });
    }

    fn have_pages_array(&self) -> bool {
        self.look(|core| core.count.pages_array != 0)
    }

    /// Makes the pages array, which is then kept (`pcpu_get_pages`). False when there is no memory for it. One array
    /// does for all chunks, because pcpu_alloc_mutex is held while it is used.
    fn need_pages_array(&self, gfp: Gfp) -> bool {
        if self.have_pages_array() {
            return true;
        }
        let entries = self.look(|core| core.place.nr_units as u64 * core.place.unit_pages as u64);
        // Pointers of 8 bytes. The array is never freed, and its entries are those of the last call that used it.
        let addr = self.metadata(entries * 8, self.mask_b05(gfp));
        self.with(|core| {
            core.count.pages_array = addr;
            core.pages.clear();
            core.pages.resize(entries as usize, NO_PFN);
        });
        addr != 0
    }

    /// Backs pages of a chunk for every CPU (`pcpu_populate_chunk`); false when that failed and nothing is left of it.
    /// The caller holds pcpu_alloc_mutex, which guards the pages array, and marks the pages as populated under
    /// pcpu_lock afterwards.
    pub(super) fn populate(&self, pages: Pages, gfp: Gfp) -> bool {
        if !self.need_pages_array(gfp) || !self.get_pages(pages, gfp.with(Gfp::HIGHMEM)) {
            return false;
        }
        // `map` undid its own mappings already.
        if !self.map(pages, gfp) {
            self.put_pages(pages);
            return false;
        }
        let (start, end) = self.flush_range(pages);
        self.kernel().flush_cache(start, end, false);
        true
    }

    /// Gets pages on each CPU's node (`pcpu_alloc_pages`). When one is missing: first those of the same CPU go, the
    /// last first, then those of the CPUs before it in ascending order.
    fn get_pages(&self, pages: Pages, gfp: Gfp) -> bool {
        let kernel = self.kernel();
        for cpu in cpus(self.possible()) {
            for at in pages.range() {
                let pfn = kernel.alloc_page(kernel.cpu_to_node(cpu), gfp);
                self.set_page(cpu, at, pfn);
                if pfn.is_some() {
                    continue;
                }
                // The order of frees decides which frames the next allocations get, so it has to be the kernel's.
                for before in (pages.start..at).rev() {
                    self.put_page(cpu, before);
                }
                for other in cpus(self.possible()).take_while(|&other| other != cpu) {
                    for page in pages.range() {
                        self.put_page(other, page);
                    }
                }
                return false;
            }
        }
        true
    }

    fn put_page(&self, cpu: u32, page: i32) {
        if let Some(pfn) = self.page(cpu, page) {
            self.kernel().free_page(pfn);
        }
    }

    /// Gives back the pages in the array (`pcpu_free_pages`).
    fn put_pages(&self, pages: Pages) {
        for cpu in cpus(self.possible()) {
            for page in pages.range() {
                self.put_page(cpu, page);
            }
        }
    }

    /// Maps the pages in the array and notes which chunk they back (`pcpu_map_pages`). When it fails for a CPU, that
    /// and the ones before it are unmapped and the translations flushed. Page tables are always asked for with
    /// GFP_KERNEL: what `gfp` lacks of that is said by a scope.
    fn map(&self, pages: Pages, gfp: Gfp) -> bool {
        let scope = self.page_table_scope(gfp);
        for cpu in cpus(self.possible()) {
            let addr = self.unit_page(pages, cpu, pages.start);
            // The array is part of the state, which must not be borrowed while another task may run.
            let mut pfns = [NO_PFN; MOST_PAGES];
            let pfns = &mut pfns[..pages.nr() as usize];
            self.look(|core| {
                let first = core.place.page_index(cpu, pages.start);
                pfns.copy_from_slice(&core.pages[first..first + pfns.len()]);
            });
            if !self.in_scope(scope, || self.kernel().map_pages(addr, pfns, Gfp::KERNEL.with(Gfp::ZERO))) {
                self.undo_map(pages, cpu);
                return false;
            }
            self.with(|core| pfns.iter().for_each(|&pfn| core.frames.set(pfn, pages.chunk)));
        }
        true
    }

    /// Unmaps what [`Allocator::map`] mapped before it failed for a CPU, and flushes the translations. With B36 the
    /// failed CPU is spared, whose part may be mapped half way and stays so.
    fn undo_map(&self, pages: Pages, failed: u32) {
        // The failed CPU's own pages were mapped up to the one that failed.
        let spare_failed = self.quirks().has(Quirk::B36);
        for cpu in cpus(self.possible()) {
            if cpu == failed && spare_failed {
                break;
            }
            self.kernel().unmap_pages(self.unit_page(pages, cpu, pages.start), pages.nr());
            if cpu == failed {
                break;
            }
        }
        self.flush_tlb(pages);
    }

    /// Flushes translations from the lowest to the highest unit in one go (`pcpu_post_unmap_tlb_flush`).
    pub(super) fn flush_tlb(&self, pages: Pages) {
        let (start, end) = self.flush_range(pages);
        self.kernel().flush_tlb(start, end);
    }

    /// Takes the backing away from pages of a chunk (`pcpu_depopulate_chunk`). Translations are not flushed: vmalloc
    /// does it lazily when the areas are freed, and a reclaim does it once for all runs of a chunk.
    pub(super) fn depopulate(&self, pages: Pages) {
        let kernel = self.kernel();
        if !self.have_pages_array() {
            kernel.diag(Diag::Bug, &[], "no pages array");
            return;
        }
        let (start, end) = self.flush_range(pages);
        // Before the pages are unmapped: caches that go by virtual address need the mapping to be written back.
        kernel.flush_cache(start, end, true);
        let immutable = self.look(|core| core.chunk(pages.chunk).head.immutable);
        for cpu in cpus(self.possible()) {
            for page in pages.range() {
                // The kernel warns for each page and goes on.
                if immutable {
                    kernel.diag(Diag::Warn, &[], "page of an immutable chunk");
                }
                // The chunk keeps no frames; the page tables are the only record of what backs it.
                let pfn = kernel.vmalloc_to_page(self.unit_page(pages, cpu, page));
                if pfn.is_none() {
                    kernel.diag(Diag::Warn, &[], "populated page is not mapped");
                }
                self.set_page(cpu, page, pfn);
            }
            // Unit by unit, as soon as its frames are noted: after that the page tables no longer know them.
            kernel.unmap_pages(self.unit_page(pages, cpu, pages.start), pages.nr());
        }
        self.put_pages(pages);
    }

    /// The chunk that serves `addr`, which is relative to unit offset 0 (`pcpu_chunk_addr_search`). The first chunk
    /// goes by its range; all others by the frame mapped there.
    pub(super) fn find_chunk(&self, addr: Addr) -> Option<ChunkId> {
        // Frames of the first chunk are not noted anywhere, since it was never populated.
        if let Some(id) = self.look(|core| core.first_chunk_of(addr)) {
            return Some(id);
        }
        // Unit 0 may be unused and unmapped: ask about this CPU's.
        // Any used unit would do, as all units of a page are populated together.
        let cpu = self.kernel().cpu();
        let mapped = addr.wrapping_add(self.look(|core| core.place.unit_offsets[cpu as usize]));
        let pfn = self.kernel().vmalloc_to_page(mapped)?;
        self.look(|core| core.frames.chunk(pfn))
    }

    /// Physical address of a per-CPU address (`per_cpu_ptr_to_phys`). The first chunk may lie in the linear map;
    /// everything else is translated through the page tables, and 0 stands for a page that is not mapped.
    pub(super) fn phys(&self, addr: Addr) -> u64 {
        let kernel = self.kernel();
        // Any CPU's unit, not only the range from the lowest to the highest: other memory may lie between groups.
        let in_first = self.look(|core| {
            let place = &core.place;
            cpus(place.possible).any(|cpu| {
                let unit = place.page_addr(place.base, cpu, 0);
                addr >= unit && addr < unit + place.unit_size
            })
        });
        if in_first && !kernel.is_vmalloc(addr) {
            return addr.wrapping_sub(kernel.linear());
        }
        let page = kernel.vmalloc_to_page(addr).map_or(0, |pfn| pfn as u64 * PAGE);
        page + addr % PAGE
    }
}
