// SPDX-License-Identifier: GPL-2.0-only
//! The table of kernel services: one row is all that the interfaces know of a service.
//!
//! A row becomes a method of the [`Kernel`](crate::Kernel) trait, a method of [`TestKernel`](crate::TestKernel), a
//! member of `struct percuss_services` with its comment, the `extern "C"` function that fills that member, and, where
//! it names call sites, the macros that record them. This file is also a module of the shim's build scripts, which
//! write the C headers from it; so it holds the macro and nothing else.
//!
//! To add a service, add its row here, implement it for the World in `crates/world/src/host.rs`, and give it a header
//! below `shim/include/custom` in which the kernel's name for it calls `PERCUSS(name, arguments)`.
//!
//! `machine` rows are what the image reads from its boot parameters or computes itself; only Rust tenants call them.
//! `services` rows cross to C. Their form:
//!
//! ```text
//! /// What it does: the comment in Rust and in C.
//! [sites: kzalloc] fn kzalloc(size: u64, gfp: Gfp) -> Addr = 0;
//! ```
//!
//! `[sites: names]`: reports show which line of the tree makes the call. The names are the functions of the shadow
//! headers through which percpu.c reaches the service; each becomes a macro that notes function, file and line. With no
//! name after the colon the service is reported with the place of the call before it. `[no site]`: events of the
//! service keep the place that was noted last.
//!
//! `= value` is what a [`TestKernel`](crate::TestKernel) answers that does not care. The World has to implement every
//! row.
//!
//! Kinds of arguments and results. `shim/src/kinds.rs` has the one conversion of each, `shim/generate.rs` its C type,
//! and `rust_type!` in `calls.rs` its Rust type where that has another name:
//!
//! | kind | Rust | C | meaning |
//! |---|---|---|---|
//! | `u32`, `u64`, `i32`, `i64` | the same | `uint32_t` and so on | a number |
//! | `bool` | `bool` | `uint32_t` | C passes any number and gets 0 or 1 |
//! | `Addr` | [`Addr`](crate::Addr) | `uint64_t` | relative to the arena in Rust, absolute in C, 0 is NULL in both |
//! | `Pfn` | [`Pfn`](crate::Pfn) | `uint32_t` | page frame number |
//! | `MaybePfn` | `Option<Pfn>` | `uint32_t` | result only; `PERCUSS_NO_PFN` for None |
//! | `Node` | `u32` | `int32_t` | NUMA node; NUMA_NO_NODE (-1) in C is node 0 in Rust |
//! | `Gfp` | [`Gfp`](crate::gfp::Gfp) | `uint32_t` | allocation flags; the bits are compared at load |
//! | `Lock` | [`Lock`](crate::Lock) | `uint32_t` | `PERCUSS_LOCK_*` |
//! | `Irq` | [`Irq`](crate::Irq) | `uint32_t` | `PERCUSS_IRQ_*` |
//! | `Scope` | [`Scope`](crate::Scope) | `uint32_t` | one bit of `PERCUSS_SCOPE_*` |
//! | `Diag` | [`Diag`](crate::Diag) | `uint32_t` | `PERCUSS_DIAG_*` |
//! | `Words` | `&[u64]` | `struct percuss_words` | numbers that live during the call |
//! | `Pfns` | `&[Pfn]` | `struct percuss_pfns` | frame numbers that live during the call |
//! | `Text` | `&str` | `const char *` | ends in NUL in C, lives during the call |
//! | `TraceAlloc` | [`TraceAlloc`](crate::TraceAlloc) | `const struct percuss_trace_alloc *` | a record that lives during the call |
//! | `Areas` | `Option<(Addr, Addr)>` | `struct percuss_areas` | result only; handle and base, handle 0 for None |

/// Calls macro `$callback` with all rows: `$callback! { machine { rows } services { rows } }`.
///
/// Users that generate code and users that only read the names get the same rows, so none can lack a service.
#[macro_export]
macro_rules! for_each_service {
    ($callback:ident) => {
        $callback! {
            machine {
                /// Mask of possible CPUs; the lowest is the boot CPU.
                fn possible() -> u64 = 1;
                /// Address of frame 0; `__pa(x)` is `x - linear()`.
                fn linear() -> Addr = 0;
                fn is_vmalloc(addr: Addr) -> bool = false;
                /// `__per_cpu_start`: where the linker put the initial contents of static per-CPU variables.
                fn static_image() -> Addr = 0;
                /// `current_gfp_context()`: `gfp` without what the scopes in force forbid.
                fn gfp_context(gfp: Gfp) -> Gfp = gfp;
                /// memcpy of the static image to a unit.
                fn copy_static(dst: Addr, size: u64) = ();
                /// `memcg_kmem_online()`: kmem accounting is on.
                fn kmem_online() -> bool = true;
            }
            // In the order in which `struct percuss_services` has them. Image and driver are built from one tree, so a
            // row may move.
            services {
                /// current->flags: the scopes in force as a mask, bit n for scope n of [`Scope`].
                [no site] fn scopes() -> u32 = 0;
                /// `memalloc_*_save()`: enters a scope; the result says whether it was in force already, and goes back
                /// to scope_restore as `old`.
                [no site] fn scope_save(scope: Scope) -> bool = false;
                /// `memalloc_*_restore()`: leaves a scope, unless `old` says that it was in force before the save.
                [no site] fn scope_restore(scope: Scope, old: bool) = ();
                /// `raw_smp_processor_id()`: the CPU of the calling task.
                [no site] fn cpu() -> u32 = 0;
                [no site] fn cpu_to_node(cpu: u32) -> u32 = 0;
                [no site] fn cond_resched() = ();

                /// The number of a lock in allocated memory among those, from 0, in order of first use. An image asks
                /// once per lock and adds it to its numbers of static locks.
                [no site] fn name_lock(addr: Addr) -> u32 = 0;
                [sites: mutex_lock] fn mutex_lock(lock: Lock);
                /// `mutex_lock_killable()`: false when a fatal signal ended the wait (-EINTR).
                [sites: mutex_lock_killable] fn mutex_lock_killable(lock: Lock) -> bool;
                [sites: mutex_unlock] fn mutex_unlock(lock: Lock);
                /// `spin_lock*()`: the result goes back to spin_unlock as `flags`.
                [sites: percuss_spin_lock, spin_lock, spin_lock_irq] fn spin_lock(lock: Lock, irq: Irq) -> u64;
                /// `spin_unlock*()`: `irq` is that of the lock call. `flags` is its result for PERCUSS_IRQ_SAVE, else
                /// 0. `digest` is that of the state changed since the last release of pcpu_lock, 0 for other locks.
                [sites: ] fn spin_unlock(lock: Lock, irq: Irq, flags: u64, digest: u64);
                /// `lockdep_assert_held()`: the calling task holds the lock.
                [no site] fn is_held(lock: Lock) -> bool = false;

                /// `kzalloc()`: zeroed metadata, 0 on failure. `size` is in bytes; `gfp` is what percpu.c passes,
                /// scopes not applied.
                [sites: kzalloc] fn kzalloc(size: u64, gfp: Gfp) -> Addr;
                /// `__vmalloc()`: as kzalloc, for sizes above a page; `gfp` holds __GFP_ZERO.
                [sites: __vmalloc] fn vmalloc(size: u64, gfp: Gfp) -> Addr;
                /// `kvfree()`: gives back what kzalloc or vmalloc returned; NULL is ignored.
                [sites: kvfree] fn kvfree(addr: Addr);

                /// `alloc_pages_node(node, gfp, 0)`: scopes are not applied to `gfp`. Frame n's struct page is entry n
                /// of mem_map.
                [sites: alloc_pages_node] fn alloc_page(node: Node, gfp: Gfp) -> MaybePfn;
                [sites: __free_page] fn free_page(pfn: Pfn);

                /// `pcpu_get_vm_areas()`: congruent areas for all groups, at the same offsets from each other as
                /// `offsets`; bytes throughout. The base is where a group at offset 0 stands. The handle is `extra`
                /// bytes of zeroed memory for the vm_struct array, and goes back to free_vm_areas. `gfp` is GFP_KERNEL
                /// when the tree passes none.
                [sites: percuss_get_vm_areas]
                fn get_vm_areas(offsets: Words, sizes: Words, align: u64, gfp: Gfp, extra: u64) -> Areas;
                /// `pcpu_free_vm_areas()`: gives back the areas of all groups, and the array that `handle` stands for.
                [sites: pcpu_free_vm_areas] fn free_vm_areas(handle: Addr);
                /// `vm_area_register_early()`: reserves `size` bytes of vmalloc space at boot.
                [no site] fn vm_area_early(size: u64, align: u64) -> Addr;

                /// `vmap_pages_range_noflush()` with 4K pages; false for -ENOMEM or a present entry. `gfp` is
                /// GFP_KERNEL|__GFP_ZERO whatever the tree passes, scopes not applied.
                [sites: percuss_map_pages] fn map_pages(addr: Addr, pfns: Pfns, gfp: Gfp) -> bool;
                /// `vunmap_range_noflush()`: unmaps `nr` pages.
                [sites: vunmap_range_noflush] fn unmap_pages(addr: Addr, nr: u32);
                /// `pcpu_populate_pte()`: makes the page table of `addr` at boot.
                [no site] fn populate_pte(addr: Addr) = ();
                /// `vmalloc_to_page()`: the frame that is mapped at `addr`, or none.
                [no site] fn vmalloc_to_page(addr: Addr) -> MaybePfn;
                /// `flush_cache_vmap()`, and `flush_cache_vunmap()` with `unmap`.
                [sites: flush_cache_vmap, flush_cache_vunmap]
                fn flush_cache(start: Addr, end: Addr, unmap: bool) = ();
                [sites: flush_tlb_kernel_range] fn flush_tlb(start: Addr, end: Addr) = ();

                /// `memblock_alloc()`: zeroed metadata at boot, lowest address first; 0 on failure.
                [no site] fn memblock_alloc(size: u64, align: u64) -> Addr;
                /// `memblock_alloc_try_nid()` and `memblock_alloc_from()`, which only pcpu_fc_alloc() uses, for unit
                /// areas; 0 on failure.
                [no site] fn memblock_alloc_node(size: u64, align: u64, node: Node) -> Addr;
                [no site] fn memblock_free(addr: Addr, size: u64) = ();

                /// `schedule_work(&pcpu_balance_work)`: does nothing if the work item is pending already.
                [sites: percuss_schedule_work, schedule_work] fn schedule_work() = ();

                /// obj_cgroup of current, from 1; 0 for none. The image disguises the number as a pointer.
                [no site] fn memcg_current() -> u32 = 0;
                /// `obj_cgroup_get()` (+1) and `obj_cgroup_put()` (-1)
                [no site] fn memcg_ref(objcg: u32, delta: i32) = ();
                /// `obj_cgroup_charge()`; false when refused (-ENOMEM).
                [sites: obj_cgroup_charge] fn memcg_charge(objcg: u32, gfp: Gfp, bytes: u64) -> bool = true;
                [no site] fn memcg_uncharge(objcg: u32, bytes: u64) = ();
                /// `mod_memcg_state(MEMCG_PERCPU_B)`: `delta` is in bytes.
                [no site] fn memcg_stat(objcg: u32, delta: i64) = ();

                // Memory is cleared through a service, so that the World sees which copies were cleared.
                /// memset to 0 of `len` bytes of per-CPU memory.
                [no site] fn zero(addr: Addr, len: u64);

                [no site] fn trace_alloc(t: TraceAlloc) = ();
                /// `trace_percpu_alloc_percpu_fail`: `size` and `align` are in bytes.
                [no site] fn trace_alloc_fail(reserved: bool, is_atomic: bool, size: u64, align: u64) = ();
                // Tracepoints are compared, so they must be called from the same places with the same values.
                /// `trace_percpu_free_percpu`: `off` is in bytes from the chunk's base.
                [no site] fn trace_free(base_addr: Addr, off: i32, ptr: Addr) = ();
                [no site] fn trace_create(base_addr: Addr) = ();
                [no site] fn trace_destroy(base_addr: Addr) = ();
                /// A message to the log, a failed assertion or the end of the program. `args` are the first integers
                /// among the message's arguments (at most PERCUSS_DIAG_ARGS; %d %i %u %x %o in order, %d sign-extended;
                /// widths and pointers left out); `text` is the formatted message, for display only. BUG, PANIC and
                /// LOUD do not return.
                [no site] fn diag(kind: Diag, args: Words, text: Text);
            }
        }
    };
}
