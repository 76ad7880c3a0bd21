// SPDX-License-Identifier: GPL-2.0-only
//! Figures of a run under memory pressure: a virtual clock, how long pcpu_alloc_mutex was held, who made pages free.

use percuss_kernel::{CONTEXTS, Lock};

/// Virtual microseconds that things take. Orders of magnitude, not measurements: they only have to tell waiting for
/// a disk from scanning a list.
pub mod cost {
    /// One round of direct reclaim or one pass of kswapd, also if it frees nothing.
    pub const SCAN: u64 = 100;
    /// One page that needs no IO.
    pub const CLEAN: u64 = 1;
    /// A batch of pages written to a device.
    pub const IO: u64 = 5_000;
    /// A batch of pages that a file system cleans.
    pub const FS: u64 = 5_000;
    /// One run of a shrinker.
    pub const SHRINK: u64 = 50;
    /// The exit of a process that the OOM killer chose.
    pub const OOM: u64 = 100_000;
}

/// What made a page free. The stall report names it, since it decides whether a wait was for a device, for another
/// task, or only for a list to be scanned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Source {
    #[default]
    Start,
    /// The task itself, by direct reclaim of page cache that needs no IO.
    DirectClean,
    /// The task itself, by direct reclaim with IO.
    DirectIo,
    /// The task itself, by direct reclaim that entered a file system.
    DirectFs,
    /// A shrinker that the task's direct reclaim ran.
    DirectShrinker,
    Kswapd,
    Oom,
    /// The percpu allocator, which depopulated a chunk or freed metadata.
    Percpu,
}

impl Source {
    /// As reports name it.
    pub fn name(self) -> &'static str {
        match self {
            Source::Start => "free memory",
            Source::DirectClean => "direct reclaim (clean page cache)",
            Source::DirectIo => "direct reclaim (IO)",
            Source::DirectFs => "direct reclaim (FS)",
            Source::DirectShrinker => "direct reclaim (shrinker)",
            Source::Kswapd => "kswapd",
            Source::Oom => "OOM killer",
            Source::Percpu => "what percpu gave back",
        }
    }
}

/// What waiting for memory did to other tasks: the stall oracle's figures. Times are virtual microseconds, of which
/// only reclaim takes any. A run is deterministic, and how long the host took for it says nothing about a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Pressure {
    /// The virtual time since the program began.
    pub clock: u64,
    /// The longest time pcpu_alloc_mutex was held.
    pub longest_hold: u64,
    /// The longest time a task waited for it.
    pub longest_wait: u64,
    /// The largest number of tasks that waited for it at once.
    pub waiters: u32,
    /// Rounds of the slow path that found no page, by a task that held it.
    pub retries: u32,
    /// Processes the OOM killer chose, the program's tasks and others.
    pub oom_kills: u32,
    /// Allocations that failed because memory was short; those that the fault plan failed are not counted.
    pub no_memory: u32,
    /// What freed the page that ended the last wait in the slow path.
    pub freed_by: Option<Source>,
    /// When the mutex was taken; None while it is free.
    held_since: Option<u64>,
    /// When each context began to wait for it; None for one that does not wait.
    waits_since: [Option<u64>; CONTEXTS],
}

impl Pressure {
    pub fn waits(&mut self, context: usize, lock: Lock) {
        if lock == Lock::AllocMutex {
            // A task that tries again goes on waiting, so its time runs from the first attempt.
            self.waits_since[context].get_or_insert(self.clock);
            self.waiters = self.waiters.max(self.waiters());
        }
    }

    /// Contexts that wait for pcpu_alloc_mutex.
    pub fn waiting(&self) -> impl Iterator<Item = usize> + '_ {
        self.waits_since.iter().enumerate().filter(|(_, s)| s.is_some()).map(|(i, _)| i)
    }

    fn waiters(&self) -> u32 {
        self.waits_since.iter().flatten().count() as u32
    }

    pub fn took(&mut self, context: usize, lock: Lock) {
        if lock == Lock::AllocMutex {
            self.held_since = Some(self.clock);
            if let Some(since) = self.waits_since[context].take() {
                self.longest_wait = self.longest_wait.max(self.clock - since);
            }
        }
    }

    pub fn released(&mut self, lock: Lock) {
        if lock == Lock::AllocMutex
            && let Some(since) = self.held_since.take()
        {
            self.longest_hold = self.longest_hold.max(self.clock - since);
        }
    }

    /// Ends all holds and waits now, so that a program which stops in the middle of one counts it.
    pub fn settle(&mut self) {
        self.released(Lock::AllocMutex);
        let waits = self.waits_since.iter_mut().filter_map(Option::take);
        self.longest_wait = waits.map(|since| self.clock - since).fold(self.longest_wait, u64::max);
    }
}
