// SPDX-License-Identifier: GPL-2.0-only
//! The op alphabet.

use crate::world::gfp::Gfp;
use crate::world::kernel::Scope;

/// Number of variables that hold per-CPU pointers, shared by all tasks.
pub const VARS: usize = 256;

/// A variable: holds what an `alloc` returned; NULL before and after `free`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Default)]
pub struct Var(pub u8);

/// One step of a task.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // the fields are described with each op
pub enum Op {
    /// `dst = pcpu_alloc(size, align, reserved, gfp)`; what `dst` held before, if live, stays allocated and is lost.
    Alloc { dst: Var, size: u32, align: u32, reserved: bool, gfp: Gfp },
    /// `free_percpu(var)`; NULL is legal; the variable is NULL afterwards.
    Free { var: Var },
    /// Enters a gfp scope (at most 8 deep).
    Enter { scope: Scope },
    /// Leaves the innermost gfp scope.
    Leave,
    /// `preempt_disable()`: atomic context (nests).
    AtomicBegin,
    /// `preempt_enable()`
    AtomicEnd,
    /// `local_irq_disable()` (does not nest)
    IrqOff,
    /// `local_irq_enable()`
    IrqOn,
    /// Runs the balance work item if it is pending.
    Balance,
    /// Makes memcg `id` current; 0 is none (accounting goes nowhere), at most 3.
    Memcg { id: u8 },
    /// Writes a pattern made from `seed` to every CPU's copy; the area is then checked at verify, free and the end.
    Write { var: Var, seed: u8 },
    /// Checks every CPU's copy against what was written (zero after alloc).
    Verify { var: Var },
    /// `__is_kernel_percpu_address(per_cpu_ptr(var, cpu) + delta)`; NULL var asks about the static area.
    IsStatic { var: Var, cpu: u8, delta: u16 },
    /// `per_cpu_ptr_to_phys(per_cpu_ptr(var, cpu) + delta)`; NULL var asks about the static area.
    Phys { var: Var, cpu: u8, delta: u16 },
    /// `pcpu_nr_pages()`
    NrPages,
    /// A fatal signal becomes pending for the task.
    Signal,
}
