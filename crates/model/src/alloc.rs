// SPDX-License-Identifier: GPL-2.0-only
//! Allocation (`pcpu_alloc_noprof`).

use super::allocator::Allocator;
use super::bitmap::cpus;
use super::block::{MIN_ALLOC, PAGE};
use super::chunk::{ChunkId, NONE};
use super::core::Core;
use super::populate::Pages;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Diag, Irq, Kernel, Lock, TraceAlloc};
use percuss_kernel::{Quirk, Quirks};

/// What a caller asked for, rounded and checked, with the mask in force after the task's scopes. It is `Copy` and owns
/// nothing, so it may live across kernel calls.
#[derive(Clone, Copy)]
struct Request {
    size: u64,
    align: u64,
    reserved: bool,
    gfp: Gfp,
    atomic: bool,
    objcg: u32,
}

impl Request {
    fn bits(&self) -> i32 {
        (self.size / MIN_ALLOC as u64) as i32
    }

    fn bit_align(&self) -> i32 {
        (self.align / MIN_ALLOC as u64) as i32
    }

    fn warns(&self) -> bool {
        !self.gfp.contains(Gfp::NOWARN)
    }

    /// What of the mask is passed on to the allocators behind this one. Callers that may not do IO wait for the mutex
    /// that is held there, so it is not to be done for others either.
    fn backing_gfp(&self, quirks: Quirks) -> Gfp {
        let reclaim = if quirks.has(Quirk::B06) { Gfp::KERNEL } else { Gfp::NOIO };
        let nofail = if quirks.has(Quirk::BackingNofail) { Gfp::NOFAIL } else { Gfp::NONE };
        self.gfp & reclaim.with(nofail).with(Gfp::NORETRY).with(Gfp::NOWARN)
    }
}

type Found = (ChunkId, i32);

impl<K: Kernel> Allocator<K> {
    /// Allocates an area of `size` bytes for every CPU; 0 on failure (`pcpu_alloc_noprof`). The order is the kernel's:
    /// check, charge, mutex, area, pages, zeroing. What a step took is given back when a later one fails.
    pub(super) fn allocate(&self, size: u64, align: u64, reserved: bool, gfp: Gfp) -> Addr {
        let gfp = self.kernel().gfp_context(gfp);
        let min = MIN_ALLOC as u64;
        // It wraps around like the kernel's ALIGN: a size near the maximum becomes 0 and is refused below.
        let size = size.wrapping_add(min - 1) & !(min - 1);
        let align = align.max(min);
        // With B03 a mask without all of GFP_KERNEL counts as atomic, so NOFS and NOIO callers cannot get new chunks.
        let atomic = if self.quirks().has(Quirk::B03) { !gfp.contains(Gfp::KERNEL) } else { !gfp.allows_blocking() };
        let mut request = Request { size, align, reserved, gfp, atomic, objcg: 0 };
        let largest = self.facts().min_unit_size as u64;
        if size == 0 || size > largest || align > PAGE || !align.is_power_of_two() {
            if request.warns() {
                self.kernel().diag(Diag::Warn, &[size, align], "illegal size or align for percpu allocation");
            }
            return 0;
        }
        // A refused charge is silent: no trace point, no warning, and the worker is not asked to help.
        let Some(objcg) = self.charge(size, gfp) else { return 0 };
        request.objcg = objcg;
        // Atomic callers cannot wait for it. They never populate, so they need no more than pcpu_lock.
        if !request.atomic && !self.take_mutex(gfp) {
            self.uncharge(objcg, size);
            return 0;
        }
        match self.find_area(&request) {
            Ok(found) => self.finish(&request, found),
            Err(why) => self.fail(&request, why),
        }
    }

    /// Takes pcpu_alloc_mutex. A fatal signal ends the wait, unless the caller must not fail (`__GFP_NOFAIL`); false
    /// then, and nothing is reported.
    fn take_mutex(&self, gfp: Gfp) -> bool {
        if gfp.contains(Gfp::NOFAIL) {
            self.kernel().mutex_lock(Lock::AllocMutex);
            return true;
        }
        self.kernel().mutex_lock_killable(Lock::AllocMutex)
    }

    fn lock_save(&self) -> u64 {
        self.kernel().spin_lock(Lock::Pcpu, Irq::Save)
    }

    /// Takes an area and backs it with pages; pcpu_lock is free before and after. Sleeping callers may get a new chunk.
    fn find_area(&self, request: &Request) -> Result<Found, &'static str> {
        let mut flags = self.lock_save();
        // Without a reserved part, a caller that asks for it is served like all others.
        let reserved = self.look(|core| if request.reserved { core.reserved } else { NONE });
        if reserved != NONE {
            let found = self.with(|core| core.take_from(reserved, request));
            return match found {
                Some(off) => self.settle(request, (reserved, off), flags),
                None => {
                    self.unlock(Irq::Save, flags);
                    Err("alloc from reserved chunk failed")
                }
            };
        }
        loop {
            // Searched again from the start each time: while pcpu_lock was free, others may have freed or taken areas.
            if let Some(found) = self.with(|core| core.search(request)) {
                return self.settle(request, found, flags);
            }
            self.unlock(Irq::Save, flags);
            if request.atomic {
                return Err("atomic alloc failed, no space left");
            }
            // A chunk became free meanwhile: the search will find it, and no second one is made.
            if self.look(|core| core.slots.first(core.place.slots.free)).is_some() {
                flags = self.lock_save();
                continue;
            }
            let gfp = request.backing_gfp(self.quirks());
            let id = self
                .backing(|| self.in_callers_scope(request.gfp, || self.create_chunk(gfp)))
                .ok_or("failed to allocate new chunk")?;
            flags = self.lock_save();
            self.with(|core| core.enter_slot(id));
        }
    }

    /// Counts the area, releases pcpu_lock and sees to its pages. An atomic caller was given populated pages only and
    /// is done; the others still hold the mutex, which keeps a page from being populated twice.
    fn settle(&self, request: &Request, found: Found, flags: u64) -> Result<Found, &'static str> {
        self.with(|core| core.count_alloc(found.0, request.size));
        let quirks = self.quirks();
        // The count is read under the lock; B14 trees read it in `finish`, when it may be another already.
        let low = !quirks.has(Quirk::B14) && self.empty_pages_are_low();
        if low && quirks.has(Quirk::QueueUnderLock) {
            self.schedule_balance();
        }
        self.unlock(Irq::Save, flags);
        if low && !quirks.has(Quirk::QueueUnderLock) {
            self.schedule_balance();
        }
        if !request.atomic {
            self.back(request, found)?;
            self.kernel().mutex_unlock(Lock::AllocMutex);
        }
        Ok(found)
    }

    /// Populates the pages of an area that are not; gives the area back when one cannot be. Pages populated before the
    /// failure stay: they are empty pages of the chunk now.
    fn back(&self, request: &Request, (id, off): Found) -> Result<(), &'static str> {
        // An area may lie across pages, and of the first and last one a part may belong to others.
        let mut from = off / PAGE as i32;
        let end = (off as u64 + request.size).div_ceil(PAGE) as i32;
        // Looked for again after each run. The mutex keeps others from populating, and areas in use from being
        // depopulated.
        while let Some((start, stop)) = self.look(|core| core.chunk(id).unpopulated(from, end)) {
            // The first chunk is populated as a whole, so no hole should be found in one.
            if self.look(|core| core.chunk(id).head.immutable) {
                self.kernel().diag(Diag::Warn, &[], "immutable chunk is not populated");
            }
            let (pages, gfp) = (Pages { chunk: id, start, end: stop }, request.backing_gfp(self.quirks()));
            let done = self.backing(|| self.in_callers_scope(request.gfp, || self.populate(pages, gfp)));
            let flags = self.lock_save();
            if !done {
                self.with(|core| core.give_back_area(id, off as i64));
                self.unlock(Irq::Save, flags);
                return Err("failed to populate");
            }
            self.with(|core| core.populated(id, start, stop));
            self.unlock(Irq::Save, flags);
            // `stop` itself is populated, or the end.
            from = stop + 1;
        }
        Ok(())
    }

    fn empty_pages_are_low(&self) -> bool {
        self.look(|core| core.count.nr_empty < core.facts.empty_pop_low as i32)
    }

    /// Clears the area on every CPU and reports it: trace point first, then the memcg hook. No lock is held; the area
    /// belongs to the caller already.
    fn finish(&self, request: &Request, (id, off): Found) -> Addr {
        if self.quirks().has(Quirk::B14) && self.empty_pages_are_low() {
            self.schedule_balance();
        }
        // The chunk cannot go away any more: it holds the caller's area.
        let base = self.look(|core| core.chunk(id).head.base);
        // All possible CPUs, online or not: one that comes up later finds its copy cleared.
        for cpu in cpus(self.possible()) {
            let unit = self.look(|core| core.place.page_addr(base, cpu, 0));
            self.kernel().zero(unit + off as u64, request.size);
        }
        let ptr = self.look(|core| core.place.to_ptr(base + off as u64));
        self.kernel().trace_alloc(TraceAlloc {
            reserved: request.reserved,
            is_atomic: request.atomic,
            align_shift: request.align.trailing_zeros() as u8,
            size: request.size as u32,
            off,
            bytes_alloc: self.full_size(request.size) as u32,
            base_addr: base,
            ptr,
            gfp: request.gfp,
        });
        self.keep_charge(request.objcg, id, off, request.size);
        ptr
    }

    /// Reports a failure and releases what the caller held; atomic failures make the worker populate more.
    fn fail(&self, request: &Request, why: &'static str) -> Addr {
        let kernel = self.kernel();
        // Reported with every failure, also where a warning is not wanted.
        kernel.trace_alloc_fail(request.reserved, request.atomic, request.size, request.align);
        // With this quirk atomic failures, which are expected, do not use up the limit for failures that are not.
        let silent = request.atomic && self.quirks().has(Quirk::WarnLimitSleepable);
        if request.warns() && !silent && self.look(|core| core.count.warnings != 0) {
            self.warn_of_failure(request, why);
        }
        if request.atomic {
            // Makes the worker populate as many pages as the high mark on top of the empty ones there are.
            self.with(|core| core.count.atomic_failed = true);
            self.schedule_balance();
        } else {
            kernel.mutex_unlock(Lock::AllocMutex);
        }
        self.uncharge(request.objcg, request.size);
        0
    }
}

impl<K: Kernel> Allocator<K> {
    /// Writes a warning, and counts it: before others may run, or (B15) once it is written.
    fn warn_of_failure(&self, request: &Request, why: &'static str) {
        let kernel = self.kernel();
        let count = || {
            self.with(|core| {
                core.count.warnings = core.count.warnings.wrapping_sub(1);
                core.count.warnings
            })
        };
        // With B15 other callers may come in while the warning is written, and pass the limit as well.
        let counted = if self.quirks().has(Quirk::B15) { None } else { Some(count()) };
        // Printing may switch tasks, so no borrow of the state is held here.
        kernel.diag(Diag::Printk(4), &[request.size, request.align, request.atomic as u64], why);
        if !request.atomic {
            kernel.diag(Diag::Stack, &[], "");
        }
        if counted.unwrap_or_else(count) == 0 {
            kernel.diag(Diag::Printk(6), &[], "limit reached, disable warning");
        }
    }
}

impl Core {
    /// An area in this chunk: its byte offset. `None` when hints see no room, or the map has none where they promised
    /// it.
    #[inline]
    fn take_from(&mut self, id: ChunkId, request: &Request) -> Option<i32> {
        let (bits, align) = (request.bits(), request.bit_align());
        let start = self.chunk(id).find_fit(bits, align, request.atomic, &self.quirks)?;
        self.take_area(id, bits, align, start).map(|change| change.at * MIN_ALLOC)
    }

    /// An area in any chunk, of the fullest that may do first. Nearly full chunks that do not fit go to slot 0, where
    /// no search looks until a free relocates them; an isolated chunk that fits is taken back into service.
    fn search(&mut self, request: &Request) -> Option<Found> {
        let (bits, align) = (request.bits(), request.bit_align());
        // Lower slots have no area of this size. A higher one may, and still fail for its alignment.
        let mut from = self.size_to_slot(request.size as i32);
        while let Some(slot) = self.slots.next_occupied(from).filter(|&slot| slot <= self.place.slots.free) {
            let mut next = self.slots.first(slot).unwrap_or(NONE);
            while next != NONE {
                let id = next;
                // Read before the chunk may move to another list.
                next = self.chunk(id).head.next;
                // Under pcpu_lock for every chunk of the slot: that is why hints come first and the map only for one
                // candidate.
                let Some(start) = self.chunk(id).find_fit(bits, align, request.atomic, &self.quirks) else {
                    if slot < self.facts.slot_fail_threshold {
                        self.move_chunk(id, 0, true);
                    }
                    continue;
                };
                // The map may have less room than hints promised; the search then goes on with the next chunk, and this
                // one keeps its place.
                if let Some(change) = self.take_area(id, bits, align, start) {
                    self.reintegrate(id);
                    return Some((id, change.at * MIN_ALLOC));
                }
            }
            from = slot + 1;
        }
        None
    }
}
