// SPDX-License-Identifier: GPL-2.0-only
//! Memory under pressure: the pool of pages with its watermarks, who made pages free, a virtual clock, and how long
//! pcpu_alloc_mutex was held while that went on.

use super::metadata::Slabs;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{CONTEXTS, Lock, Memory, limits};

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

/// Pages freed at once, `SWAP_CLUSTER_MAX`.
pub const BATCH: u16 = 32;

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

/// How low an allocation may drive free memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    /// What the fast path leaves free.
    Low,
    /// What the slow path leaves free.
    Min,
    /// Half of that: `__GFP_HIGH`, OOM victims, `__GFP_NOFAIL` in despair.
    Half,
    /// Nothing: `PF_MEMALLOC`, and `__GFP_NOFAIL` once the OOM killer was asked.
    None,
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
    pub(super) fn waits(&mut self, context: usize, lock: Lock) {
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

    pub(super) fn took(&mut self, context: usize, lock: Lock) {
        if lock == Lock::AllocMutex {
            self.held_since = Some(self.clock);
            if let Some(since) = self.waits_since[context].take() {
                self.longest_wait = self.longest_wait.max(self.clock - since);
            }
        }
    }

    pub(super) fn released(&mut self, lock: Lock) {
        if lock == Lock::AllocMutex
            && let Some(since) = self.held_since.take()
        {
            self.longest_hold = self.longest_hold.max(self.clock - since);
        }
    }

    /// Counts times that have not ended.
    pub(super) fn settle(&mut self) {
        self.released(Lock::AllocMutex);
        let waits = self.waits_since.iter_mut().filter_map(Option::take);
        self.longest_wait = waits.map(|since| self.clock - since).fold(self.longest_wait, u64::max);
    }
}

/// Pages that are free, or can be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool {
    pub left: Memory,
    /// How often each shrinker still has something to free.
    pub objects: [u8; limits::SHRINKERS],
    /// Pages of the slab allocator for metadata.
    pub slabs: Slabs,
    /// Who freed the page freed last.
    pub source: Source,
    /// kswapd was woken and has not gone back to sleep.
    pub kswapd_awake: bool,
    /// Times in a row that it found nothing.
    pub kswapd_failures: u32,
}

impl Pool {
    pub fn new(memory: Memory, objects: [u8; limits::SHRINKERS]) -> Pool {
        let slabs = Slabs::default();
        Pool { left: memory, objects, slabs, source: Source::Start, kswapd_awake: false, kswapd_failures: 0 }
    }

    /// Takes a page if that leaves enough.
    pub fn take(&mut self, mark: Mark) -> bool {
        let reserve = u16::from(self.left.reserve);
        let least = match mark {
            Mark::Low => reserve + reserve / 4,
            Mark::Min => reserve,
            Mark::Half => reserve / 2,
            Mark::None => 0,
        };
        let enough = self.left.free > least;
        self.left.free -= u16::from(enough);
        enough
    }

    /// kswapd stops here.
    pub fn balanced(&self) -> bool {
        self.left.free > u16::from(self.left.reserve) + u16::from(self.left.reserve) / 2
    }

    pub fn give(&mut self, pages: u16, source: Source) {
        self.left.free = self.left.free.saturating_add(pages);
        self.source = source;
    }

    /// `should_reclaim_retry()`: with all that anybody could reclaim there would be enough.
    pub fn worth_retrying(&self) -> bool {
        let Memory { free, clean, io, fs, reserve, .. } = self.left;
        let objects: u32 = self.objects.iter().map(|n| u32::from(*n)).sum();
        u32::from(free) + u32::from(clean) + u32::from(io) + u32::from(fs) + objects > u32::from(reserve)
    }
}

/// The mark of a mask in the slow path.
pub(super) fn slow_mark(gfp: Gfp, memalloc: bool) -> Mark {
    if memalloc {
        Mark::None
    } else if gfp.intersects(Gfp::HIGH) {
        Mark::Half
    } else {
        Mark::Min
    }
}
