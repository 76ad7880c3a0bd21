// SPDX-License-Identifier: GPL-2.0-only
//! Memory under pressure: the pool of pages with its watermarks.

use super::pressure::Source;
use super::slabs::Slabs;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Memory, limits};

/// Pages that one step of reclaim frees at most, the kernel's `SWAP_CLUSTER_MAX`.
pub const BATCH: u16 = 32;

/// The kernel's `MAX_RECLAIM_RETRIES`: rounds of direct reclaim in a row without a freed page after which an allocation
/// turns to the OOM killer. kswapd gives up after as many passes that freed none.
pub const MAX_RECLAIM_RETRIES: u32 = 16;

/// How low an allocation may drive free memory. The more an allocation matters for getting memory back, or the less it
/// may fail, the lower.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watermark {
    /// What the fast path leaves free.
    Low,
    /// What the slow path leaves free.
    Min,
    /// Half of what the slow path leaves free: for `__GFP_HIGH`, for OOM victims, and for `__GFP_NOFAIL` where any
    /// other allocation would fail.
    Half,
    /// Nothing is left free: for `PF_MEMALLOC`, whose task is freeing memory, and for `__GFP_NOFAIL` once the OOM
    /// killer was asked.
    None,
}

/// Pages that are free or can be made free, when a program has a `memory` line. It takes the place of the page budget.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pool {
    /// The program's `memory` line, counted down as pages are taken and freed.
    pub left: Memory,
    /// Runs in which each shrinker will still free something.
    pub objects: [u8; limits::SHRINKERS],
    /// Pages of the slab allocator for metadata.
    pub slabs: Slabs,
    /// What freed the page freed last.
    pub source: Source,
    /// kswapd was woken and has not gone back to sleep.
    pub kswapd_awake: bool,
    /// Passes of kswapd in a row that freed nothing.
    pub kswapd_failures: u32,
}

impl Pool {
    pub fn new(memory: Memory, objects: [u8; limits::SHRINKERS]) -> Pool {
        let slabs = Slabs::default();
        Pool { left: memory, objects, slabs, source: Source::Start, kswapd_awake: false, kswapd_failures: 0 }
    }

    /// Takes a page, if the watermark is still met without it.
    pub fn take(&mut self, mark: Watermark) -> bool {
        let reserve = u16::from(self.left.reserve);
        let least = match mark {
            Watermark::Low => reserve + reserve / 4,
            Watermark::Min => reserve,
            Watermark::Half => reserve / 2,
            Watermark::None => 0,
        };
        // The mark itself has to be left when the page is gone.
        let enough = self.left.free > least;
        self.left.free -= u16::from(enough);
        enough
    }

    /// The watermark up to which kswapd reclaims. It is above the one at which kswapd wakes, so that it does not wake
    /// again at the next allocation.
    pub fn balanced(&self) -> bool {
        self.left.free > u16::from(self.left.reserve) + u16::from(self.left.reserve) / 2
    }

    pub fn give(&mut self, pages: u16, source: Source) {
        self.left.free = self.left.free.saturating_add(pages);
        self.source = source;
    }

    /// `should_reclaim_retry()`: if all that can be reclaimed were free, the min watermark would be met.
    pub fn worth_retrying(&self) -> bool {
        let Memory { free, clean, io, fs, reserve, .. } = self.left;
        let objects: u32 = self.objects.iter().map(|n| u32::from(*n)).sum();
        u32::from(free) + u32::from(clean) + u32::from(io) + u32::from(fs) + objects > u32::from(reserve)
    }
}

/// The watermark that the slow path applies to a mask, `gfp_to_alloc_flags()`.
pub fn slow_watermark(gfp: Gfp, memalloc: bool) -> Watermark {
    if memalloc {
        Watermark::None
    } else if gfp.intersects(Gfp::HIGH) {
        Watermark::Half
    } else {
        Watermark::Min
    }
}
