// SPDX-License-Identifier: GPL-2.0-only
//! The [`Kernel`] interface of a World.
//!
//! No borrow of the World lives across a switch: a call borrows the World, does its work, ends the borrow, and only
//! then pauses its task or ends the program.

mod handle;

pub use handle::Host;

use crate::arena::{PAGE_SHIFT, addresses};
use crate::state::locks::Take;
use crate::state::vm;
use crate::tasks::fiber::Pause;
use percuss_kernel::event::{Event, Site, Stop};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Diag, Irq, Kernel, Lock, Pfn, Scope, TraceAlloc};

#[inline]
fn page_of(addr: Addr) -> Option<Pfn> {
    (addresses::LINEAR..addresses::LINEAR_END)
        .contains(&addr)
        .then(|| ((addr - addresses::LINEAR) >> PAGE_SHIFT) as Pfn)
}

impl Kernel for Host {
    fn possible(&self) -> u64 {
        self.world().boot.geometry.cpus
    }

    #[inline]
    fn cpu(&self) -> u32 {
        let w = self.world();
        // Each context runs on a CPU of its own as long as there are enough of them, which makes per-CPU effects depend
        // on the task and not on the schedule.
        w.boot.possible[w.run.current % w.boot.possible.len()] as u32
    }

    #[inline]
    fn cpu_to_node(&self, cpu: u32) -> u32 {
        self.world().boot.geometry.node(cpu)
    }

    fn linear(&self) -> Addr {
        addresses::LINEAR
    }

    #[inline]
    fn is_vmalloc(&self, addr: Addr) -> bool {
        vm::is_vmalloc(addr)
    }

    fn static_image(&self) -> Addr {
        addresses::STATIC
    }

    #[inline]
    fn gfp_context(&self, gfp: Gfp) -> Gfp {
        let w = self.world();
        w.run.tasks[w.run.current].gfp_context(gfp)
    }

    fn scopes(&self) -> u32 {
        let w = self.world();
        w.run.tasks[w.run.current].scopes().into()
    }

    fn scope_save(&self, scope: Scope) -> bool {
        let mut w = self.world_mut();
        let old = w.task().enter(scope);
        w.emit(Event::ScopeSave { scope, old });
        old
    }

    fn scope_restore(&self, scope: Scope, old: bool) {
        let mut w = self.world_mut();
        w.task().restore(scope, old);
        w.emit(Event::ScopeRestore { scope, old });
    }

    fn cond_resched(&self) {
        // The checks of `__might_sleep()` come first, also when the call then has nothing to do.
        self.world_mut().may_sleep();
        self.emit(Event::CondResched);
        self.point();
    }

    fn name_lock(&self, addr: Addr) -> u32 {
        self.world_mut().name_lock(addr).into()
    }

    fn is_held(&self, lock: Lock) -> bool {
        self.world().is_held(lock)
    }

    fn mutex_lock(&self, lock: Lock) {
        self.point();
        self.world_mut().may_sleep();
        loop {
            let take = self.world_mut().try_mutex(lock, false);
            match take {
                Take::Taken => return self.locked(),
                // The misuse is logged already. The task would wait for itself for ever, so the program ends here.
                Take::Recursive => self.stop(Stop::Deadlock),
                // Killed cannot come, since this wait is not killable.
                Take::Wait | Take::Killed => self.pause(Pause::Blocked),
            }
        }
    }

    fn mutex_lock_killable(&self, lock: Lock) -> bool {
        self.point();
        self.world_mut().may_sleep();
        loop {
            let take = self.world_mut().try_mutex(lock, true);
            match take {
                Take::Taken => {
                    self.locked();
                    return true;
                }
                Take::Killed => return false,
                Take::Recursive => self.stop(Stop::Deadlock),
                Take::Wait => self.pause(Pause::Blocked),
            }
        }
    }

    fn mutex_unlock(&self, lock: Lock) {
        self.world_mut().release_mutex(lock);
        self.point();
    }

    #[inline]
    fn spin_lock(&self, lock: Lock, irq: Irq) -> u64 {
        self.point();
        loop {
            let mut w = self.world_mut();
            let taken = w.try_spin(lock, irq);
            // A loop that only takes and releases a lock makes events without another check of their number.
            let endless = w.endless();
            drop(w);
            match taken {
                Ok(_) if endless => self.stop(Stop::StepLimit),
                Ok(flags) => {
                    self.locked();
                    return flags;
                }
                Err(Take::Recursive) => self.stop(Stop::Deadlock),
                Err(_) => self.pause(Pause::Blocked),
            }
        }
    }

    #[inline]
    fn spin_unlock(&self, lock: Lock, irq: Irq, flags: u64, digest: u64) {
        self.world_mut().release_spin(lock, irq, flags, digest);
        self.point();
    }

    fn kzalloc(&self, size: u64, gfp: Gfp) -> Addr {
        self.point();
        self.metadata(Site::Kmalloc, size, gfp)
    }

    fn vmalloc(&self, size: u64, gfp: Gfp) -> Addr {
        self.point();
        self.metadata(Site::Vmalloc, size, gfp)
    }

    fn kvfree(&self, addr: Addr) {
        self.world_mut().metadata_free(addr);
    }

    #[inline]
    fn alloc_page(&self, node: u32, gfp: Gfp) -> Option<Pfn> {
        self.point();
        let (asked, short) = {
            let mut w = self.world_mut();
            (w.page_asked(gfp), w.run.pool.is_some())
        };
        // Only with a pool can an allocation run into reclaim. Without one, the budget of the node decides in
        // page_alloc().
        let granted = asked && (!short || self.find_memory(gfp));
        self.world_mut().page_alloc(node, gfp, granted)
    }

    #[inline]
    fn free_page(&self, pfn: Pfn) {
        self.world_mut().page_free(pfn);
    }

    fn get_vm_areas(&self, offsets: &[u64], sizes: &[u64], align: u64, gfp: Gfp, extra: u64) -> Option<(Addr, Addr)> {
        self.point();
        let granted = self.world_mut().metadata_asked(Site::VmAreas, gfp) && self.find_object(extra, gfp);
        self.world_mut().areas_reserve(offsets, sizes, align, gfp, extra, granted)
    }

    fn free_vm_areas(&self, handle: Addr) {
        self.world_mut().areas_free(handle);
    }

    fn vm_area_early(&self, size: u64, align: u64) -> Addr {
        self.world_mut().area_early(size, align)
    }

    #[inline]
    fn map_pages(&self, addr: Addr, pfns: &[Pfn], gfp: Gfp) -> bool {
        self.point();
        // Page-table pages take memory from the pool, too. They are taken before the mapping starts, since map()
        // borrows the World and cannot reclaim.
        // Without a pool, page tables are never short.
        let mut tables = u32::MAX;
        if self.world().run.pool.is_some() {
            let needed = self.world().tables_needed(addr, pfns.len());
            tables = (0..needed).take_while(|_| self.find_memory(gfp)).count() as u32;
        }
        self.world_mut().map(addr, pfns, gfp, tables)
    }

    #[inline]
    fn unmap_pages(&self, addr: Addr, nr: u32) {
        self.world_mut().unmap(addr, nr);
    }

    fn populate_pte(&self, addr: Addr) {
        self.world_mut().buffers.vm.make_table(addr);
    }

    #[inline]
    fn vmalloc_to_page(&self, addr: Addr) -> Option<Pfn> {
        if vm::is_vmalloc(addr) { self.world().page_at(addr) } else { page_of(addr) }
    }

    fn flush_cache(&self, start: Addr, end: Addr, unmap: bool) {
        self.emit(Event::FlushCache { start, end, unmap });
    }

    fn flush_tlb(&self, start: Addr, end: Addr) {
        self.world_mut().flush_tlb(start, end);
    }

    fn memblock_alloc(&self, size: u64, align: u64) -> Addr {
        let mut w = self.world_mut();
        // No event: the boot logs nothing, and a failure shows in how the builder ends.
        if w.buffers.faults.hit(Site::Memblock) {
            return 0;
        }
        let addr = w.buffers.memblock.alloc(size, align, 0, true);
        if addr != 0 && w.space.backed() {
            // Boot may get memory back that an earlier boot had forbidden.
            w.space.arena.owned(addr, size);
            w.space.arena.fill(addr, size, 0);
            w.redden(addr, size);
        }
        addr
    }

    fn memblock_alloc_node(&self, size: u64, align: u64, node: u32) -> Addr {
        let mut w = self.world_mut();
        if w.buffers.faults.hit(Site::Memblock) {
            return 0;
        }
        let addr = w.buffers.memblock.alloc(size, align, node, false);
        if addr != 0 && w.space.backed() {
            w.space.arena.owned(addr, size);
        }
        addr
    }

    fn memblock_free(&self, addr: Addr, size: u64) {
        let mut w = self.world_mut();
        w.overrun_at_boot(addr, size);
        w.buffers.memblock.free(addr, size);
    }

    fn copy_static(&self, dst: Addr, size: u64) {
        let w = self.world();
        // A Model reads no memory, and 64 units of it for each Model would add up.
        if w.space.backed() {
            w.space.arena.copy(addresses::STATIC, dst, size);
        }
    }

    fn schedule_work(&self) {
        let mut w = self.world_mut();
        // `schedule_work()` does nothing for an item that is queued already, and says so by its result.
        // In one step with the event, since another task may run at the point after it.
        let queued = !std::mem::replace(&mut w.run.work_pending, true);
        w.emit(Event::ScheduleWork { queued });
        drop(w);
        self.point();
    }

    fn kmem_online(&self) -> bool {
        self.world().boot.geometry.kmem
    }

    fn memcg_current(&self) -> u32 {
        let w = self.world();
        w.run.tasks[w.run.current].pays()
    }

    fn memcg_ref(&self, objcg: u32, delta: i32) {
        // The index comes from the tenant, which may be at fault: an unknown one changes nothing, and the ledger oracle
        // sees the difference.
        if let Some(r) = self.world_mut().run.memcg.refs.get_mut(objcg as usize) {
            *r += delta as i64;
        }
    }

    fn memcg_charge(&self, objcg: u32, gfp: Gfp, bytes: u64) -> bool {
        self.point();
        let mut w = self.world_mut();
        // A charge fails by the fault plan only: limits of memory cgroups are not simulated.
        let ok = !w.buffers.faults.hit(Site::Charge);
        if ok && let Some(c) = w.run.memcg.charged.get_mut(objcg as usize) {
            *c += bytes as i64;
        }
        w.emit(Event::Charge { objcg, gfp, bytes, ok });
        ok
    }

    fn memcg_uncharge(&self, objcg: u32, bytes: u64) {
        let mut w = self.world_mut();
        // It may go below zero, which is how an uncharge too many shows.
        if let Some(c) = w.run.memcg.charged.get_mut(objcg as usize) {
            *c -= bytes as i64;
        }
        w.emit(Event::Uncharge { objcg, bytes });
    }

    fn memcg_stat(&self, objcg: u32, delta: i64) {
        let mut w = self.world_mut();
        if let Some(s) = w.run.memcg.stat.get_mut(objcg as usize) {
            *s += delta;
        }
        w.emit(Event::MemcgStat { objcg, delta });
    }

    #[inline]
    fn zero(&self, addr: Addr, len: u64) {
        self.world_mut().zero(addr, len);
    }

    fn trace_alloc(&self, t: TraceAlloc) {
        self.emit(Event::TraceAlloc(t));
    }

    fn trace_alloc_fail(&self, reserved: bool, is_atomic: bool, size: u64, align: u64) {
        self.emit(Event::TraceAllocFail { reserved, is_atomic, size, align });
    }

    fn trace_free(&self, base_addr: Addr, off: i32, ptr: Addr) {
        self.emit(Event::TraceFree { base_addr, off, ptr });
    }

    fn trace_create(&self, base_addr: Addr) {
        self.emit(Event::TraceCreate { base_addr });
    }

    fn trace_destroy(&self, base_addr: Addr) {
        self.emit(Event::TraceDestroy { base_addr });
    }

    fn diag(&self, kind: Diag, args: &[u64], text: &str) {
        let stop = match kind {
            Diag::Bug => Some(Stop::Bug),
            Diag::Panic => Some(Stop::Panic),
            Diag::Loud => Some(Stop::Loud),
            _ => None,
        };
        let mut w = self.world_mut();
        // The boot prints its layout, which is no finding.
        if !w.boot.booting {
            // An event has room for three numbers; all of them are in the text.
            let mut shown = [0; 3];
            shown.iter_mut().zip(args).for_each(|(s, a)| *s = *a);
            w.end_zeroing();
            // The zeroing must end first: the text belongs to the event appended next, which has to be the diagnostic.
            w.buffers.log.text(text);
            w.emit(Event::Diag { kind, nargs: args.len() as u8, args: shown });
        }
        if let Some(reason) = stop {
            // Nothing is logged while booting, and the reason of this stop has to be in the log.
            w.boot.booting = false;
            drop(w);
            self.stop(reason);
        }
        drop(w);
        self.point();
    }
}
