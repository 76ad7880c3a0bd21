// SPDX-License-Identifier: GPL-2.0-only
//! The external locks that a program may take, and the order in which it takes them.

use percuss_kernel::event::Ext;

/// An external lock in one of its modes: a lock of another subsystem that a caller of the allocator holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HeldLock {
    pub lock: Ext,
    /// Held for reading.
    ///
    /// Only the queue freeze has a shared side: IO in flight.
    pub shared: bool,
}

/// The locks a program may take, outermost first.
///
/// A task may take them in this order only (rule 11 of the contract). A program that took them in two orders would
/// deadlock without any help of the allocator, and the finding would be the program's own.
pub const LOCKS: [(HeldLock, &str); 8] = [
    (HeldLock { lock: Ext::Freeze, shared: false }, "freeze"),
    (HeldLock { lock: Ext::Freeze, shared: true }, "submit"),
    (HeldLock { lock: Ext::Blkcg, shared: false }, "blkcg"),
    (HeldLock { lock: Ext::Shrinker, shared: false }, "shrinker"),
    (HeldLock { lock: Ext::Fs, shared: false }, "fs"),
    (HeldLock { lock: Ext::Io, shared: false }, "io"),
    (HeldLock { lock: Ext::Spin, shared: false }, "spin"),
    (HeldLock { lock: Ext::IrqSpin, shared: false }, "irq-spin"),
];

impl HeldLock {
    /// Position in [`LOCKS`]: the bit of the lock in masks of held locks, and its code in the byte form.
    pub fn index(self) -> usize {
        LOCKS.iter().position(|(l, _)| *l == self).unwrap_or(0)
    }

    /// True for spinlocks: their holder is in atomic context and must not sleep.
    pub fn spins(self) -> bool {
        matches!(self.lock, Ext::Spin | Ext::IrqSpin | Ext::Rq)
    }
}
