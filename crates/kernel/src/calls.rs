// SPDX-License-Identifier: GPL-2.0-only
//! What a percpu allocator needs from a kernel: the one interface both tenants call.
//!
//! Addresses are relative to the instance's arena; 0 is NULL. Every call may switch to another task, or never return
//! (the program ended): a tenant must hold no borrow of its own state across a call.

use super::gfp::Gfp;

/// Address relative to the arena of the instance; 0 is NULL.
pub type Addr = u64;

/// Page frame number.
pub type Pfn = u32;

/// A lock a tenant may take.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Lock {
    /// `pcpu_lock`
    Pcpu,
    /// `pcpu_alloc_mutex`
    AllocMutex,
    /// Any other. Static ones come first, numbered in an order of the image's own that is the same in every program;
    /// from [`STATIC_OTHERS`] on follow those in allocated memory, numbered in order of first use.
    Other(u8),
}

/// Numbers of static locks.
pub const STATIC_OTHERS: u8 = 8;

/// How a spinlock call treats interrupts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Irq {
    /// `spin_lock`
    Keep,
    /// `spin_lock_irq`: off, and unconditionally on at unlock.
    Off,
    /// `spin_lock_irqsave`
    Save,
}

/// A gfp scope of `memalloc_*_save`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Scope {
    /// `PF_MEMALLOC_NOIO`
    Noio,
    /// `PF_MEMALLOC_NOFS`
    Nofs,
    /// `PF_MEMALLOC`
    Memalloc,
}

/// A message to the kernel log or a failed assertion; texts are for display and never compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Diag {
    /// printk at a level 0..=7
    Printk(u8),
    /// Continuation of a line.
    Cont,
    /// `WARN`, `WARN_ON` and their once forms.
    Warn,
    /// `dump_stack()`
    Stack,
    /// `BUG()`; does not return.
    Bug,
    /// `panic()`; does not return.
    Panic,
    /// A path that is not modelled; does not return.
    Loud,
}

/// The fields of `percpu_alloc_percpu`, call site left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceAlloc {
    /// From the reserved chunk.
    pub reserved: bool,
    /// The allocator took the caller for atomic.
    pub is_atomic: bool,
    /// log2 of the alignment in bytes, after rounding.
    pub align_shift: u8,
    /// Bytes, after rounding.
    pub size: u32,
    /// Bytes from the chunk's base.
    pub off: i32,
    /// `pcpu_obj_full_size()`: bytes over all CPUs and the object extension.
    pub bytes_alloc: u32,
    /// Base of the chunk.
    pub base_addr: Addr,
    /// The per-CPU pointer returned.
    pub ptr: Addr,
    /// The mask in force.
    pub gfp: Gfp,
}

/// The kernel as a percpu allocator sees it. Names follow the kernel functions they stand for.
pub trait Kernel {
    // --- the machine ---
    /// Mask of possible CPUs.
    fn possible(&self) -> u64;
    /// `raw_smp_processor_id()`
    fn cpu(&self) -> u32;
    /// `cpu_to_node()`
    fn cpu_to_node(&self, cpu: u32) -> u32;
    /// Address of frame 0; `__pa(x)` is `x - linear()`.
    fn linear(&self) -> Addr;
    /// `is_vmalloc_addr()`
    fn is_vmalloc(&self, addr: Addr) -> bool;
    /// `__per_cpu_start`
    fn static_image(&self) -> Addr;

    // --- task context ---
    /// `current_gfp_context()`: `gfp` without what the scopes in force forbid.
    fn gfp_context(&self, gfp: Gfp) -> Gfp;
    /// `memalloc_*_save()`: enters a scope, returns whether it was in force.
    fn scope_save(&self, scope: Scope) -> bool;
    /// `memalloc_*_restore()`
    fn scope_restore(&self, scope: Scope, old: bool);
    /// `cond_resched()`
    fn cond_resched(&self);

    // --- locks ---
    /// `mutex_lock()`
    fn mutex_lock(&self, lock: Lock);
    /// `mutex_lock_killable()`: false when a fatal signal ended the wait.
    fn mutex_lock_killable(&self, lock: Lock) -> bool;
    /// `mutex_unlock()`
    fn mutex_unlock(&self, lock: Lock);
    /// `spin_lock*()`; the result goes back to [`Kernel::spin_unlock`].
    fn spin_lock(&self, lock: Lock, irq: Irq) -> u64;
    /// `spin_unlock*()` with the digest of the state changed since the last release (0 for other locks).
    fn spin_unlock(&self, lock: Lock, irq: Irq, flags: u64, digest: u64);

    // --- metadata memory ---
    /// `kzalloc()`; 0 on failure.
    fn kzalloc(&self, size: u64, gfp: Gfp) -> Addr;
    /// `__vmalloc()`; 0 on failure.
    fn vmalloc(&self, size: u64, gfp: Gfp) -> Addr;
    /// `kvfree()`; NULL is ignored.
    fn kvfree(&self, addr: Addr);

    // --- pages ---
    /// `alloc_pages_node(node, gfp, 0)`
    fn alloc_page(&self, node: u32, gfp: Gfp) -> Option<Pfn>;
    /// `__free_page()`
    fn free_page(&self, pfn: Pfn);

    // --- address space ---
    /// `pcpu_get_vm_areas()`: congruent areas for all groups; (handle, base) where base is where offset 0 stands.
    fn get_vm_areas(&self, offsets: &[u64], sizes: &[u64], align: u64, gfp: Gfp, extra: u64) -> Option<(Addr, Addr)>;
    /// `pcpu_free_vm_areas()`
    fn free_vm_areas(&self, handle: Addr);
    /// `vm_area_register_early()`
    fn vm_area_early(&self, size: u64, align: u64) -> Addr;
    /// `vmap_pages_range_noflush()` with 4K pages; false on -ENOMEM or a present entry.
    fn map_pages(&self, addr: Addr, pfns: &[Pfn], gfp: Gfp) -> bool;
    /// `vunmap_range_noflush()`
    fn unmap_pages(&self, addr: Addr, nr: u32);
    /// `pcpu_populate_pte()`: makes the page table of `addr` at boot.
    fn populate_pte(&self, addr: Addr);
    /// `vmalloc_to_page()`
    fn vmalloc_to_page(&self, addr: Addr) -> Option<Pfn>;
    /// `flush_cache_vmap()` / `flush_cache_vunmap()`
    fn flush_cache(&self, start: Addr, end: Addr, unmap: bool);
    /// `flush_tlb_kernel_range()`
    fn flush_tlb(&self, start: Addr, end: Addr);

    // --- boot memory ---
    /// `memblock_alloc()` of metadata, lowest address first; 0 on failure.
    fn memblock_alloc(&self, size: u64, align: u64) -> Addr;
    /// `memblock_alloc_try_nid()` for unit areas; 0 on failure.
    fn memblock_alloc_node(&self, size: u64, align: u64, node: u32) -> Addr;
    /// `memblock_free()`
    fn memblock_free(&self, addr: Addr, size: u64);
    /// memcpy of the static image to a unit.
    fn copy_static(&self, dst: Addr, size: u64);

    // --- work queue ---
    /// `schedule_work(&pcpu_balance_work)`
    fn schedule_work(&self);

    // --- memcg ---
    /// kmem accounting is on.
    fn kmem_online(&self) -> bool;
    /// obj_cgroup of current, 0 for none.
    fn memcg_current(&self) -> u32;
    /// `obj_cgroup_get` (+1) and `obj_cgroup_put` (-1)
    fn memcg_ref(&self, objcg: u32, delta: i32);
    /// `obj_cgroup_charge()`; false when refused.
    fn memcg_charge(&self, objcg: u32, gfp: Gfp, bytes: u64) -> bool;
    /// `obj_cgroup_uncharge()`
    fn memcg_uncharge(&self, objcg: u32, bytes: u64);
    /// `mod_memcg_state(MEMCG_PERCPU_B)`
    fn memcg_stat(&self, objcg: u32, delta: i64);

    // --- memory ---
    /// memset to 0 of per-CPU memory.
    fn zero(&self, addr: Addr, len: u64);

    // --- reporting ---
    /// `trace_percpu_alloc_percpu`
    fn trace_alloc(&self, t: TraceAlloc);
    /// `trace_percpu_alloc_percpu_fail`
    fn trace_alloc_fail(&self, reserved: bool, is_atomic: bool, size: u64, align: u64);
    /// `trace_percpu_free_percpu`
    fn trace_free(&self, base_addr: Addr, off: i32, ptr: Addr);
    /// `trace_percpu_create_chunk`
    fn trace_create(&self, base_addr: Addr);
    /// `trace_percpu_destroy_chunk`
    fn trace_destroy(&self, base_addr: Addr);
    /// A message; `args` are the integers among its arguments (at most 4), `text` is for display.
    fn diag(&self, kind: Diag, args: &[u64], text: &str);
}
