// SPDX-License-Identifier: GPL-2.0-only
//! Memory under pressure: the pool of pages with its watermarks.

use super::pressure::Source;
use super::slabs::Slabs;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Memory, limits};

/// Pages freed at once, `SWAP_CLUSTER_MAX`.
pub const BATCH: u16 = 32;

/// `MAX_RECLAIM_RETRIES`
pub const MAX_RECLAIM_RETRIES: u32 = 16;

/// How low an allocation may drive free memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watermark {
    /// What the fast path leaves free.
    Low,
    /// What the slow path leaves free.
    Min,
    /// Half of that: `__GFP_HIGH`, OOM victims, `__GFP_NOFAIL` in despair.
    Half,
    /// Nothing: `PF_MEMALLOC`, and `__GFP_NOFAIL` once the OOM killer was asked.
    None,
}

/// Pages that are free, or can be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pool {
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
    pub fn take(&mut self, mark: Watermark) -> bool {
        let reserve = u16::from(self.left.reserve);
        let least = match mark {
            Watermark::Low => reserve + reserve / 4,
            Watermark::Min => reserve,
            Watermark::Half => reserve / 2,
            Watermark::None => 0,
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
pub fn slow_watermark(gfp: Gfp, memalloc: bool) -> Watermark {
    if memalloc {
        Watermark::None
    } else if gfp.intersects(Gfp::HIGH) {
        Watermark::Half
    } else {
        Watermark::Min
    }
}
