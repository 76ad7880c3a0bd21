// SPDX-License-Identifier: GPL-2.0-only
//! Tasks: context, gfp scopes and the locks they hold.

use percuss_kernel::event::Ext;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Lock, Scope};

/// Locks a task can hold at once.
const HELD: usize = 8;

/// One task as the kernel sees it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Task {
    /// Interrupts are off on its CPU.
    pub irqs_off: bool,
    /// `preempt_disable()` depth, spinlocks not counted.
    pub preempt: u32,
    /// Spinlocks held.
    pub spinning: u32,
    /// External spinlocks held.
    pub ext_spinning: u32,
    /// Interrupt handlers that run on top of it: bit 0 a soft one, bit 1 a hard one.
    pub interrupt: u8,
    /// Interrupt state to go back to.
    pub irqs_before: IrqsBefore,
    /// A fatal signal is pending.
    pub signal: bool,
    /// Its memcg's obj_cgroup, 0 for none: kernel threads have none.
    pub memcg: u32,
    scopes: u8,
    held: [Option<Lock>; HELD],
}

/// Interrupt state before each external lock that turns interrupts off was taken.
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
    /// True when the task must not sleep.
    pub fn atomic(&self) -> bool {
        self.irqs_off || self.preempt > 0 || self.spinning > 0 || self.ext_spinning > 0 || self.interrupt != 0
    }

    /// Scopes in force, as a mask in the order of [`Scope`].
    pub fn scopes(&self) -> u8 {
        self.scopes
    }

    /// Enters a scope; true when it was in force.
    pub fn enter(&mut self, scope: Scope) -> bool {
        let old = self.scopes & bit(scope) != 0;
        self.scopes |= bit(scope);
        old
    }

    /// Puts a scope back to what it was.
    pub fn restore(&mut self, scope: Scope, old: bool) {
        self.scopes = self.scopes & !bit(scope) | if old { bit(scope) } else { 0 };
    }

    /// `current_obj_cgroup()`: an interrupt is nobody's work.
    pub fn pays(&self) -> u32 {
        if self.interrupt == 0 { self.memcg } else { 0 }
    }

    /// `current_gfp_context()`
    pub fn gfp_context(&self, gfp: Gfp) -> Gfp {
        if self.scopes & bit(Scope::Noio) != 0 {
            gfp.without(Gfp::IO | Gfp::FS)
        } else if self.scopes & bit(Scope::Nofs) != 0 {
            gfp.without(Gfp::FS)
        } else {
            gfp
        }
    }

    /// True when the task holds `lock`.
    pub fn holds(&self, lock: Lock) -> bool {
        self.held.contains(&Some(lock))
    }

    /// Locks held, in no order.
    pub fn held(&self) -> impl Iterator<Item = Lock> {
        self.held.iter().flatten().copied()
    }

    /// Notes a lock taken; false when there is no room.
    pub fn took(&mut self, lock: Lock) -> bool {
        match self.held.iter_mut().find(|h| h.is_none()) {
            Some(h) => {
                *h = Some(lock);
                true
            }
            None => false,
        }
    }

    /// Notes a lock released; false when it was not held.
    pub fn released(&mut self, lock: Lock) -> bool {
        match self.held.iter_mut().find(|h| **h == Some(lock)) {
            Some(h) => {
                *h = None;
                true
            }
            None => false,
        }
    }
}
