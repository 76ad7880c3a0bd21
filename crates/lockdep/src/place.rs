// SPDX-License-Identifier: GPL-2.0-only
//! Places in a run, so that reports can say where a lock was taken.
//!
//! The kernel saves a stack at each acquisition. A place is twelve bytes and is copied into every held lock; its
//! call site is looked up only when a report is printed.

/// The kernel function at a place.
///
/// It stands in for a call site where none is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)] // named like the calls
#[serde(rename_all = "snake_case")]
pub enum Call {
    #[default]
    Unknown,
    MutexLock,
    MutexUnlock,
    SpinLock,
    SpinLockIrq,
    SpinLockIrqsave,
    SpinUnlock,
    Lock,
    Trylock,
    Unlock,
    Kzalloc,
    Vmalloc,
    AllocPages,
    GetVmAreas,
    PageTable,
    Reclaim,
    Kswapd,
    ScheduleWork,
    Work,
    Irqs,
    Free,
    OpEnd,
    Sleep,
}

impl Call {
    /// The name of the function in the kernel, or a plain word where several functions share the event.
    pub fn name(self) -> &'static str {
        match self {
            Call::Unknown => "unknown",
            Call::MutexLock => "mutex_lock",
            Call::MutexUnlock => "mutex_unlock",
            Call::SpinLock => "spin_lock",
            Call::SpinLockIrq => "spin_lock_irq",
            Call::SpinLockIrqsave => "spin_lock_irqsave",
            Call::SpinUnlock => "spin_unlock",
            Call::Lock => "lock",
            Call::Trylock => "trylock",
            Call::Unlock => "unlock",
            Call::Kzalloc => "kzalloc",
            Call::Vmalloc => "__vmalloc",
            Call::AllocPages => "alloc_pages_node",
            Call::GetVmAreas => "pcpu_get_vm_areas",
            Call::PageTable => "pte_alloc_kernel",
            Call::Reclaim => "__perform_reclaim",
            Call::Kswapd => "balance_pgdat",
            Call::ScheduleWork => "schedule_work",
            Call::Work => "process_one_work",
            Call::Irqs => "local_irq_enable",
            Call::Free => "kvfree",
            Call::OpEnd => "return",
            Call::Sleep => "might_sleep",
        }
    }
}

/// A place in a run: an event, with the op and the context it belongs to.
///
/// The order of fields matters: places are ordered by event, and the lower of two origins stays in a graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Place {
    pub index: u32,
    /// The op by number, or `u32::MAX` outside of all ops, as in the balance worker.
    pub op: u32,
    /// The context by index: a task, the balance worker or kswapd, which come after all possible tasks.
    pub task: u8,
    pub call: Call,
}

/// Op number of places outside of all ops. Op numbers of programs are far smaller.
pub(super) const NO_OP: u32 = u32::MAX;
