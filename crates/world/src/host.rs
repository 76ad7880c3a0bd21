// SPDX-License-Identifier: GPL-2.0-only
//! `Host`: a World behind the [`Kernel`] interface, shared by all fibers of a run, or one thread's way to a World that
//! several threads use.
//!
//! A call borrows the World, does its work, gives the borrow back and only then switches or ends the program.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::rc::Rc;

use super::arena::{PAGE_SHIFT, place};
use super::core::World;
use super::fiber::{self, Pause};
use super::locks::Take;
use super::threads::Seat;
use super::vm;
use percuss_kernel::event::{Event, Site, Stop};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Diag, Irq, Kernel, Lock, Pfn, Scope, TraceAlloc};

/// A World that tenants can call; clones are the same World.
#[derive(Debug, Clone)]
pub struct Host(Rc<Inner>);

/// Why a World is where it is looked for.
const THERE: &str = "the World is given away only while threads use it";

#[derive(Debug)]
struct Inner {
    /// None while another thread has it.
    world: RefCell<Option<Box<World>>>,
    /// Where it comes from, when threads use it.
    seat: Option<Seat>,
    /// Scheduling points that are left of the turn of whoever runs.
    points: Cell<u64>,
}

impl Host {
    /// Wraps a World.
    pub fn new(world: World) -> Host {
        let world = RefCell::new(Some(Box::new(world)));
        Host(Rc::new(Inner { world, seat: None, points: Cell::new(Host::NO_END) }))
    }

    /// A thread's way to the World that it shares. Others may run at every scheduling point.
    pub fn of_thread(seat: Seat) -> Host {
        Host(Rc::new(Inner { world: RefCell::new(None), seat: Some(seat), points: Cell::new(1) }))
    }

    /// Gives the World away, until it is put back.
    ///
    /// # Panics
    /// It is not there.
    pub fn take_world(&self) -> Box<World> {
        self.0.world.take().expect(THERE)
    }

    /// Puts the World back.
    pub fn put_world(&self, world: Box<World>) {
        self.0.world.replace(Some(world));
    }

    /// Takes the World, when threads share it and this one does not have it.
    #[inline]
    fn hold(&self) {
        if let Some(seat) = &self.0.seat
            && self.0.world.borrow().is_none()
        {
            self.put_world(seat.take());
        }
    }

    /// Points of a turn that no point ends.
    pub const NO_END: u64 = u64::MAX;

    /// Looks at the World between tenant calls.
    #[inline]
    pub fn world(&self) -> Ref<'_, World> {
        self.hold();
        Ref::map(self.0.world.borrow(), |w| w.as_deref().expect(THERE))
    }

    /// Changes the World between tenant calls.
    #[inline]
    pub fn world_mut(&self) -> RefMut<'_, World> {
        self.hold();
        RefMut::map(self.0.world.borrow_mut(), |w| w.as_deref_mut().expect(THERE))
    }

    /// Starts a turn: who runs is preempted at the `points`-th scheduling point from here.
    pub fn grant(&self, points: u64) {
        self.0.points.set(points);
    }

    /// Points that are left of the turn.
    pub fn left(&self) -> u64 {
        self.0.points.get()
    }

    /// Counts a scheduling point; true when the turn ends here.
    #[inline]
    pub fn pass(&self) -> bool {
        let left = self.0.points.get().wrapping_sub(1);
        self.0.points.set(left);
        left == 0
    }

    /// A scheduling point: others may run here. There is one wherever a call lets others see what the task did, or sees
    /// what they did; each belongs to an event, so that all tenants have the same.
    #[inline]
    pub fn point(&self) {
        if self.pass() {
            self.pause(Pause::Preempted);
        }
    }

    /// Absolute address of relative address 0.
    pub fn arena_base(&self) -> u64 {
        self.world().arena.base()
    }

    /// Scopes in force, as a mask in the order of [`Scope`].
    pub fn scopes(&self) -> u8 {
        let w = self.world();
        w.tasks[w.current].scopes()
    }

    /// Ends the program.
    pub fn stop(&self, reason: Stop) -> ! {
        self.world_mut().end(reason);
        loop {
            self.pause(Pause::Stopped);
        }
    }

    /// Lets whoever drives the calling task do what `why` asks for; returns when the task goes on.
    pub(super) fn pause(&self, why: Pause) {
        match &self.0.seat {
            // A shrinker runs on this thread, whoever called for it.
            Some(seat) if !matches!(why, Pause::Shrink(_)) => self.pause_thread(seat, why),
            _ => fiber::pause(why),
        }
    }

    fn pause_thread(&self, seat: &Seat, why: Pause) {
        self.grant(1);
        match self.0.world.take() {
            Some(world) => seat.let_go(world, why),
            None => seat.pass(),
        }
    }

    /// The thread's task is done.
    pub fn finish(&self) {
        if let Some(seat) = &self.0.seat {
            seat.finish(self.0.world.take());
        }
    }

    /// A lock of the allocator was taken, which keeps others out of what it protects.
    fn locked(&self) {
        if let Some(seat) = &self.0.seat
            && seat.lets_go_early()
        {
            self.pause_thread(seat, Pause::Preempted);
        }
    }

    fn emit(&self, e: Event) {
        let mut w = self.world_mut();
        w.emit(e);
        if w.endless() {
            drop(w);
            self.stop(Stop::StepLimit);
        }
    }
}

fn page_of(addr: Addr) -> Option<Pfn> {
    (place::LINEAR..place::LINEAR_END).contains(&addr).then(|| ((addr - place::LINEAR) >> PAGE_SHIFT) as Pfn)
}

impl Kernel for Host {
    fn possible(&self) -> u64 {
        self.world().geometry.cpus
    }

    fn cpu(&self) -> u32 {
        let w = self.world();
        w.possible[w.current % w.possible.len()] as u32
    }

    fn cpu_to_node(&self, cpu: u32) -> u32 {
        self.world().geometry.node(cpu)
    }

    fn linear(&self) -> Addr {
        place::LINEAR
    }

    fn is_vmalloc(&self, addr: Addr) -> bool {
        vm::is_vmalloc(addr)
    }

    fn static_image(&self) -> Addr {
        place::STATIC
    }

    fn gfp_context(&self, gfp: Gfp) -> Gfp {
        let w = self.world();
        w.tasks[w.current].gfp_context(gfp)
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
        self.world_mut().may_sleep();
        self.emit(Event::CondResched);
        self.point();
    }

    fn mutex_lock(&self, lock: Lock) {
        self.point();
        self.world_mut().may_sleep();
        loop {
            let take = self.world_mut().try_mutex(lock, false);
            match take {
                Take::Taken => return self.locked(),
                Take::Recursive => self.stop(Stop::Deadlock),
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

    fn spin_lock(&self, lock: Lock, irq: Irq) -> u64 {
        self.point();
        loop {
            let mut w = self.world_mut();
            let taken = w.try_spin(lock, irq);
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

    fn alloc_page(&self, node: u32, gfp: Gfp) -> Option<Pfn> {
        self.point();
        let (asked, short) = {
            let mut w = self.world_mut();
            (w.page_asked(gfp), w.pool.is_some())
        };
        let granted = asked && (!short || self.find_memory(gfp));
        self.world_mut().page_alloc(node, gfp, granted)
    }

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

    fn map_pages(&self, addr: Addr, pfns: &[Pfn], gfp: Gfp) -> bool {
        self.point();
        let mut tables = u32::MAX;
        if self.world().pool.is_some() {
            let needed = self.world().tables_needed(addr, pfns.len());
            tables = (0..needed).take_while(|_| self.find_memory(gfp)).count() as u32;
        }
        self.world_mut().map(addr, pfns, gfp, tables)
    }

    fn unmap_pages(&self, addr: Addr, nr: u32) {
        self.world_mut().unmap(addr, nr);
    }

    fn populate_pte(&self, addr: Addr) {
        self.world_mut().vm.make_table(addr);
    }

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
        if w.faults.hit(Site::Memblock) {
            return 0;
        }
        let addr = w.memblock.alloc(size, align, 0, true);
        if addr != 0 && w.backed() {
            w.arena.owned(addr, size);
            w.arena.fill(addr, size, 0);
        }
        addr
    }

    fn memblock_alloc_node(&self, size: u64, align: u64, node: u32) -> Addr {
        let mut w = self.world_mut();
        if w.faults.hit(Site::Memblock) {
            return 0;
        }
        let addr = w.memblock.alloc(size, align, node, false);
        if addr != 0 && w.backed() {
            w.arena.owned(addr, size);
        }
        addr
    }

    fn memblock_free(&self, addr: Addr, size: u64) {
        self.world_mut().memblock.free(addr, size);
    }

    fn copy_static(&self, dst: Addr, size: u64) {
        let w = self.world();
        // Nobody looks at the memory of a Model's World, and 64 units of it for each Model would add up.
        if w.backed() {
            w.arena.copy(place::STATIC, dst, size);
        }
    }

    fn schedule_work(&self) {
        let mut w = self.world_mut();
        let queued = !std::mem::replace(&mut w.work_pending, true);
        w.emit(Event::ScheduleWork { queued });
        drop(w);
        self.point();
    }

    fn kmem_online(&self) -> bool {
        self.world().geometry.kmem
    }

    fn memcg_current(&self) -> u32 {
        let w = self.world();
        w.tasks[w.current].pays()
    }

    fn memcg_ref(&self, objcg: u32, delta: i32) {
        if let Some(r) = self.world_mut().memcg.refs.get_mut(objcg as usize) {
            *r += delta as i64;
        }
    }

    fn memcg_charge(&self, objcg: u32, gfp: Gfp, bytes: u64) -> bool {
        self.point();
        let mut w = self.world_mut();
        let ok = !w.faults.hit(Site::Charge);
        if ok && let Some(c) = w.memcg.charged.get_mut(objcg as usize) {
            *c += bytes as i64;
        }
        w.emit(Event::Charge { objcg, gfp, bytes, ok });
        ok
    }

    fn memcg_uncharge(&self, objcg: u32, bytes: u64) {
        let mut w = self.world_mut();
        if let Some(c) = w.memcg.charged.get_mut(objcg as usize) {
            *c -= bytes as i64;
        }
        w.emit(Event::Uncharge { objcg, bytes });
    }

    fn memcg_stat(&self, objcg: u32, delta: i64) {
        let mut w = self.world_mut();
        if let Some(s) = w.memcg.stat.get_mut(objcg as usize) {
            *s += delta;
        }
        w.emit(Event::MemcgStat { objcg, delta });
    }

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
        if !w.booting {
            let mut shown = [0; 3];
            shown.iter_mut().zip(args).for_each(|(s, a)| *s = *a);
            w.end_zeroing();
            w.log.text(text);
            w.emit(Event::Diag { kind, nargs: args.len() as u8, args: shown });
        }
        if let Some(reason) = stop {
            w.booting = false;
            drop(w);
            self.stop(reason);
        }
        drop(w);
        self.point();
    }
}
