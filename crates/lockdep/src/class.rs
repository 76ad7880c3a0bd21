// SPDX-License-Identifier: GPL-2.0-only
//! Lock classes: the fixed table of everything that takes part in lock order.

use std::sync::Arc;

use percuss_kernel::event::Ext;
use percuss_kernel::{Lock, STATIC_OTHERS};

/// Classes the tables have room for: a set of classes is one word.
pub const CLASSES: usize = 64;

/// Locks of a tenant that are neither `pcpu_lock` nor `pcpu_alloc_mutex`.
const OTHERS: u8 = 16;

/// How a lock waits: the kernel's `enum lockdep_wait_type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Not checked: pseudo locks (`LD_WAIT_INV`).
    None,
    /// `raw_spinlock_t` (`LD_WAIT_SPIN`)
    Spin,
    /// `spinlock_t` (`LD_WAIT_CONFIG`): sleeps on PREEMPT_RT
    Config,
    /// `mutex`, `rwsem` (`LD_WAIT_SLEEP`)
    Sleep,
}

impl Wait {
    /// The kernel's number; with PROVE_RAW_LOCK_NESTING (`raw`) a `spinlock_t` is one of its own.
    pub const fn number(self, raw: bool) -> u8 {
        match self {
            Wait::None => 0,
            Wait::Spin => 2,
            Wait::Config => 2 + raw as u8,
            Wait::Sleep => 3 + raw as u8,
        }
    }

    /// `LD_WAIT_MAX`: nothing restricts.
    pub const fn max(raw: bool) -> u8 {
        4 + raw as u8
    }
}

/// One class of locks, by its place in the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Class(pub(super) u8);

/// What is known of a class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClassDef {
    /// The name in reports.
    pub name: &'static str,
    /// How it waits.
    pub wait: Wait,
}

macro_rules! table {
    ($($(#[$doc:meta])* $id:ident = $at:literal, $name:literal, $wait:ident;)*) => {
        impl Class {
            $($(#[$doc])* pub const $id: Class = Class($at);)*
        }
        /// Classes behind the tenant's own, in order.
        const NAMED: &[(Class, ClassDef)] =
            &[$((Class::$id, ClassDef { name: $name, wait: Wait::$wait }),)*];
    };
}

table! {
    /// `pcpu_lock`
    PCPU_LOCK = 0, "pcpu_lock", Config;
    /// `pcpu_alloc_mutex`
    ALLOC_MUTEX = 1, "pcpu_alloc_mutex", Sleep;
    /// A queue's usage counter. The block layer describes it to lockdep as a semaphore: submitting IO reads, freezing writes.
    FREEZE = 18, "q_usage_counter(io)", None;
    /// `q->blkcg_mutex`
    BLKCG = 19, "&q->blkcg_mutex", Sleep;
    /// `shrinker_rwsem`
    SHRINKER = 20, "shrinker_rwsem", Sleep;
    /// A lock of a file system that its reclaim takes too.
    FS = 21, "fs_lock", Sleep;
    /// A lock of a block driver that IO for reclaim takes too.
    IO = 22, "io_lock", Sleep;
    /// A spinlock of process context.
    SPIN = 23, "spin_lock", Config;
    /// A spinlock that interrupt handlers take too.
    IRQ_SPIN = 24, "irq_lock", Config;
    /// `rq->__lock`
    RQ = 25, "&rq->__lock", Spin;
    /// `vmap_purge_lock`
    VMAP_PURGE = 26, "vmap_purge_lock", Sleep;
    /// What an allocation with `__GFP_FS` may wait for.
    FS_RECLAIM = 27, "fs_reclaim", None;
    /// What any allocation that reclaims may wait for.
    MMU_NOTIFIER = 28, "mmu_notifier_invalidate_range_start", None;
    /// What an allocation with `__GFP_IO` may wait for: ours, the kernel has no such class.
    IO_RECLAIM = 29, "io_reclaim", None;
    /// The lock of a worker pool.
    POOL = 30, "&pool->lock", Spin;
    /// `p->pi_lock`, taken to wake a task.
    PI = 31, "&p->pi_lock", Spin;
    /// The workqueue's map, held while its work runs.
    WQ_EVENTS = 32, "(wq_completion)events", None;
    /// The work item's map, held while it runs.
    BALANCE_WORK = 33, "pcpu_balance_work", None;
}

/// First class that is free for [`ClassTable::with`].
const FIRST_FREE: u8 = 34;
/// Class of the first of the tenant's other locks.
const FIRST_OTHER: u8 = 2;

const OTHER_NAMES: [&str; OTHERS as usize] = [
    "lock 0", "lock 1", "lock 2", "lock 3", "lock 4", "lock 5", "lock 6", "lock 7", "lock 8", "lock 9", "lock 10",
    "lock 11", "lock 12", "lock 13", "lock 14", "lock 15",
];

impl Class {
    /// The class of a tenant's lock.
    #[inline]
    pub fn of(lock: Lock) -> Class {
        match lock {
            Lock::Pcpu => Class::PCPU_LOCK,
            Lock::AllocMutex => Class::ALLOC_MUTEX,
            Lock::Other(n) => Class(FIRST_OTHER + n.min(OTHERS - 1)),
        }
    }

    /// The class of an external lock.
    #[inline]
    pub fn of_ext(lock: Ext) -> Class {
        match lock {
            Ext::Freeze => Class::FREEZE,
            Ext::Blkcg => Class::BLKCG,
            Ext::Shrinker => Class::SHRINKER,
            Ext::Fs => Class::FS,
            Ext::Io => Class::IO,
            Ext::Spin => Class::SPIN,
            Ext::IrqSpin => Class::IRQ_SPIN,
            Ext::Rq => Class::RQ,
            Ext::VmapPurge => Class::VMAP_PURGE,
        }
    }

    /// A set with this class only.
    #[inline]
    pub(super) fn bit(self) -> u64 {
        1 << self.0
    }

    #[inline]
    pub(super) fn at(self) -> usize {
        self.0 as usize % CLASSES
    }

    /// A lock of the tenant: none may be held when an op ends.
    #[inline]
    pub(super) fn is_tenants(self) -> bool {
        self.0 < FIRST_OTHER + OTHERS
    }

    /// A lock that was given its number when it was first used: in another program the number may be another lock's.
    #[inline]
    pub(super) fn is_unstable(self) -> bool {
        (FIRST_OTHER + STATIC_OTHERS..FIRST_OTHER + OTHERS).contains(&self.0)
    }

    /// One of the two maps of reclaim, which are independent of each other.
    #[inline]
    pub(super) fn is_reclaim(self) -> bool {
        self == Class::FS_RECLAIM || self == Class::IO_RECLAIM
    }
}

/// All classes of a set, lowest first.
pub(super) fn classes(mut set: u64) -> impl Iterator<Item = Class> {
    std::iter::from_fn(move || {
        let at = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        (at < CLASSES as u32).then_some(Class(at as u8))
    })
}

/// The table, shared by the engine and its reports.
#[derive(Clone, Debug)]
pub struct ClassTable(Arc<Vec<ClassDef>>);

impl Default for ClassTable {
    fn default() -> ClassTable {
        ClassTable::with(&[]).0
    }
}

impl ClassTable {
    /// The table with classes of the caller's behind the fixed ones, and where those are. What has no room is left out.
    pub fn with(extra: &[ClassDef]) -> (ClassTable, Vec<Class>) {
        let mut defs = vec![ClassDef { name: "", wait: Wait::None }; FIRST_FREE as usize];
        for (n, name) in OTHER_NAMES.iter().enumerate() {
            // Which kind of lock it is shows at its first use.
            defs[FIRST_OTHER as usize + n] = ClassDef { name, wait: Wait::None };
        }
        for (class, def) in NAMED {
            defs[class.at()] = *def;
        }
        defs.extend(extra.iter().take(CLASSES - FIRST_FREE as usize));
        let added = (FIRST_FREE..defs.len() as u8).map(Class).collect();
        (ClassTable(Arc::new(defs)), added)
    }

    /// The name in reports.
    pub fn name(&self, class: Class) -> &'static str {
        self.0.get(class.at()).map_or("", |d| d.name)
    }

    /// How locks of the class wait.
    pub fn wait(&self, class: Class) -> Wait {
        self.0.get(class.at()).map_or(Wait::None, |d| d.wait)
    }

    /// The class of this name.
    pub fn find(&self, name: &str) -> Option<Class> {
        self.0.iter().position(|d| d.name == name).map(|at| Class(at as u8))
    }
}
