// SPDX-License-Identifier: GPL-2.0-only
//! vmalloc space: the areas of chunks, and the pages mapped in them.

use crate::arena::PAGE;
use crate::state::vm::{self, Mapped};
use crate::world::World;
use percuss_kernel::event::{Event, Site};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Pfn};

impl World {
    pub(crate) fn areas_reserve(
        &mut self,
        offsets: &[u64],
        sizes: &[u64],
        align: u64,
        gfp: Gfp,
        extra: u64,
        granted: bool,
    ) -> Option<(Addr, Addr)> {
        let mut found = None;
        if granted {
            let handle = self.buffers.heap.alloc(extra.max(1));
            let base = if handle == 0 { 0 } else { self.buffers.vm.reserve(offsets, sizes, align, handle) };
            if base != 0 {
                if self.space.backed() {
                    self.space.arena.fill(handle, extra, 0);
                    self.redden(handle, extra.max(1));
                    offsets.iter().zip(sizes).for_each(|(at, size)| self.space.arena.forbidden(base + at, *size));
                }
                found = Some((handle, base));
            } else {
                // No handle or no range is free: what was taken goes back, as if nothing had been asked for.
                self.buffers.heap.free(handle);
                self.metadata_given_back(extra);
            }
        }
        self.emit(Event::VmAreas { align, gfp, base: found.map_or(0, |(_, base)| base) });
        found
    }

    pub(crate) fn areas_free(&mut self, handle: Addr) {
        let pages = &mut self.buffers.pages;
        if let Some(size) = self.buffers.heap.free(handle)
            // A page that is still mapped there loses its mapping, as the kernel removes it with the area.
            && self.buffers.vm.release(handle, |pfn| pages.mapped(pfn, -1))
        {
            self.overrun_before_free(handle, size);
            self.metadata_given_back(size);
            self.emit(Event::VmFree { handle });
        } else {
            self.emit(Event::BadKvfree { addr: handle });
        }
    }

    pub(crate) fn area_early(&mut self, size: u64, align: u64) -> Addr {
        let addr = self.buffers.vm.reserve(&[0], &[size], align, 0);
        if addr != 0 && self.space.backed() {
            // The first chunk's area may be one that an earlier boot had forbidden.
            self.space.arena.owned(addr, size);
        }
        addr
    }

    /// New page-table pages that mapping `nr` pages at `addr` takes. Under pressure these need memory as well.
    pub(crate) fn tables_needed(&self, addr: Addr, nr: usize) -> u32 {
        let mut at = addr;
        let end = addr + nr as u64 * PAGE;
        let mut needed = 0;
        while at < end {
            needed += u32::from(vm::is_vmalloc(at) && !self.buffers.vm.has_table(at));
            at = (at / vm::TABLE_SPAN + 1) * vm::TABLE_SPAN;
        }
        needed
    }

    /// Maps pages, with memory for at most `tables` new page-table pages. When it fails, the pages before stay mapped
    /// and the caller has to unmap them, as after `vmap_pages_range_noflush()`.
    #[inline]
    pub(crate) fn map(&mut self, addr: Addr, pfns: &[Pfn], gfp: Gfp, mut tables: u32) -> bool {
        let mut ok = true;
        for (i, pfn) in pfns.iter().enumerate() {
            let at = addr + i as u64 * PAGE;
            if !vm::is_vmalloc(at) {
                self.emit(Event::Fault { addr: at });
                ok = false;
                break;
            }
            if !self.buffers.vm.has_table(at) {
                self.might_alloc(gfp);
                let fails = self.buffers.faults.hit(Site::PageTables) || tables == 0;
                // An attempt that the fault plan fails has used up its memory, too.
                tables = tables.saturating_sub(1);
                self.emit(Event::PageTable { gfp, addr: at, ok: !fails });
                if fails {
                    ok = false;
                    break;
                }
                self.buffers.vm.make_table(at);
            }
            match self.buffers.vm.map(at, *pfn) {
                Mapped::Fine => {}
                Mapped::OverStale => self.emit(Event::StaleTranslation { addr: at }),
                Mapped::Present | Mapped::NoTable => {
                    self.emit(Event::MapOverPresent { addr: at });
                    ok = false;
                    break;
                }
            }
            // Counted, so that freeing a page that is mapped shows.
            self.buffers.pages.mapped(*pfn, 1);
            if self.space.backed() {
                // A page counts as committed from the first time that it is mapped.
                self.space.commit(at);
            }
        }
        self.emit(Event::Map { addr, nr: pfns.len() as u32, ok });
        ok
    }

    #[inline]
    pub(crate) fn unmap(&mut self, addr: Addr, nr: u32) {
        for i in 0..nr as u64 {
            let at = addr + i * PAGE;
            if !vm::is_vmalloc(at) {
                self.emit(Event::Fault { addr: at });
                break;
            }
            if let Some(pfn) = self.buffers.vm.unmap(at) {
                self.buffers.pages.mapped(pfn, -1);
                if self.space.backed() && !self.boot.booting {
                    self.space.arena.forbidden(at, PAGE);
                }
            }
        }
        self.emit(Event::Unmap { addr, nr });
    }

    pub(crate) fn flush_tlb(&mut self, start: Addr, end: Addr) {
        self.buffers.vm.flush(start, end);
        self.emit(Event::FlushTlb { start, end });
    }

    #[inline]
    pub(crate) fn page_at(&self, addr: Addr) -> Option<Pfn> {
        if vm::is_vmalloc(addr) { self.buffers.vm.lookup(addr) } else { None }
    }
}
