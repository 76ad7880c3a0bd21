// SPDX-License-Identifier: GPL-2.0-only
//! Classes of events, as patterns: a reader of events names those that are nothing to it.

use crate::event::Event;

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
            | $crate::event::Event::Overrun { .. }
            | $crate::event::Event::SleepInAtomic { .. }
            | $crate::event::Event::LockMisuse { .. }
            | $crate::event::Event::LockFreed { .. }
            | $crate::event::Event::ContextLeak { .. }
    };
    // Several classes: the first, then the rest by the same macro.
    ($class:ident | $($more:ident)|+) => {
        $crate::events!($class) | $crate::events!($($more)|+)
    };
}

/// Every event has a class, and only one.
///
/// This fails to compile for a new event, and warns of one that has two.
const _: fn(&Event) = |event| match event {
    events!(flow | locks | context | requests | releases | services | reclaim | traces | defects) => {}
};
