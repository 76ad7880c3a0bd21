// SPDX-License-Identifier: GPL-2.0-only
//! The World as an image sees it: absolute addresses and the ABI's numbers on one side, [`Kernel`] on the other.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use percuss_shim as shim;
use shim::abi;

use percuss_kernel::event::Stop;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Diag, Irq, Kernel, Lock, STATIC_OTHERS, Scope, TraceAlloc};
use percuss_world::Host as World;
use percuss_world::arena::addresses;
use percuss_world::log::CallSite;

/// Translates between an image and the World.
pub struct Bridge {
    pub world: World,
    base: u64,
    /// Who can say where the image's code is; set while call sites are recorded.
    pub sites: RefCell<Option<Weak<shim::Instance<Bridge>>>>,
    /// Called before each release of pcpu_lock: the state is whole then.
    pub before_release: Cell<Option<Rc<super::kernel_c::ReleaseHook>>>,
}

impl Bridge {
    pub fn new(world: World) -> Bridge {
        Bridge::at_base(world.arena_base(), world)
    }

    /// For a World whose arena is at this address.
    pub fn at_base(base: u64, world: World) -> Bridge {
        Bridge { base, world, sites: RefCell::new(None), before_release: Cell::new(None) }
    }

    /// Address of the arena.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Tells the World where the call that runs comes from, while that is recorded.
    #[inline]
    fn at(&self) -> &World {
        if let Some(instance) = &*self.sites.borrow() {
            let site = instance.upgrade().and_then(|i| i.at().map(call_site));
            self.world.world_mut().set_site(site);
        }
        &self.world
    }

    /// Relative address; NULL stays NULL, and what is not in the arena becomes an address outside it.
    #[inline]
    pub fn rel(&self, addr: u64) -> Addr {
        if addr == 0 { 0 } else { addr.wrapping_sub(self.base) }
    }

    /// Absolute address; NULL stays NULL.
    #[inline]
    pub fn abs(&self, addr: Addr) -> u64 {
        if addr == 0 { 0 } else { addr.wrapping_add(self.base) }
    }

    /// Where things are, absolute.
    pub fn arena(&self) -> shim::Arena {
        shim::Arena {
            mem_map: self.abs(addresses::MEM_MAP),
            linear: self.abs(addresses::LINEAR),
            linear_end: self.abs(addresses::LINEAR_END),
            vmalloc_start: self.abs(addresses::VMALLOC),
            vmalloc_end: self.abs(addresses::VMALLOC_END),
            static_image: self.abs(addresses::STATIC),
        }
    }
}

/// A place of the image, its file relative to the tree.
fn call_site(at: shim::CallSite<'_>) -> CallSite {
    let file = at.file.rfind("/mm/").map_or(at.file, |i| &at.file[i + 1..]);
    CallSite { function: at.function.into(), file: file.into(), line: at.line }
}

fn lock(n: u32) -> Lock {
    match n {
        abi::PERCUSS_LOCK_PCPU => Lock::Pcpu,
        abi::PERCUSS_LOCK_ALLOC_MUTEX => Lock::AllocMutex,
        n => Lock::Other(n.saturating_sub(abi::PERCUSS_LOCK_OTHER) as u8),
    }
}

const _: () = assert!(abi::PERCUSS_STATIC_LOCKS == STATIC_OTHERS as u32);

fn irq(n: u32) -> Irq {
    match n {
        abi::PERCUSS_IRQ_NONE => Irq::Keep,
        abi::PERCUSS_IRQ_OFF => Irq::Off,
        _ => Irq::Save,
    }
}

fn scope(bit: u32) -> Scope {
    match bit {
        abi::PERCUSS_SCOPE_NOIO => Scope::Noio,
        abi::PERCUSS_SCOPE_NOFS => Scope::Nofs,
        _ => Scope::Memalloc,
    }
}

impl shim::Host for Bridge {
    fn scopes(&self) -> u32 {
        // The World's order of scopes is the order of the ABI's bits.
        self.world.scopes() as u32
    }

    fn scope_save(&self, s: u32) -> u32 {
        self.world.scope_save(scope(s)) as u32
    }

    fn scope_restore(&self, s: u32, old: u32) {
        self.world.scope_restore(scope(s), old != 0);
    }

    fn cpu(&self) -> u32 {
        self.world.cpu()
    }

    fn cpu_to_node(&self, cpu: u32) -> u32 {
        self.world.cpu_to_node(cpu)
    }

    fn cond_resched(&self) {
        self.world.cond_resched();
    }

    fn name_lock(&self, addr: u64) -> u32 {
        self.world.world_mut().name_lock(self.rel(addr)).into()
    }

    fn mutex_lock(&self, l: u32) {
        self.at().mutex_lock(lock(l));
    }

    fn mutex_lock_killable(&self, l: u32) -> bool {
        self.at().mutex_lock_killable(lock(l))
    }

    fn mutex_unlock(&self, l: u32) {
        self.at().mutex_unlock(lock(l));
    }

    fn spin_lock(&self, l: u32, i: u32) -> u64 {
        self.at().spin_lock(lock(l), irq(i))
    }

    fn spin_unlock(&self, l: u32, i: u32, flags: u64, digest: u64) {
        if l == abi::PERCUSS_LOCK_PCPU
            && let Some(hook) = self.before_release.take()
        {
            hook.run();
            self.before_release.set(Some(hook));
        }
        self.at().spin_unlock(lock(l), irq(i), flags, digest);
    }

    fn is_held(&self, l: u32) -> bool {
        self.world.world().is_held(lock(l))
    }

    fn kzalloc(&self, size: u64, gfp: u32) -> u64 {
        self.abs(self.at().kzalloc(size, Gfp(gfp)))
    }

    fn vmalloc(&self, size: u64, gfp: u32) -> u64 {
        self.abs(self.at().vmalloc(size, Gfp(gfp)))
    }

    fn kvfree(&self, addr: u64) {
        self.at().kvfree(self.rel(addr));
    }

    fn alloc_page(&self, node: i32, gfp: u32) -> Option<u32> {
        self.at().alloc_page(node.max(0) as u32, Gfp(gfp))
    }

    fn free_page(&self, pfn: u32) {
        self.at().free_page(pfn);
    }

    fn get_vm_areas(&self, offsets: &[u64], sizes: &[u64], align: u64, gfp: u32, extra: u64) -> Option<shim::VmAreas> {
        let (handle, base) = self.at().get_vm_areas(offsets, sizes, align, Gfp(gfp), extra)?;
        Some(shim::VmAreas { handle: self.abs(handle), base: self.abs(base) })
    }

    fn free_vm_areas(&self, handle: u64) {
        self.at().free_vm_areas(self.rel(handle));
    }

    fn vm_area_early(&self, size: u64, align: u64) -> u64 {
        self.abs(self.world.vm_area_early(size, align))
    }

    fn map_pages(&self, addr: u64, pfns: &[u32], gfp: u32) -> Result<(), i32> {
        const ENOMEM: i32 = -12;
        if self.at().map_pages(self.rel(addr), pfns, Gfp(gfp)) { Ok(()) } else { Err(ENOMEM) }
    }

    fn unmap_pages(&self, addr: u64, nr: u32) {
        self.at().unmap_pages(self.rel(addr), nr);
    }

    fn populate_pte(&self, addr: u64) {
        self.world.populate_pte(self.rel(addr));
    }

    fn vmalloc_to_page(&self, addr: u64) -> Option<u32> {
        self.world.vmalloc_to_page(self.rel(addr))
    }

    fn flush_cache(&self, start: u64, end: u64, unmap: bool) {
        self.at().flush_cache(self.rel(start), self.rel(end), unmap);
    }

    fn flush_tlb(&self, start: u64, end: u64) {
        self.at().flush_tlb(self.rel(start), self.rel(end));
    }

    fn memblock_alloc(&self, size: u64, align: u64, node: Option<u32>, unit_area: bool) -> u64 {
        self.abs(if unit_area {
            self.world.memblock_alloc_node(size, align, node.unwrap_or(0))
        } else {
            self.world.memblock_alloc(size, align)
        })
    }

    fn memblock_free(&self, addr: u64, size: u64) {
        self.world.memblock_free(self.rel(addr), size);
    }

    fn schedule_work(&self) {
        self.at().schedule_work();
    }

    fn memcg_current(&self) -> u32 {
        self.world.memcg_current()
    }

    fn memcg_ref(&self, objcg: u32, delta: i32) {
        self.world.memcg_ref(objcg, delta);
    }

    fn memcg_charge(&self, objcg: u32, gfp: u32, bytes: u64) -> bool {
        self.at().memcg_charge(objcg, Gfp(gfp), bytes)
    }

    fn memcg_uncharge(&self, objcg: u32, bytes: u64) {
        self.world.memcg_uncharge(objcg, bytes);
    }

    fn memcg_stat(&self, objcg: u32, delta: i64) {
        self.world.memcg_stat(objcg, delta);
    }

    fn zero(&self, addr: u64, len: u64) {
        self.world.zero(self.rel(addr), len);
    }

    fn trace_alloc(&self, t: &abi::percuss_trace_alloc) {
        self.world.trace_alloc(TraceAlloc {
            reserved: t.reserved != 0,
            is_atomic: t.is_atomic != 0,
            align_shift: t.align.trailing_zeros() as u8,
            size: t.size as u32,
            off: t.off,
            bytes_alloc: t.bytes_alloc as u32,
            base_addr: self.rel(t.base_addr),
            ptr: self.rel(t.ptr),
            gfp: Gfp(t.gfp as u32),
        });
    }

    fn trace_alloc_fail(&self, reserved: bool, is_atomic: bool, size: u64, align: u64) {
        self.world.trace_alloc_fail(reserved, is_atomic, size, align);
    }

    fn trace_free(&self, base_addr: u64, off: i32, ptr: u64) {
        self.world.trace_free(self.rel(base_addr), off, self.rel(ptr));
    }

    fn trace_create(&self, base_addr: u64) {
        self.world.trace_create(self.rel(base_addr));
    }

    fn trace_destroy(&self, base_addr: u64) {
        self.world.trace_destroy(self.rel(base_addr));
    }

    fn diag(&self, d: &shim::Diag<'_>) {
        let kind = match d.kind {
            abi::PERCUSS_DIAG_PRINTK if d.level < 0 => Diag::Cont,
            abi::PERCUSS_DIAG_PRINTK => Diag::Printk(d.level as u8),
            abi::PERCUSS_DIAG_WARN => Diag::Warn,
            abi::PERCUSS_DIAG_STACK => Diag::Stack,
            abi::PERCUSS_DIAG_BUG => Diag::Bug,
            abi::PERCUSS_DIAG_PANIC => Diag::Panic,
            _ => Diag::Loud,
        };
        self.world.diag(kind, d.args, d.text);
    }

    fn internal_panic(&self, _message: &str) -> ! {
        self.world.stop(Stop::Internal)
    }
}
