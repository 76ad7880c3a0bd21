// SPDX-License-Identifier: GPL-2.0-only
//! Places in a run, for reports.

/// What was called, for reports without call sites.
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
    /// The kernel function.
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

/// A place in a run: which event, of which op, in which task, and what it called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// Index of the event.
    pub index: u32,
    /// The op, `u32::MAX` outside of all.
    pub op: u32,
    /// The task; the worker and kswapd come behind those of the program.
    pub task: u8,
    /// What was called.
    pub call: Call,
}

/// Number of no op.
pub(super) const NO_OP: u32 = u32::MAX;
