// SPDX-License-Identifier: GPL-2.0-only
//! Which context holds which lock.

use percuss_kernel::event::Ext;
use percuss_kernel::{Addr, Lock};

/// Locks of the allocator that a World tells apart: pcpu_lock, pcpu_alloc_mutex, and sixteen [`Lock::Other`],
/// half of them static and half in allocated memory. No percpu.c has more; those past the last would share its slot.
pub const LOCKS: usize = 18;

/// Locks in allocated memory that can have numbers at once; those that find none free share the last.
pub const NUMBERS: usize = 8;

const EXT_LOCKS: usize = Ext::ALL.len();

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    Taken,
    /// Another context holds it: pause and try again.
    Wait,
    Killed,
    /// The caller holds it already, so it would wait for itself for ever.
    Recursive,
}

/// The index of a lock among [`LOCKS`].
#[inline]
pub fn slot(lock: Lock) -> usize {
    match lock {
        Lock::Pcpu => 0,
        Lock::AllocMutex => 1,
        Lock::Other(n) => (2 + n as usize).min(LOCKS - 1),
    }
}

/// The holders of external locks. A context is a bit of a mask, by its index.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ExtLocks {
    pub exclusive: [Option<u8>; EXT_LOCKS],
    pub shared: [u32; EXT_LOCKS],
    /// Contexts that wait for it exclusively. They keep new readers out, as a queue freeze that has begun does: readers
    /// that come one after the other would else starve them.
    pub wanted: [u32; EXT_LOCKS],
}

impl ExtLocks {
    /// The context that holds `lock`; the first of them when it is held shared.
    pub fn holder(&self, lock: Ext) -> Option<usize> {
        let shared = self.shared[lock as usize];
        let exclusive = self.exclusive[lock as usize].map(usize::from);
        exclusive.or((shared != 0).then(|| shared.trailing_zeros() as usize))
    }
}

/// Addresses of the locks in allocated memory, by number; 0 for a free number. A lock has its number from its first use
/// until its memory is freed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct NamedLocks(pub [Addr; NUMBERS]);

impl NamedLocks {
    /// Stands for the address of a lock that was freed while it was held: its holder still needs the number, but no
    /// memory allocated later must find it.
    pub const GONE: Addr = Addr::MAX;
}
