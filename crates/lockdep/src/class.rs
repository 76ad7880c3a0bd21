// SPDX-License-Identifier: GPL-2.0-only
//! Lock classes: the table of everything that takes part in lock order.
//!
//! The kernel registers classes as it meets locks. Here nearly all are known in advance, so a class is a small number
//! and a set of classes one machine word, which makes the graph search fast.

use std::sync::Arc;

use percuss_kernel::event::Ext;
use percuss_kernel::{Lock, STATIC_OTHERS};

/// Number of classes that the tables have room for.
///
/// It is the number of bits of a `u64`, since a set of classes is one word: more would make each step of the search
/// slower. 34 numbers are fixed; the rest is room for [`Options::extra`](super::Options).
pub const CLASSES: usize = 64;

/// Locks of a tenant that are neither `pcpu_lock` nor `pcpu_alloc_mutex`.
///
/// Trees have a few; what is beyond shares the last class.
const OTHERS: u8 = 16;

/// How a lock waits: the kernel's `enum lockdep_wait_type`.
///
/// A lock must not be taken in a context that allows less waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Pseudo locks, which are not checked (`LD_WAIT_INV`).
    None,
    /// `raw_spinlock_t`, which spins in every configuration (`LD_WAIT_SPIN`).
    Spin,
    /// `spinlock_t` (`LD_WAIT_CONFIG`), which sleeps on PREEMPT_RT and spins otherwise.
    Config,
    /// `mutex` and `rw_semaphore`, which put the task to sleep (`LD_WAIT_SLEEP`).
    Sleep,
}

impl Wait {
    /// The kernel's number, larger for longer waits.
    ///
    /// Only with CONFIG_PROVE_RAW_LOCK_NESTING (`raw`) does a `spinlock_t` have a number of its own; otherwise it
    /// counts as a raw one.
    pub const fn number(self, raw: bool) -> u8 {
        match self {
            Wait::None => 0,
            Wait::Spin => 2,
            Wait::Config => 2 + raw as u8,
            Wait::Sleep => 3 + raw as u8,
        }
    }

    /// The number of a context without restriction (`LD_WAIT_MAX`): larger than that of any lock, so that a task which
    /// holds nothing may take every lock.
    pub const fn max(raw: bool) -> u8 {
        4 + raw as u8
    }
}

/// One class of locks, by its index in the table.
///
/// The fixed numbers never leave the process, so they may change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Class(pub(super) u8);

/// A row of the table: what the kernel's `lock_class` knows before the first acquisition.
///
/// The name identifies the class in reports and graphs, so it must be unique in one table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClassDef {
    pub name: &'static str,
    pub wait: Wait,
}

macro_rules! table {
    ($($(#[$doc:meta])* $id:ident = $at:literal, $name:literal, $wait:ident;)*) => {
        impl Class {
            $($(#[$doc])* pub const $id: Class = Class($at);)*
        }
        /// The classes with a constant of their own. The tenant's other locks lie between them and are not listed here.
        const NAMED: &[(Class, ClassDef)] =
            &[$((Class::$id, ClassDef { name: $name, wait: Wait::$wait }),)*];
    };
}

table! {
    PCPU_LOCK = 0, "pcpu_lock", Config;
    ALLOC_MUTEX = 1, "pcpu_alloc_mutex", Sleep;
    /// A queue's usage counter.
    ///
    /// The block layer describes it to lockdep as a semaphore: submitting IO reads, freezing the queue writes. It has
    /// no wait type: `lockdep_init_map()` gives it none.
    FREEZE = 18, "q_usage_counter(io)", None;
    BLKCG = 19, "&q->blkcg_mutex", Sleep;
    SHRINKER = 20, "shrinker_rwsem", Sleep;
    /// A lock of a file system that the file system's reclaim takes too.
    ///
    /// It stands for the locks of all file systems: a task that allocates under it with `__GFP_FS` may wait for itself.
    FS = 21, "fs_lock", Sleep;
    /// A lock of a block driver that IO for reclaim takes too.
    ///
    /// A task that allocates under it with `__GFP_IO` may wait for a write that needs this lock.
    IO = 22, "io_lock", Sleep;
    SPIN = 23, "spin_lock", Config;
    /// A spinlock that interrupt handlers take too.
    ///
    /// Process context takes it with `spin_lock_irqsave()`, as otherwise the handler could spin on the CPU of the
    /// holder.
    IRQ_SPIN = 24, "irq_lock", Config;
    RQ = 25, "&rq->__lock", Spin;
    VMAP_PURGE = 26, "vmap_purge_lock", Sleep;
    /// What an allocation with `__GFP_FS` may wait for: `__fs_reclaim_map` of mm/page_alloc.c.
    ///
    /// It is a pseudo lock. An allocation that may reclaim takes and releases it, and reclaim holds it while it runs.
    FS_RECLAIM = 27, "fs_reclaim", None;
    /// What any allocation with direct reclaim may wait for: MMU notifiers of the mappings that reclaim unmaps.
    ///
    /// The kernel passes it in `fs_reclaim_acquire()`, whatever the mask allows of file systems and IO.
    MMU_NOTIFIER = 28, "mmu_notifier_invalidate_range_start", None;
    /// What an allocation with `__GFP_IO` may wait for.
    ///
    /// The kernel has no such class, so lockdep cannot see a `GFP_NOFS` allocation that waits for IO under a lock that
    /// IO needs. Headlines of cycles through it begin with `percuss:`.
    IO_RECLAIM = 29, "io_reclaim", None;
    /// The lock of a worker pool. `queue_work()` takes it whatever the caller holds, so work must not be queued under a
    /// lock that the scheduler takes.
    POOL = 30, "&pool->lock", Spin;
    /// `p->pi_lock`, which `try_to_wake_up()` takes.
    ///
    /// Waking the worker goes through it to the lock of a run queue.
    PI = 31, "&p->pi_lock", Spin;
    /// The lockdep map of the workqueue, held while its work runs.
    ///
    /// A task that flushes the queue waits for it, so a lock that the work takes must not be held there.
    WQ_EVENTS = 32, "(wq_completion)events", None;
    /// The lockdep map of the work item, held while the item runs (`process_one_work()`).
    BALANCE_WORK = 33, "pcpu_balance_work", None;
}

/// First class number that is free for [`ClassTable::with`]; it follows the last number of the table above.
const FIRST_FREE: u8 = 34;
const FIRST_OTHER: u8 = 2;

const OTHER_NAMES: [&str; OTHERS as usize] = [
    "lock 0", "lock 1", "lock 2", "lock 3", "lock 4", "lock 5", "lock 6", "lock 7", "lock 8", "lock 9", "lock 10",
    "lock 11", "lock 12", "lock 13", "lock 14", "lock 15",
];

impl Class {
    /// The class of a lock of the tenant: of mm/percpu.c itself, as opposed to locks of its callers.
    ///
    /// Other locks keep the number that the World gave them; those beyond the room of the table share its last class,
    /// which may then show cycles that are none.
    #[inline]
    pub fn of(lock: Lock) -> Class {
        match lock {
            Lock::Pcpu => Class::PCPU_LOCK,
            Lock::AllocMutex => Class::ALLOC_MUTEX,
            Lock::Other(n) => Class(FIRST_OTHER + n.min(OTHERS - 1)),
        }
    }

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

    #[inline]
    pub(super) fn bit(self) -> u64 {
        1 << self.0
    }

    #[inline]
    pub(super) fn at(self) -> usize {
        // The modulus lets the compiler drop the bounds check of every table; a class number is below CLASSES anyway.
        self.0 as usize % CLASSES
    }

    /// True for locks of the tenant, none of which may be held when an op ends.
    ///
    /// Locks of callers may: a program takes one in one op and releases it in another.
    #[inline]
    pub(super) fn is_tenants(self) -> bool {
        self.0 < FIRST_OTHER + OTHERS
    }

    /// True for a lock that got its number at its first use.
    ///
    /// In another program the number may be another lock's, so its dependencies must not be merged across programs.
    #[inline]
    pub(super) fn is_unstable(self) -> bool {
        (FIRST_OTHER + STATIC_OTHERS..FIRST_OTHER + OTHERS).contains(&self.0)
    }

    /// True for the two maps of reclaim, between which no order counts: they are taken and released together.
    #[inline]
    pub(super) fn is_reclaim(self) -> bool {
        self == Class::FS_RECLAIM || self == Class::IO_RECLAIM
    }
}

pub(super) fn classes(mut set: u64) -> impl Iterator<Item = Class> {
    std::iter::from_fn(move || {
        // An empty set has 64 trailing zeros, which ends the iteration; `wrapping_sub` keeps zero from overflowing.
        let at = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        (at < CLASSES as u32).then_some(Class(at as u8))
    })
}

/// The table of classes.
///
/// Reports share it with the engine, as they outlive a run.
#[derive(Clone, Debug)]
pub struct ClassTable(Arc<Vec<ClassDef>>);

impl Default for ClassTable {
    fn default() -> ClassTable {
        ClassTable::with(&[]).0
    }
}

impl ClassTable {
    /// The table with classes of the caller after the fixed ones, and the numbers those got.
    ///
    /// Classes without room are left out.
    pub fn with(extra: &[ClassDef]) -> (ClassTable, Vec<Class>) {
        let mut defs = vec![ClassDef { name: "", wait: Wait::None }; FIRST_FREE as usize];
        // Rows are filled from the general to the special: numbers without a class keep the empty name.
        for (n, name) in OTHER_NAMES.iter().enumerate() {
            // Whether it is a spinlock or a mutex shows at its first use; see [`Lockdep::learn`](super::Lockdep).
            defs[FIRST_OTHER as usize + n] = ClassDef { name, wait: Wait::None };
        }
        for (class, def) in NAMED {
            defs[class.at()] = *def;
        }
        defs.extend(extra.iter().take(CLASSES - FIRST_FREE as usize));
        let added = (FIRST_FREE..defs.len() as u8).map(Class).collect();
        (ClassTable(Arc::new(defs)), added)
    }

    /// The name in reports; empty for a number without a class.
    pub fn name(&self, class: Class) -> &'static str {
        self.0.get(class.at()).map_or("", |d| d.name)
    }

    pub fn wait(&self, class: Class) -> Wait {
        self.0.get(class.at()).map_or(Wait::None, |d| d.wait)
    }

    pub fn find(&self, name: &str) -> Option<Class> {
        self.0.iter().position(|d| d.name == name).map(|at| Class(at as u8))
    }
}
