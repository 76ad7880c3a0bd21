// SPDX-License-Identifier: GPL-2.0-only
//! Figures of a run under memory pressure: a virtual clock, how long pcpu_alloc_mutex was held, who made pages free.

use percuss_kernel::{CONTEXTS, Lock};

/// Virtual microseconds that things take. Orders of magnitude, not measurements: they only have to tell waiting for
/// a disk from scanning a list.
pub mod cost {
    /// A round of direct reclaim, whatever it finds.
    pub const SCAN: u64 = 100;
    /// A page freed that needed no IO.
    pub const CLEAN: u64 = 1;
    /// A batch of pages written to a device.
    pub const IO: u64 = 5_000;
    /// A batch of pages that a file system cleans.
    pub const FS: u64 = 5_000;
    /// A run of a shrinker.
    pub const SHRINK: u64 = 50;
    /// A process that the OOM killer chose exits.
    pub const OOM: u64 = 100_000;
}

/// Who made a page free.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Source {
    /// It was free from the start.
    #[default]
    Start,
    /// Direct reclaim of the task itself: page cache without IO.
    DirectClean,
    /// Direct reclaim that did IO.
    DirectIo,
    /// Direct reclaim that entered a file system.
    DirectFs,
    /// A shrinker run by direct reclaim.
    DirectShrinker,
    /// kswapd.
    Kswapd,
    /// The OOM killer.
    Oom,
    /// A percpu chunk gave it back, or its metadata did.
    Percpu,
}

impl Source {
    /// Words for reports.
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

/// What waiting for memory did to others: the stall oracle's figures. Times are virtual microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Pressure {
    /// The clock.
    pub clock: u64,
    /// Longest time pcpu_alloc_mutex was held.
    pub longest_hold: u64,
    /// Longest time a task waited for it.
    pub longest_wait: u64,
    /// Most tasks that waited for it at once.
    pub waiters: u32,
    /// Rounds of the slow path while holding it that found nothing.
    pub retries: u32,
    /// Processes the OOM killer chose.
    pub oom_kills: u32,
    /// Page allocations that failed for want of memory.
    pub no_memory: u32,
    /// Who freed the page that ended the last wait in the slow path.
    pub freed_by: Option<Source>,
    /// When the mutex was taken by who has it.
    held_since: Option<u64>,
    /// When each context started to wait for it.
    waits_since: [Option<u64>; CONTEXTS],
}

impl Pressure {
    pub fn waits(&mut self, context: usize, lock: Lock) {
        if lock == Lock::AllocMutex {
            self.waits_since[context].get_or_insert(self.clock);
            self.waiters = self.waiters.max(self.waiters());
        }
    }

    /// Contexts that wait for pcpu_alloc_mutex now.
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

    /// Counts times that have not ended.
    pub fn settle(&mut self) {
        self.released(Lock::AllocMutex);
        let waits = self.waits_since.iter_mut().filter_map(Option::take);
        self.longest_wait = waits.map(|since| self.clock - since).fold(self.longest_wait, u64::max);
    }
}
