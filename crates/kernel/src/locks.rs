// SPDX-License-Identifier: GPL-2.0-only
//! Names of locks, and the context that each needs.

use crate::Lock;
use crate::event::Ext;

impl Ext {
    pub const ALL: [Ext; 9] =
        [Ext::Freeze, Ext::Blkcg, Ext::Shrinker, Ext::Fs, Ext::Io, Ext::Spin, Ext::IrqSpin, Ext::Rq, Ext::VmapPurge];

    /// The task that holds a spinlock must not sleep, so it may not call anything that does.
    pub fn spins(self) -> bool {
        matches!(self, Ext::Spin | Ext::IrqSpin | Ext::Rq)
    }

    /// The lock is taken with interrupts off, so that no handler on that CPU interrupts the task that holds it.
    pub fn irqs_off(self) -> bool {
        matches!(self, Ext::IrqSpin | Ext::Rq)
    }

    /// The name in programs and in reports, so that a report can be read beside its program.
    pub fn name(self) -> &'static str {
        match self {
            Ext::Freeze => "freeze",
            Ext::Blkcg => "blkcg",
            Ext::Shrinker => "shrinker",
            Ext::Fs => "fs",
            Ext::Io => "io",
            Ext::Spin => "spin",
            Ext::IrqSpin => "irq-spin",
            Ext::Rq => "rq",
            Ext::VmapPurge => "vmap_purge_lock",
        }
    }
}

impl Lock {
    /// The name in reports. Locks that a patch adds have no name in an image, only a number.
    pub fn name(self) -> &'static str {
        match self {
            Lock::Pcpu => "pcpu_lock",
            Lock::AllocMutex => "pcpu_alloc_mutex",
            // A number would mean nothing to a reader, and may stand for another lock in another program.
            Lock::Other(_) => "another lock",
        }
    }
}
