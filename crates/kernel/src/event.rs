// SPDX-License-Identifier: GPL-2.0-only
//! Events: what the World saw a tenant do. Two tenants agree when their event streams are equal.

use super::gfp::Gfp;
use super::{Addr, Diag, Irq, Lock, Pfn, Scope, TraceAlloc};
use crate::events;

/// A kind of request for memory at which a program's fault plan can make the World answer that there is none. Counted
/// per site, so that `fault pages 3` means the same in every tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Site {
    // Metadata: pcpu_mem_zalloc() takes slab memory up to a page and vmalloc memory above.
    Kmalloc,
    Vmalloc,
    Pages,
    VmAreas,
    // Page tables are made while pages are mapped, not when the address space is reserved.
    PageTables,
    // The charge to a memcg.
    Charge,
    // Memory at boot, when there is no other allocator yet.
    Memblock,
}

impl Site {
    /// All sites in the order of their declaration, with their names in text programs.
    pub const ALL: [(Site, &'static str); 7] = [
        (Site::Kmalloc, "kmalloc"),
        (Site::Vmalloc, "vmalloc"),
        (Site::Pages, "pages"),
        (Site::VmAreas, "vmareas"),
        (Site::PageTables, "pagetables"),
        (Site::Charge, "charge"),
        (Site::Memblock, "memblock"),
    ];

    pub fn name(self) -> &'static str {
        Site::ALL[self as usize].1
    }
}

/// A lock that is not the allocator's: one that callers hold around their calls, or one that reclaim or the scheduler
/// takes. A deadlock of the allocator with its surroundings needs a lock on each side, so the World has both.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Ext {
    /// A queue's usage counter: exclusive while the queue is frozen, shared while IO is submitted.
    Freeze,
    /// A mutex of the block cgroup configuration, `q->blkcg_mutex`.
    Blkcg,
    /// `shrinker_rwsem`: exclusive while a shrinker is registered; reclaim tries to take it shared.
    Shrinker,
    /// A lock of a file system that its reclaim takes too.
    Fs,
    /// A lock of a block driver that IO for reclaim takes too.
    Io,
    /// A spinlock that is taken in process context only.
    Spin,
    /// A spinlock that is taken with interrupts off, by interrupt handlers too.
    IrqSpin,
    /// `rq->__lock` of the scheduler, a raw spinlock.
    Rq,
    /// `vmap_purge_lock`, taken when address space runs out.
    VmapPurge,
}

/// One thing a tenant did, or had done to it. Addresses are relative to the arena, so that two tenants in arenas at
/// different places give equal events.
///
/// An event says neither which context nor which op it belongs to: that would make each larger, and the
/// [cursor](crate::cursor::Cursor) knows it from the events before. It is `Copy`, has no pointers and at most 48 bytes:
/// the log is a flat array, and two logs are compared as such.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    // --- flow: which context runs, in which op ---
    /// Boot ended. The digest is one of the layout and of what is left of memblock; `error` is that of the function
    /// that builds the first chunk, negative, or 0.
    Boot { digest: u64, error: i32 },
    /// The context with this index runs from here on.
    Switch { task: u8 },
    /// An op of a task, a shrinker or a handler starts, or the drain.
    OpBegin { op: u32 },
    /// `result` is what the op returned: a pointer, a number or an answer, 0 for ops that return nothing.
    OpEnd { op: u32, result: u64 },
    /// The worker starts its work item. It is a context of its own: no [`Event::Switch`] says that it runs.
    WorkBegin,
    /// The work item ended, and the context that was left at [`Event::WorkBegin`] goes on.
    WorkEnd,
    /// Digest of the whole allocator state. It is taken now and then between two ops, and once after the drain, because
    /// the digests in [`Event::SpinUnlock`] only cover what was touched.
    State { digest: u64 },

    // --- locks ---
    /// `taken` is false when a fatal signal ended a killable wait.
    MutexLock { lock: Lock, killable: bool, taken: bool },
    /// `mutex_unlock()` by the running task.
    MutexUnlock { lock: Lock },
    /// A spinlock was taken; `irq` says what the call did to interrupts.
    SpinLock { lock: Lock, irq: Irq },
    /// For `pcpu_lock`, `digest` is one of the state that changed under it; see [`digest`](crate::digest).
    SpinUnlock { lock: Lock, irq: Irq, digest: u64 },

    // --- context ---
    /// `cond_resched()`, at which the scheduler may switch.
    CondResched,
    /// A `memalloc_*_save()`; `old` is what it returned, whether the scope was in force.
    ScopeSave { scope: Scope, old: bool },
    /// The restore that belongs to it, with the `old` it was given.
    ScopeRestore { scope: Scope, old: bool },

    // --- requests and releases: 0 or None for what was not granted ---
    /// Slab memory for metadata up to a page.
    Kzalloc { size: u64, gfp: Gfp, addr: Addr },
    /// `__vmalloc()`, for metadata above a page.
    Vmalloc { size: u64, gfp: Gfp, addr: Addr },
    /// Metadata of either kind is given back.
    Kvfree { addr: Addr },
    /// One backing page, for one CPU.
    PageAlloc { node: u32, gfp: Gfp, pfn: Option<Pfn> },
    /// `__free_page()` of one backing page.
    PageFree { pfn: Pfn },
    /// `pcpu_get_vm_areas()`. `base` is what the offsets of the areas count from.
    VmAreas { align: u64, gfp: Gfp, base: Addr },
    /// `pcpu_free_vm_areas()`. `handle` stands for the array of areas that the reservation returned.
    VmFree { handle: Addr },
    /// Mapping needed a page-table page for this address.
    PageTable { gfp: Gfp, addr: Addr, ok: bool },

    // --- services ---
    /// `nr` pages were mapped from `addr` on, or page tables for them were missing.
    Map { addr: Addr, nr: u32, ok: bool },
    /// `nr` pages from `addr` on are no longer mapped; the TLB may still hold them.
    Unmap { addr: Addr, nr: u32 },

    // --- locks of callers, and waits ---
    /// The running task found a lock of the allocator taken, and waits for it.
    Wait { lock: Lock },
    /// The same for an external lock.
    WaitExt { lock: Ext, shared: bool },
    /// An external lock was taken; `attempt`: by a trylock, which never waits.
    LockExt { lock: Ext, shared: bool, attempt: bool },
    /// An external lock was released by its holder.
    UnlockExt { lock: Ext },

    // --- context, as callers change it ---
    /// `local_irq_disable()` or `local_irq_enable()`.
    Irqs { off: bool },
    /// `preempt_disable()` or `preempt_enable()`.
    Preempt { off: bool },
    /// A hard or soft interrupt starts on top of the running context, or ends.
    Interrupt { hard: bool, enter: bool },

    // --- reclaim ---
    /// Direct reclaim, or kswapd's, starts. `gfp` is what the scopes in force leave of the mask.
    ReclaimBegin { gfp: Gfp, kswapd: bool },
    /// `freed` counts pages.
    ReclaimEnd { freed: u32 },
    /// Reclaim runs the ops of a shrinker of the program, in the context that reclaims.
    ShrinkBegin { shrinker: u8 },
    /// The shrinker has freed one page.
    ShrinkEnd { shrinker: u8 },
    /// kswapd was asleep and is woken.
    WakeKswapd,
    /// The page allocator tries again after reclaim. `rounds` counts the rounds in a row that freed nothing; the kernel
    /// stops at MAX_RECLAIM_RETRIES of them.
    Retry { rounds: u32 },
    /// The OOM killer chose a task of the program, or (None) a process outside it.
    OomKill { victim: Option<u8> },
    /// A page allocation fails because memory is short, not because the fault plan says so; or vmalloc stops asking for
    /// pages, because memory is short and a fatal signal pending.
    NoMemory { gfp: Gfp },

    // --- more services ---
    /// A cache flush before an unmap, or (`unmap` is false) after a map.
    FlushCache { start: Addr, end: Addr, unmap: bool },
    /// Old translations of the range can no longer be used.
    FlushTlb { start: Addr, end: Addr },
    /// `schedule_work()`; `queued` is false when the work item was pending already.
    ScheduleWork { queued: bool },
    /// `obj_cgroup_charge()`, for the copies of all CPUs.
    Charge { objcg: u32, gfp: Gfp, bytes: u64, ok: bool },
    /// `obj_cgroup_uncharge()`, of as much as was charged.
    Uncharge { objcg: u32, bytes: u64 },
    /// Percpu statistics of the memcg change by this.
    MemcgStat { objcg: u32, delta: i64 },
    /// Consecutive clearings of one area's copies, as one event: `addr` and `len` are the first copy's, `cpus` is the
    /// mask of CPUs whose copy was cleared, and `other` counts ranges that are no CPU's copy of it.
    Zero { addr: Addr, len: u32, other: u32, cpus: u64 },

    // --- tracepoints and messages ---
    /// The tracepoint `percpu_alloc_percpu`, with all its fields.
    TraceAlloc(TraceAlloc),
    /// The tracepoint `percpu_alloc_percpu_fail`, hit when the allocation returns NULL.
    TraceAllocFail { reserved: bool, is_atomic: bool, size: u64, align: u64 },
    /// The tracepoint `percpu_free_percpu`, with all its fields.
    TraceFree { base_addr: Addr, off: i32, ptr: Addr },
    /// The tracepoint `percpu_create_chunk`, for a new chunk.
    TraceCreate { base_addr: Addr },
    /// The tracepoint `percpu_destroy_chunk`, before the chunk's memory goes.
    TraceDestroy { base_addr: Addr },
    /// A message or a failed assertion. Its text is for display and never compared; the first three integers among its
    /// arguments are. `nargs` counts all integers.
    Diag { kind: Diag, nargs: u8, args: [u64; 3] },

    // --- defects: what the World saw go wrong, by itself a finding ---
    /// A page was freed that is not allocated.
    BadPageFree { pfn: Pfn },
    /// A page was freed while it is still mapped.
    PageFreedMapped { pfn: Pfn },
    /// An address was mapped or touched while an old translation may still be cached: the TLB flush is missing or late.
    StaleTranslation { addr: Addr },
    /// A mapping was made over a present one.
    MapOverPresent { addr: Addr },
    /// Memory was touched that is not mapped, or an address was mapped that is not in the vmalloc range.
    Fault { addr: Addr },
    /// Metadata was freed that is not allocated.
    BadKvfree { addr: Addr },
    /// A call that may sleep was made in atomic context.
    SleepInAtomic { irqs_off: bool },
    /// A lock was taken by the task that holds it, or (`unlock`) released by one that does not.
    LockMisuse { lock: Lock, unlock: bool },
    /// Memory is freed with a lock in it that the running task holds.
    LockFreed { lock: Lock },
    /// An op or the work item ended in another interrupt, preemption or lock state than it began in. `held` counts
    /// locks.
    ContextLeak { irqs_off: bool, held: u32 },
    /// The program ended here, before its last op.
    Stopped { reason: Stop },
}

/// Why a program ended before its last op.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stop {
    /// `BUG()` or a failed `BUG_ON()`.
    Bug,
    /// `panic()`. During boot it is the documented answer to having no memory.
    Panic,
    /// The tree took a path that the World does not model, so what follows would mean nothing.
    Loud,
    /// All tasks wait for each other, or one takes a lock that it holds.
    Deadlock,
    /// A task retries an allocation for ever, and no other task or kswapd can free memory.
    Stall,
    /// More World calls in one op than the limit: the op loops.
    StepLimit,
    /// A Rust panic inside a World call: a defect of percuss.
    Internal,
}

// A larger event makes each log larger, and each comparison of two logs slower.
const _: () = assert!(size_of::<Event>() <= 48);

/// What an event does with a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockMove {
    // The wait ends with one of the next two.
    Waits,
    Takes,
    // A fatal signal ended a killable wait: the lock is not held.
    GivesUp,
    Releases,
}

impl Event {
    /// What the event does with a lock, and the name of the lock; None for events that are not about a lock. External
    /// locks and the allocator's own do not share names.
    pub fn lock(&self) -> Option<(LockMove, &'static str)> {
        Some(match *self {
            Event::MutexLock { lock, taken: true, .. } => (LockMove::Takes, lock.name()),
            Event::MutexLock { lock, taken: false, .. } => (LockMove::GivesUp, lock.name()),
            Event::SpinLock { lock, .. } => (LockMove::Takes, lock.name()),
            Event::LockExt { lock, .. } => (LockMove::Takes, lock.name()),
            Event::MutexUnlock { lock } | Event::SpinUnlock { lock, .. } => (LockMove::Releases, lock.name()),
            Event::UnlockExt { lock } => (LockMove::Releases, lock.name()),
            Event::Wait { lock } => (LockMove::Waits, lock.name()),
            Event::WaitExt { lock, .. } => (LockMove::Waits, lock.name()),
            events!(flow | context | requests | releases | services | reclaim | traces | defects) => return None,
        })
    }
}

/// A pattern: any event of the classes named, `events!(locks | traces)`.
///
/// No `match` on an [`Event`] has a wildcard arm: a new event must not pass a consumer unseen. Consumers name the
/// classes that are nothing to them, and list the events of every class of which they use one. A new event is then a
/// compile error in each consumer that uses another event of its class, and here until it has a class.
#[macro_export]
macro_rules! events {
    // Which context runs, in which op, and how the program stands.
    (flow) => {
        $crate::event::Event::Boot { .. }
            | $crate::event::Event::Switch { .. }
            | $crate::event::Event::OpBegin { .. }
            | $crate::event::Event::OpEnd { .. }
            | $crate::event::Event::WorkBegin
            | $crate::event::Event::WorkEnd
            | $crate::event::Event::State { .. }
            | $crate::event::Event::Stopped { .. }
    };
    // Locks taken, released and waited for.
    (locks) => {
        $crate::event::Event::MutexLock { .. }
            | $crate::event::Event::MutexUnlock { .. }
            | $crate::event::Event::SpinLock { .. }
            | $crate::event::Event::SpinUnlock { .. }
            | $crate::event::Event::Wait { .. }
            | $crate::event::Event::WaitExt { .. }
            | $crate::event::Event::LockExt { .. }
            | $crate::event::Event::UnlockExt { .. }
    };
    // What the running context may do from here on.
    (context) => {
        $crate::event::Event::CondResched
            | $crate::event::Event::ScopeSave { .. }
            | $crate::event::Event::ScopeRestore { .. }
            | $crate::event::Event::Irqs { .. }
            | $crate::event::Event::Preempt { .. }
            | $crate::event::Event::Interrupt { .. }
    };
    // Requests for memory, which carry a gfp mask and can fail.
    (requests) => {
        $crate::event::Event::Kzalloc { .. }
            | $crate::event::Event::Vmalloc { .. }
            | $crate::event::Event::PageAlloc { .. }
            | $crate::event::Event::VmAreas { .. }
            | $crate::event::Event::PageTable { .. }
            | $crate::event::Event::Charge { .. }
    };
    // Memory given back.
    (releases) => {
        $crate::event::Event::Kvfree { .. }
            | $crate::event::Event::PageFree { .. }
            | $crate::event::Event::VmFree { .. }
            | $crate::event::Event::Uncharge { .. }
    };
    // Other calls of the allocator.
    (services) => {
        $crate::event::Event::Map { .. }
            | $crate::event::Event::Unmap { .. }
            | $crate::event::Event::FlushCache { .. }
            | $crate::event::Event::FlushTlb { .. }
            | $crate::event::Event::Zero { .. }
            | $crate::event::Event::ScheduleWork { .. }
            | $crate::event::Event::MemcgStat { .. }
    };
    // What the World does when memory is short.
    (reclaim) => {
        $crate::event::Event::ReclaimBegin { .. }
            | $crate::event::Event::ReclaimEnd { .. }
            | $crate::event::Event::ShrinkBegin { .. }
            | $crate::event::Event::ShrinkEnd { .. }
            | $crate::event::Event::WakeKswapd
            | $crate::event::Event::Retry { .. }
            | $crate::event::Event::OomKill { .. }
            | $crate::event::Event::NoMemory { .. }
    };
    // What the allocator says of itself: tracepoints and messages.
    (traces) => {
        $crate::event::Event::TraceAlloc(_)
            | $crate::event::Event::TraceAllocFail { .. }
            | $crate::event::Event::TraceFree { .. }
            | $crate::event::Event::TraceCreate { .. }
            | $crate::event::Event::TraceDestroy { .. }
            | $crate::event::Event::Diag { .. }
    };
    // What the World saw go wrong.
    (defects) => {
        $crate::event::Event::BadPageFree { .. }
            | $crate::event::Event::PageFreedMapped { .. }
            | $crate::event::Event::StaleTranslation { .. }
            | $crate::event::Event::MapOverPresent { .. }
            | $crate::event::Event::Fault { .. }
            | $crate::event::Event::BadKvfree { .. }
            | $crate::event::Event::SleepInAtomic { .. }
            | $crate::event::Event::LockMisuse { .. }
            | $crate::event::Event::LockFreed { .. }
            | $crate::event::Event::ContextLeak { .. }
    };
    ($class:ident | $($more:ident)|+) => {
        $crate::events!($class) | $crate::events!($($more)|+)
    };
}

/// Every event has a class, and only one: this fails to compile for a new event, and warns of one that has two.
const _: fn(&Event) = |event| match event {
    events!(flow | locks | context | requests | releases | services | reclaim | traces | defects) => {}
};
