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
    // `pcpu_get_vm_areas()`: address space for a whole chunk, all groups at once.
    // Page tables are made while pages are mapped, not when the address space is reserved.
    PageTables,
    // The charge to a memcg, which refuses instead of reclaiming when the plan says so.
    Charge,
    // Memory at boot, when there is no other allocator yet.
    Memblock,
}

impl Site {
    /// All sites in the order of their declaration, with their names in text programs.
    ///
    /// The byte form of programs has the index, so a new site goes to the end.
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
    ///
    /// A queue that is frozen under a lock waits for IO in flight, and IO for reclaim waits for the queue.
    Freeze,
    /// A mutex of the block cgroup configuration, `q->blkcg_mutex`.
    Blkcg,
    /// `shrinker_rwsem`: exclusive while a shrinker is registered; reclaim tries to take it shared.
    Shrinker,
    Fs,
    Io,
    Spin,
    /// A spinlock that is taken with interrupts off, by interrupt handlers too: what is done under it must not sleep.
    IrqSpin,
    /// `rq->__lock` of the scheduler, a raw spinlock.
    ///
    /// Waking a task takes it, so it must not be held around whatever wakes one, such as queueing work.
    Rq,
    /// `vmap_purge_lock`, taken when address space runs out and lazily freed areas are collected.
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
    // Contexts are numbered as in `context.rs`, ops by `op_number()`. No other event repeats these numbers.
    /// Boot ended. The digest is one of the layout and of what is left of memblock; `error` is that of the function
    /// that builds the first chunk, negative, or 0.
    Boot {
        digest: u64,
        error: i32,
    },
    Switch {
        task: u8,
    },
    OpBegin {
        op: u32,
    },
    /// `result` is what the op returned: a pointer, a number or an answer, 0 for ops that return nothing.
    OpEnd {
        op: u32,
        result: u64,
    },
    /// The worker starts its work item, in the World's call of [`Tenant::balance`](crate::Tenant::balance).
    ///
    /// The worker is a context of its own: no [`Event::Switch`] says that it runs.
    WorkBegin,
    /// The work item ended, and the context that was left at [`Event::WorkBegin`] goes on.
    WorkEnd,
    /// Digest of the whole allocator state. It is taken now and then between two ops, and once after the drain, because
    /// the digests in [`Event::SpinUnlock`] only cover what was touched.
    State {
        digest: u64,
    },

    // --- locks ---
    // The World logs a lock when the task has it, so that the order of the events is the order of the holders. A task
    // that finds it taken logs a wait before.
    /// `taken` is false when a fatal signal ended a killable wait.
    MutexLock {
        lock: Lock,
        killable: bool,
        taken: bool,
    },
    MutexUnlock {
        lock: Lock,
    },
    SpinLock {
        lock: Lock,
        irq: Irq,
    },
    /// For `pcpu_lock`, `digest` is one of the state that changed under it; see [`digest`](crate::digest).
    ///
    /// It is what makes lockstep notice a difference in state before a result shows it.
    SpinUnlock {
        lock: Lock,
        irq: Irq,
        digest: u64,
    },

    // --- context ---
    // These are calls of the allocator. The scopes and points of scheduling are compared between tenants like any other
    // call, as masks and deadlocks follow from them.
    CondResched,
    /// A `memalloc_*_save()`; `old` is what it returned, whether the scope was in force.
    ScopeSave {
        scope: Scope,
        old: bool,
    },
    /// The restore that belongs to it, with the `old` it was given.
    ScopeRestore {
        scope: Scope,
        old: bool,
    },

    // --- requests and releases: 0 or None for what was not granted ---
    // A request is logged once, with its result, after all that reclaim did for it. The mask is the one that the
    // allocator passed, before the scopes in force took anything out.
    Kzalloc {
        size: u64,
        gfp: Gfp,
        addr: Addr,
    },
    Vmalloc {
        size: u64,
        gfp: Gfp,
        addr: Addr,
    },
    Kvfree {
        addr: Addr,
    },
    PageAlloc {
        node: u32,
        gfp: Gfp,
        pfn: Option<Pfn>,
    },
    PageFree {
        pfn: Pfn,
    },
    /// `pcpu_get_vm_areas()`: `base` is what the offsets of the areas count from.
    VmAreas {
        align: u64,
        gfp: Gfp,
        base: Addr,
    },
    /// `pcpu_free_vm_areas()`: `handle` stands for the array of areas that the reservation returned.
    VmFree {
        handle: Addr,
    },
    /// Mapping needed a page-table page for this address, which is memory like any other: it can fail and may reclaim.
    PageTable {
        gfp: Gfp,
        addr: Addr,
        ok: bool,
    },

    // --- services ---
    // Ranges are logged as such: a page each would make long logs of one call.
    /// `nr` pages were mapped from `addr` on, or page tables for them were missing.
    Map {
        addr: Addr,
        nr: u32,
        ok: bool,
    },
    Unmap {
        addr: Addr,
        nr: u32,
    },

    // --- locks of callers, and waits ---
    // Ops of the program take and release these around calls of the allocator. They are not the tenant's doing, but a
    // deadlock with the allocator needs both.
    /// The running task found a lock of the allocator taken, and waits for it.
    ///
    /// Lock order is checked here, since a task in a deadlock never gets the lock.
    Wait {
        lock: Lock,
    },
    WaitExt {
        lock: Ext,
        shared: bool,
    },
    /// `attempt` is for a trylock, which never waits, and which is not logged when it fails.
    LockExt {
        lock: Ext,
        shared: bool,
        attempt: bool,
    },
    UnlockExt {
        lock: Ext,
    },

    // --- context, as callers change it ---
    // The allocator may be called with interrupts or preemption off, or from a handler, and then must not sleep.
    Irqs {
        off: bool,
    },
    Preempt {
        off: bool,
    },
    Interrupt {
        hard: bool,
        enter: bool,
    },

    // --- reclaim ---
    // What the World does when a request finds too little memory, in programs that have a memory. It is between the
    // events of the request, and its counts are in pages.
    /// Direct reclaim, or kswapd's, starts. `gfp` is what the scopes in force leave of the mask.
    ReclaimBegin {
        gfp: Gfp,
        kswapd: bool,
    },
    ReclaimEnd {
        freed: u32,
    },
    /// Reclaim runs the ops of a shrinker of the program, in the context that reclaims.
    ///
    /// The ops may take locks and free percpu memory, which is how reclaim comes to depend on the allocator.
    ShrinkBegin {
        shrinker: u8,
    },
    ShrinkEnd {
        shrinker: u8,
    },
    WakeKswapd,
    /// The page allocator tries again after reclaim. `rounds` counts the rounds in a row that freed nothing; the kernel
    /// stops at MAX_RECLAIM_RETRIES of them.
    Retry {
        rounds: u32,
    },
    /// The OOM killer chose a task of the program, or (None) a process outside it.
    ///
    /// The victim then has a fatal signal pending, which ends its killable waits.
    OomKill {
        victim: Option<u8>,
    },
    /// A page allocation fails because memory is short, not because the fault plan says so; or vmalloc stops asking for
    /// pages, because memory is short and a fatal signal pending.
    NoMemory {
        gfp: Gfp,
    },

    // --- more services ---
    // A flush that is missing does no harm at once, in the kernel either. That is why the World keeps old translations,
    // and reports their use as a defect.
    /// A cache flush before an unmap, or (`unmap` is false) after a map.
    FlushCache {
        start: Addr,
        end: Addr,
        unmap: bool,
    },
    FlushTlb {
        start: Addr,
        end: Addr,
    },
    /// `schedule_work()`; `queued` is false when the work item was pending already.
    ScheduleWork {
        queued: bool,
    },
    /// `obj_cgroup_charge()`, for the copies of all CPUs.
    Charge {
        objcg: u32,
        gfp: Gfp,
        bytes: u64,
        ok: bool,
    },
    Uncharge {
        objcg: u32,
        bytes: u64,
    },
    MemcgStat {
        objcg: u32,
        delta: i64,
    },
    /// Consecutive clearings of one area's copies, as one event: `addr` and `len` are the first copy's, `cpus` is the
    /// mask of CPUs whose copy was cleared, and `other` counts ranges that are no CPU's copy of it.
    Zero {
        addr: Addr,
        len: u32,
        other: u32,
        cpus: u64,
    },

    // --- tracepoints and messages ---
    // What a user of the kernel would see of the allocator. Messages of the two tenants differ in words, tracepoints
    // have the same fields.
    TraceAlloc(TraceAlloc),
    TraceAllocFail {
        reserved: bool,
        is_atomic: bool,
        size: u64,
        align: u64,
    },
    TraceFree {
        base_addr: Addr,
        off: i32,
        ptr: Addr,
    },
    TraceCreate {
        base_addr: Addr,
    },
    TraceDestroy {
        base_addr: Addr,
    },
    /// A message or a failed assertion. Its text is for display and never compared; the first three integers among its
    /// arguments are. `nargs` counts all integers.
    Diag {
        kind: Diag,
        nargs: u8,
        args: [u64; 3],
    },

    // --- defects: what the World saw go wrong, by itself a finding ---
    // In a kernel these corrupt memory or hang a machine, sooner or later. No second tenant is needed to know that they
    // are wrong.
    BadPageFree {
        pfn: Pfn,
    },
    /// A page was freed while it is still mapped: the next owner would share it with the chunk.
    PageFreedMapped {
        pfn: Pfn,
    },
    /// An address was mapped or touched while an old translation may still be cached: the TLB flush is missing or late.
    StaleTranslation {
        addr: Addr,
    },
    MapOverPresent {
        addr: Addr,
    },
    /// Memory was touched that is not mapped, or an address was mapped that is not in the vmalloc range.
    Fault {
        addr: Addr,
    },
    BadKvfree {
        addr: Addr,
    },
    /// Memory beyond an allocation of metadata was written: the byte `at` bytes after its end is the first that differs
    /// from the red zone. It is logged when the memory is freed, or when the boot or the program has ended.
    Overrun {
        addr: Addr,
        size: u64,
        at: u64,
    },
    /// A call that may sleep was made in atomic context; `irqs_off` says whether interrupts were off, else preemption
    /// was or a spinlock is held.
    SleepInAtomic {
        irqs_off: bool,
    },
    /// A lock was taken by the task that holds it, or (`unlock`) released by one that does not.
    LockMisuse {
        lock: Lock,
        unlock: bool,
    },
    LockFreed {
        lock: Lock,
    },
    /// An op or the work item ended in another interrupt, preemption or lock state than it began in. `held` counts
    /// locks.
    ContextLeak {
        irqs_off: bool,
        held: u32,
    },
    Stopped {
        reason: Stop,
    },
}

/// Why a program ended before its last op.
///
/// All but [`Stop::Loud`] and [`Stop::Internal`] are what the kernel would do or suffer, so tenants must agree on them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stop {
    Bug,
    /// `panic()`. During boot it is the documented answer to having no memory.
    Panic,
    /// The tree took a path that the World does not model, so what follows would mean nothing.
    Loud,
    /// All tasks wait for each other, or one takes a lock that it holds. The lock-order engine reports which.
    Deadlock,
    /// A task retries an allocation for ever, and no other task or kswapd can free memory.
    Stall,
    /// More World calls in one op than the limit: the op loops. A loop without a call is ended by a time limit instead.
    StepLimit,
    /// A Rust panic inside a World call: a defect of percuss.
    Internal,
}

// A larger event makes each log larger, and each comparison of two logs slower.
const _: () = assert!(size_of::<Event>() <= 48);

/// What an event does with a lock, for readers that follow holders and waiters.
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
            // A killable wait that a signal ended is a move of its own: the waiter is gone, and does not hold the lock.
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
