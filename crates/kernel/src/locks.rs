// SPDX-License-Identifier: GPL-2.0-only
//! Names of locks, and what is known of each.

use crate::Lock;
use crate::event::Ext;

impl Ext {
    /// A spinlock: whoever holds it must not sleep.
    pub fn spins(self) -> bool {
        matches!(self, Ext::Spin | Ext::IrqSpin | Ext::Rq)
    }

    /// Taken with interrupts off.
    pub fn irqs_off(self) -> bool {
        matches!(self, Ext::IrqSpin | Ext::Rq)
    }

    /// Every lock.
    pub const ALL: [Ext; 9] =
        [Ext::Freeze, Ext::Blkcg, Ext::Shrinker, Ext::Fs, Ext::Io, Ext::Spin, Ext::IrqSpin, Ext::Rq, Ext::VmapPurge];
}

impl Lock {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Lock::Pcpu => "pcpu_lock",
            Lock::AllocMutex => "pcpu_alloc_mutex",
            Lock::Other(_) => "another lock",
        }
    }
}

impl Ext {
    /// The name in reports: what programs call it.
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
