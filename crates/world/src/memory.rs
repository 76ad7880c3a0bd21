// SPDX-License-Identifier: GPL-2.0-only
//! The World's memory calls: metadata, pages, areas, mappings, zeroing.

use super::arena::{PAGE, POISON, place};
use super::core::{World, Zeroing};
use super::pages::Freed;
use super::pressure::Source;
use super::sample::{Contents, Sample};
use super::vm::{self, Mapped};
use percuss_kernel::event::{Event, Site};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Pfn};

impl World {
    /// Context of an allocation that may sleep.
    fn might_alloc(&mut self, gfp: Gfp) {
        if gfp.allows_blocking() {
            self.may_sleep();
        }
    }

    /// Starts an allocation of metadata; false when the fault plan makes it fail.
    pub(super) fn metadata_asked(&mut self, site: Site, gfp: Gfp) -> bool {
        self.might_alloc(gfp);
        !self.faults.hit(site)
    }

    /// Ends it: `granted` is false when it failed before.
    pub(super) fn metadata_alloc(&mut self, site: Site, size: u64, gfp: Gfp, granted: bool) -> Addr {
        let addr = if granted { self.heap.alloc(size) } else { 0 };
        if addr != 0 && self.backed() {
            self.arena.fill(addr, size, 0);
        }
        if granted && addr == 0 {
            self.metadata_given_back(size);
        }
        self.emit(match site {
            Site::Vmalloc => Event::Vmalloc { size, gfp, addr },
            _ => Event::Kzalloc { size, gfp, addr },
        });
        addr
    }

    pub(super) fn metadata_free(&mut self, addr: Addr) {
        if addr == 0 {
            return;
        }
        match self.heap.free(addr) {
            Some(size) => {
                self.locks_freed(addr, size);
                if self.backed() {
                    self.arena.fill(addr, size, POISON);
                }
                self.metadata_given_back(size);
                self.emit(Event::Kvfree { addr });
            }
            None => self.emit(Event::BadKvfree { addr }),
        }
    }

    /// Starts a page allocation; false when the fault plan makes it fail.
    pub(super) fn page_asked(&mut self, gfp: Gfp) -> bool {
        self.might_alloc(gfp);
        !self.faults.hit(Site::Pages)
    }

    /// Ends a page allocation: `granted` is false when it failed before.
    pub(super) fn page_alloc(&mut self, node: u32, gfp: Gfp, granted: bool) -> Option<Pfn> {
        let pfn = if granted { self.pages.alloc(node) } else { None };
        if let Some(pfn) = pfn
            && self.backed()
        {
            let len = self.page_struct as u64;
            self.arena.fill(place::MEM_MAP + pfn as u64 * len, len, 0);
        }
        self.emit(Event::PageAlloc { node, gfp, pfn });
        pfn
    }

    pub(super) fn page_free(&mut self, pfn: Pfn) {
        let event = match self.pages.free(pfn) {
            Freed::Fine => {
                if let Some(pool) = &mut self.pool {
                    pool.give(1, Source::Percpu);
                }
                Event::PageFree { pfn }
            }
            Freed::NotAllocated => Event::BadPageFree { pfn },
            Freed::StillMapped => Event::PageFreedMapped { pfn },
        };
        self.emit(event);
    }

    pub(super) fn areas_reserve(
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
            let handle = self.heap.alloc(extra.max(1));
            let base = if handle == 0 { 0 } else { self.vm.reserve(offsets, sizes, align, handle) };
            if base != 0 {
                if self.backed() {
                    self.arena.fill(handle, extra, 0);
                    offsets.iter().zip(sizes).for_each(|(at, size)| self.arena.forbidden(base + at, *size));
                }
                found = Some((handle, base));
            } else {
                self.heap.free(handle);
                self.metadata_given_back(extra);
            }
        }
        self.emit(Event::VmAreas { align, gfp, base: found.map_or(0, |(_, base)| base) });
        found
    }

    pub(super) fn areas_free(&mut self, handle: Addr) {
        let pages = &mut self.pages;
        if let Some(size) = self.heap.free(handle)
            && self.vm.release(handle, |pfn| pages.mapped(pfn, -1))
        {
            self.metadata_given_back(size);
            self.emit(Event::VmFree { handle });
        } else {
            self.emit(Event::BadKvfree { addr: handle });
        }
    }

    pub(super) fn area_early(&mut self, size: u64, align: u64) -> Addr {
        let addr = self.vm.reserve(&[0], &[size], align, 0);
        if addr != 0 && self.backed() {
            self.arena.owned(addr, size);
        }
        addr
    }

    /// Page-table pages that mapping `nr` pages at `addr` takes.
    pub(super) fn tables_needed(&self, addr: Addr, nr: usize) -> u32 {
        let mut at = addr;
        let end = addr + nr as u64 * PAGE;
        let mut needed = 0;
        while at < end {
            needed += u32::from(vm::is_vmalloc(at) && !self.vm.has_table(at));
            at = (at / vm::TABLE_SPAN + 1) * vm::TABLE_SPAN;
        }
        needed
    }

    /// Maps pages, with memory for at most `tables` new page-table pages.
    pub(super) fn map(&mut self, addr: Addr, pfns: &[Pfn], gfp: Gfp, mut tables: u32) -> bool {
        let mut ok = true;
        for (i, pfn) in pfns.iter().enumerate() {
            let at = addr + i as u64 * PAGE;
            if !vm::is_vmalloc(at) {
                self.emit(Event::Fault { addr: at });
                ok = false;
                break;
            }
            if !self.vm.has_table(at) {
                self.might_alloc(gfp);
                let fails = self.faults.hit(Site::PageTables) || tables == 0;
                tables = tables.saturating_sub(1);
                self.emit(Event::PageTable { gfp, addr: at, ok: !fails });
                if fails {
                    ok = false;
                    break;
                }
                self.vm.make_table(at);
            }
            match self.vm.map(at, *pfn) {
                Mapped::Fine => {}
                Mapped::OverStale => self.emit(Event::StaleTranslation { addr: at }),
                Mapped::Present | Mapped::NoTable => {
                    self.emit(Event::MapOverPresent { addr: at });
                    ok = false;
                    break;
                }
            }
            self.pages.mapped(*pfn, 1);
            if self.backed() {
                self.commit(at);
            }
        }
        self.emit(Event::Map { addr, nr: pfns.len() as u32, ok });
        ok
    }

    /// A page is about to be used. It is poisoned the first time only: from then on whoever frees an area poisons it
    /// again, so what nobody has is poisoned already.
    fn commit(&mut self, at: Addr) {
        let page = ((at - place::VMALLOC) / PAGE) as u32;
        self.committed.insert(page);
        if self.contents == Contents::Whole && self.poisoned.insert(page) {
            self.arena.fill(at, PAGE, POISON);
        }
    }

    pub(super) fn unmap(&mut self, addr: Addr, nr: u32) {
        for i in 0..nr as u64 {
            let at = addr + i * PAGE;
            if !vm::is_vmalloc(at) {
                self.emit(Event::Fault { addr: at });
                break;
            }
            if let Some(pfn) = self.vm.unmap(at) {
                self.pages.mapped(pfn, -1);
                if self.backed() && !self.booting {
                    self.arena.forbidden(at, PAGE);
                }
            }
        }
        self.emit(Event::Unmap { addr, nr });
    }

    pub(super) fn flush_tlb(&mut self, start: Addr, end: Addr) {
        self.vm.flush(start, end);
        self.emit(Event::FlushTlb { start, end });
    }

    pub(super) fn page_at(&self, addr: Addr) -> Option<Pfn> {
        if vm::is_vmalloc(addr) { self.vm.lookup(addr) } else { None }
    }

    /// Checks that memory may be touched; false (with an event) when not.
    pub(super) fn touch(&mut self, addr: Addr, len: u64) -> bool {
        if vm::is_vmalloc(addr) && vm::is_vmalloc(addr + len.max(1) - 1) {
            return match self.vm.first_hole(addr, len) {
                None => true,
                Some((at, stale)) => {
                    self.emit(if stale { Event::StaleTranslation { addr: at } } else { Event::Fault { addr: at } });
                    false
                }
            };
        }
        let end = addr.saturating_add(len);
        let linear = (place::LINEAR..place::LINEAR_END).contains(&addr) && end <= place::LINEAR_END;
        if !linear {
            self.emit(Event::Fault { addr });
        }
        linear
    }

    /// memset(addr, 0, len); consecutive calls for the CPUs of one area become one event.
    pub(super) fn zero(&mut self, addr: Addr, len: u64) {
        if !self.touch(addr, len) {
            return;
        }
        let copy = if self.booting { None } else { self.note_zeroing(addr, len) };
        if !self.backed() {
            return;
        }
        match copy {
            Some((rank, sample)) => {
                let parts = sample.parts(rank, len as u32);
                parts.for_each(|(from, len)| self.arena.fill(addr + from as u64, len as u64, 0));
            }
            None => self.arena.fill(addr, len, 0),
        }
    }

    /// Takes a zeroing into the event it belongs to. For a CPU's copy of an area: the rank of the CPU, and what of the
    /// area is looked at.
    fn note_zeroing(&mut self, addr: Addr, len: u64) -> Option<(u32, Sample)> {
        if let Some(z) = &mut self.zeroing
            && z.len as u64 == len
        {
            let expected = self.possible.get(z.rank as usize).filter(|cpu| {
                let first = self.possible[0] as usize;
                let offsets = &self.layout.unit_offsets;
                z.addr.wrapping_add(offsets[**cpu as usize]).wrapping_sub(offsets[first]) == addr
            });
            let Some(cpu) = expected else {
                z.other += 1;
                return None;
            };
            z.cpus |= 1 << cpu;
            z.rank += 1;
            return Some((z.rank - 1, z.sample));
        }
        self.end_zeroing();
        self.clearings += 1;
        let cpus = 1 << self.possible[0];
        let sample = self.sample(addr);
        self.zeroing = Some(Zeroing { addr, len: len as u32, other: 0, cpus, rank: 1, sample });
        Some((0, sample))
    }

    /// What is looked at of the area cleared last, whose first copy is at `addr`.
    fn sample(&self, addr: Addr) -> Sample {
        match self.contents {
            Contents::Sampled => Sample::new(addr, self.clearings, self.possible.len() as u32),
            _ => Sample::WHOLE,
        }
    }
}

/// Per-CPU memory as a caller of the allocator sees it.
impl World {
    /// Possible CPUs in ascending order.
    pub fn cpus(&self) -> impl Iterator<Item = u32> + '_ {
        self.possible.iter().map(|c| *c as u32)
    }

    /// `per_cpu_ptr(ptr, cpu)`
    pub fn copy_of(&self, ptr: Addr, cpu: u32) -> Addr {
        let offset = self.layout.unit_offsets.get(cpu as usize).copied().unwrap_or(0);
        ptr.wrapping_sub(place::STATIC).wrapping_add(self.layout.base_addr).wrapping_add(offset)
    }

    /// What is looked at of an area that has just been allocated.
    pub fn sample_of(&self, ptr: Addr) -> Sample {
        self.sample(self.copy_of(ptr, self.possible[0] as u32))
    }

    /// Zeroings so far, each of the same range on a set of CPUs.
    pub fn clearings(&self) -> u32 {
        self.clearings
    }

    /// The allocation that has just ended cleared exactly this area, on every possible CPU.
    pub fn saw_cleared(&self, ptr: Addr, size: u32) -> bool {
        let first = self.copy_of(ptr, self.possible[0] as u32);
        let wanted = Event::Zero { addr: first, len: size, other: 0, cpus: self.geometry.cpus };
        if let Some(z) = self.zeroing {
            return z.event() == wanted;
        }
        let recent = self.events().iter().rev().take(8);
        let mut recent = recent.take_while(|e| !matches!(e, Event::OpBegin { .. } | Event::Switch { .. }));
        recent.find(|e| matches!(e, Event::Zero { .. })) == Some(&wanted)
    }

    fn accessible(&self, addr: Addr, len: u64) -> bool {
        if vm::is_vmalloc(addr) && vm::is_vmalloc(addr.wrapping_add(len)) {
            return self.vm.first_hole(addr, len).is_none();
        }
        (place::LINEAR..place::LINEAR_END).contains(&addr) && addr + len <= place::LINEAR_END
    }

    /// Bytes of a CPU's copy, or None where nothing is mapped.
    pub fn read_unit(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        self.accessible(addr, len).then(|| self.arena.bytes(addr, len))
    }

    /// Writes to a CPU's copy; nothing happens where nothing is mapped (verify reports it).
    pub fn write_unit(&self, addr: Addr, bytes: &[u8]) {
        if self.accessible(addr, bytes.len() as u64) {
            self.arena.write(addr, bytes);
        }
    }

    /// Fills a CPU's copy with the poison of freed memory.
    pub fn fill_unit(&self, addr: Addr, len: u64) {
        if self.accessible(addr, len) {
            self.arena.fill(addr, len, POISON);
        }
    }

    /// An area was handed out: its copies may be touched. With AddressSanitizer, all other per-CPU memory may not.
    pub fn own(&self, ptr: Addr, len: u64) {
        self.each_copy(ptr, len, |addr| self.arena.owned(addr, len));
    }

    /// An area is about to be freed: from here on nobody touches it.
    pub fn disown(&self, ptr: Addr, len: u64) {
        self.each_copy(ptr, len, |addr| self.arena.forbidden(addr, len));
    }

    fn each_copy(&self, ptr: Addr, len: u64, mark: impl Fn(Addr)) {
        if cfg!(percuss_asan) && self.backed() {
            self.cpus().map(|cpu| self.copy_of(ptr, cpu)).filter(|at| self.accessible(*at, len)).for_each(mark);
        }
    }

    /// Nobody has anything of the first chunk but the static areas.
    pub(super) fn fence_first_chunk(&self) {
        if !cfg!(percuss_asan) || !self.backed() {
            return;
        }
        let taken = u64::from(self.geometry.static_size).next_multiple_of(8);
        for cpu in self.cpus() {
            let unit = self.copy_of(place::STATIC, cpu);
            self.arena.forbidden(unit + taken, self.layout.unit_size.saturating_sub(taken));
        }
        // The ends of units that no area is in were given back, and boot may have put metadata there.
        self.memblock.metadata().iter().for_each(|(addr, len)| self.arena.owned(*addr, *len));
    }

    /// Whether the sanitizer would see accesses to what nobody has; None when there is no sanitizer. Ask when no area is
    /// live.
    pub fn is_fenced(&self) -> Option<bool> {
        let unit = self.copy_of(place::STATIC, self.cpus().next()?);
        let free = unit + u64::from(self.geometry.static_size).next_multiple_of(8);
        // A chunk was at the bottom of vmalloc space.
        let [of_nobody, of_no_chunk] = [free, place::VMALLOC].map(|addr| self.arena.is_forbidden(addr));
        Some(of_nobody? && of_no_chunk? && !self.arena.is_forbidden(unit)?)
    }
}
