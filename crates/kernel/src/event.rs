// SPDX-License-Identifier: GPL-2.0-only
//! Events: what the World saw a tenant do. Two tenants agree when their event streams are equal.

use super::gfp::Gfp;
use super::{Addr, Diag, Irq, Lock, Pfn, Scope, TraceAlloc};
use crate::events;

/// A backing site at which an allocation can be made to fail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Site {
    /// `kzalloc` of metadata up to a page
    Kmalloc,
    /// `__vmalloc` of larger metadata
    Vmalloc,
    /// backing pages
    Pages,
    /// `pcpu_get_vm_areas`
    VmAreas,
    /// a page-table page while mapping
    PageTables,
    /// `obj_cgroup_charge`
    Charge,
    /// memblock, at boot
    Memblock,
}

impl Site {
    /// All sites with their names in text programs.
    pub const ALL: [(Site, &'static str); 7] = [
        (Site::Kmalloc, "kmalloc"),
        (Site::Vmalloc, "vmalloc"),
        (Site::Pages, "pages"),
        (Site::VmAreas, "vmareas"),
        (Site::PageTables, "pagetables"),
        (Site::Charge, "charge"),
        (Site::Memblock, "memblock"),
    ];

    /// The name in text programs.
    pub fn name(self) -> &'static str {
        Site::ALL[self as usize].1
    }
}

/// A lock that is not the allocator's: one its callers hold around calls, or one that reclaim or the scheduler takes.
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

/// One thing a tenant did, or had done to it. Addresses are relative to the arena.
///
/// At most 48 bytes and `Copy`: the log is a flat array that is compared as such.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the fields' names are the kernel's parameter names
pub enum Event {
    /// Boot ended: digest of layout and of what is left of memblock, or the error of the builder.
    Boot { digest: u64, error: i32 },
    /// The task with this index runs from here on.
    Switch { task: u8 },
    /// An op starts.
    OpBegin { op: u32 },
    /// An op ended with this result (pointer, answer, 0).
    OpEnd { op: u32, result: u64 },
    /// The work item starts / ends on a worker.
    WorkBegin,
    /// See [`Event::WorkBegin`].
    WorkEnd,
    /// Digest of the whole allocator state.
    State { digest: u64 },
    /// mutex taken (or not: killed while waiting)
    MutexLock { lock: Lock, killable: bool, taken: bool },
    /// mutex released
    MutexUnlock { lock: Lock },
    /// spinlock taken
    SpinLock { lock: Lock, irq: Irq },
    /// spinlock released; digest of what changed, for `pcpu_lock`
    SpinUnlock { lock: Lock, irq: Irq, digest: u64 },
    /// `cond_resched()`
    CondResched,
    /// gfp scope entered
    ScopeSave { scope: Scope, old: bool },
    /// gfp scope left
    ScopeRestore { scope: Scope, old: bool },
    /// `kzalloc`: address, or 0
    Kzalloc { size: u64, gfp: Gfp, addr: Addr },
    /// `__vmalloc`: address, or 0
    Vmalloc { size: u64, gfp: Gfp, addr: Addr },
    /// `kvfree`
    Kvfree { addr: Addr },
    /// backing page
    PageAlloc { node: u32, gfp: Gfp, pfn: Option<Pfn> },
    /// backing page given back
    PageFree { pfn: Pfn },
    /// vm areas reserved: base, or 0
    VmAreas { align: u64, gfp: Gfp, base: Addr },
    /// vm areas given back, by handle
    VmFree { handle: Addr },
    /// a page-table page was needed
    PageTable { gfp: Gfp, addr: Addr, ok: bool },
    /// pages mapped
    Map { addr: Addr, nr: u32, ok: bool },
    /// pages unmapped
    Unmap { addr: Addr, nr: u32 },
    /// The running task found a lock of the allocator taken, and waits for it.
    Wait { lock: Lock },
    /// An external lock was found taken; the running task waits for it.
    WaitExt { lock: Ext, shared: bool },
    /// external lock taken; `attempt` when it is one that does not wait
    LockExt { lock: Ext, shared: bool, attempt: bool },
    /// external lock released
    UnlockExt { lock: Ext },
    /// `local_irq_disable()` or `local_irq_enable()` by the caller
    Irqs { off: bool },
    /// `preempt_disable()` or `preempt_enable()` by the caller
    Preempt { off: bool },
    /// A hard or soft interrupt starts on top of the running task, or ends.
    Interrupt { hard: bool, enter: bool },
    /// Direct reclaim, or kswapd's, starts. `gfp` is what the scopes in force leave of the mask.
    ReclaimBegin { gfp: Gfp, kswapd: bool },
    /// Reclaim ends, having freed this many pages.
    ReclaimEnd { freed: u32 },
    /// A shrinker of the program starts to run.
    ShrinkBegin { shrinker: u8 },
    /// See [`Event::ShrinkBegin`].
    ShrinkEnd { shrinker: u8 },
    /// kswapd was asleep and is woken.
    WakeKswapd,
    /// The page allocator goes round again; rounds in a row that freed nothing.
    Retry { rounds: u32 },
    /// The OOM killer chose a task, or (None) a process that is none of the program's.
    OomKill { victim: Option<u8> },
    /// A page allocation fails for want of memory, not by the fault plan; or vmalloc asks for no more pages, because
    /// memory is short and a fatal signal pending.
    NoMemory { gfp: Gfp },
    /// cache flush before unmap (or after map)
    FlushCache { start: Addr, end: Addr, unmap: bool },
    /// TLB flush
    FlushTlb { start: Addr, end: Addr },
    /// work queued (or it was pending already)
    ScheduleWork { queued: bool },
    /// memcg charge
    Charge { objcg: u32, gfp: Gfp, bytes: u64, ok: bool },
    /// memcg uncharge
    Uncharge { objcg: u32, bytes: u64 },
    /// memcg statistics
    MemcgStat { objcg: u32, delta: i64 },
    /// zeroing of the same range on a set of CPUs; `other` counts ranges that are no CPU's copy of the first
    Zero { addr: Addr, len: u32, other: u32, cpus: u64 },
    /// `percpu_alloc_percpu`
    TraceAlloc(TraceAlloc),
    /// `percpu_alloc_percpu_fail`
    TraceAllocFail { reserved: bool, is_atomic: bool, size: u64, align: u64 },
    /// `percpu_free_percpu`
    TraceFree { base_addr: Addr, off: i32, ptr: Addr },
    /// `percpu_create_chunk`
    TraceCreate { base_addr: Addr },
    /// `percpu_destroy_chunk`
    TraceDestroy { base_addr: Addr },
    /// message or failed assertion; the first three integers among its arguments
    Diag { kind: Diag, nargs: u8, args: [u64; 3] },
    /// a page was freed that was not allocated
    BadPageFree { pfn: Pfn },
    /// a page was freed while still mapped
    PageFreedMapped { pfn: Pfn },
    /// an address was mapped or touched while an old translation may still be cached
    StaleTranslation { addr: Addr },
    /// a mapping was made over a present one
    MapOverPresent { addr: Addr },
    /// memory was touched that is not mapped
    Fault { addr: Addr },
    /// metadata was freed that is not allocated
    BadKvfree { addr: Addr },
    /// a sleeping call in atomic context
    SleepInAtomic { irqs_off: bool },
    /// lock misuse: recursive take, or release of what is not held
    LockMisuse { lock: Lock, unlock: bool },
    /// memory is freed with a lock in it that the running task holds
    LockFreed { lock: Lock },
    /// an op ended in another irq, preemption or lock state than it began
    ContextLeak { irqs_off: bool, held: u32 },
    /// the program ended here: step limit, deadlock
    Stopped { reason: Stop },
}

/// Why a program ended before its last op.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stop {
    /// `BUG()`
    Bug,
    /// `panic()`
    Panic,
    /// A path that is not modelled.
    Loud,
    /// All tasks wait for each other.
    Deadlock,
    /// A task retries an allocation that nobody can help.
    Stall,
    /// More World calls in one op than the limit.
    StepLimit,
    /// A Rust panic inside a World call: a defect of percuss.
    Internal,
}

const _: () = assert!(size_of::<Event>() <= 48);

/// What an event does with a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockMove {
    /// Found it taken, and waits.
    Waits,
    /// Took it.
    Takes,
    /// Waited for it, and was killed.
    GivesUp,
    /// Released it.
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
