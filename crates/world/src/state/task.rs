// SPDX-License-Identifier: GPL-2.0-only
//! Tasks: context, gfp scopes and the locks they hold.

use percuss_kernel::event::Ext;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Lock, Scope};

/// Locks of the allocator that a task can hold at once: percpu.c nests two, and a nested op as many.
const HELD: usize = 8;

/// What the kernel knows of a task: what it may do in its context, and what it holds. It counts as running on a CPU of
/// its own.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Task {
    pub irqs_off: bool,
    /// Nesting depth of `preempt_disable()`, spinlocks not counted.
    pub preempt: u32,
    pub spinning: u32,
    pub ext_spinning: u32,
    /// Interrupt handlers that run on top of it, as a mask: bit 0 for a soft one, bit 1 for a hard one.
    pub interrupt: u8,
    pub irqs_before: IrqsBefore,
    pub signal: bool,
    /// Its memcg's obj_cgroup; 0 for none, as kernel threads have.
    pub memcg: u32,
    scopes: u8,
    held: [Option<Lock>; HELD],
}

/// Whether interrupts were off before each external lock was taken, as a mask. Only locks that turn interrupts off use
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct IrqsBefore(u16);

impl IrqsBefore {
    pub fn set(&mut self, lock: Ext, off: bool) {
        self.0 = self.0 & !(1 << lock as u16) | u16::from(off) << lock as u16;
    }

    pub fn get(self, lock: Ext) -> bool {
        self.0 >> lock as u16 & 1 == 1
    }
}

fn bit(scope: Scope) -> u8 {
    1 << scope as u8
}

impl Task {
    #[inline]
    pub fn atomic(&self) -> bool {
        self.irqs_off || self.preempt > 0 || self.spinning > 0 || self.ext_spinning > 0 || self.interrupt != 0
    }

    /// Scopes in force, as a mask in the order of [`Scope`].
    pub fn scopes(&self) -> u8 {
        self.scopes
    }

    /// Enters a scope, as `memalloc_nofs_save()` does. Returns whether it was in force, for [`Task::restore`].
    pub fn enter(&mut self, scope: Scope) -> bool {
        let old = self.scopes & bit(scope) != 0;
        self.scopes |= bit(scope);
        old
    }

    /// Leaves a scope, unless it was in force before.
    pub fn restore(&mut self, scope: Scope, old: bool) {
        self.scopes = self.scopes & !bit(scope) | if old { bit(scope) } else { 0 };
    }

    /// The obj_cgroup that allocations are charged to, `current_obj_cgroup()`: what an interrupt handler allocates is
    /// charged to none.
    pub fn pays(&self) -> u32 {
        if self.interrupt == 0 { self.memcg } else { 0 }
    }

    /// The mask as the scopes in force restrict it, `current_gfp_context()`.
    #[inline]
    pub fn gfp_context(&self, gfp: Gfp) -> Gfp {
        // A NOIO scope forbids file systems, too, so it is looked at first.
        if self.scopes & bit(Scope::Noio) != 0 {
            gfp.without(Gfp::IO | Gfp::FS)
        } else if self.scopes & bit(Scope::Nofs) != 0 {
            gfp.without(Gfp::FS)
        } else {
            gfp
        }
    }

    pub fn holds(&self, lock: Lock) -> bool {
        self.held.contains(&Some(lock))
    }

    pub fn held(&self) -> impl Iterator<Item = Lock> {
        self.held.iter().flatten().copied()
    }

    /// Notes that the lock was taken; false when the task holds too many.
    #[inline]
    pub fn took(&mut self, lock: Lock) -> bool {
        match self.held.iter_mut().find(|h| h.is_none()) {
            Some(h) => {
                *h = Some(lock);
                true
            }
            None => false,
        }
    }

    /// Notes that the lock was released; false when the task did not hold it.
    #[inline]
    pub fn released(&mut self, lock: Lock) -> bool {
        // Locks may be released in any order.
        match self.held.iter_mut().find(|h| **h == Some(lock)) {
            Some(h) => {
                *h = None;
                true
            }
            None => false,
        }
    }
}
