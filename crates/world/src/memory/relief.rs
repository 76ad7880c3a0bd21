// SPDX-License-Identifier: GPL-2.0-only
//! What reclaim, kswapd and the OOM killer do to the pool.

use crate::state::locks::Take;
use crate::state::pool::{BATCH, MAX_RECLAIM_RETRIES};
use crate::state::pressure::{Source, cost};
use crate::world::World;
use percuss_kernel::event::{Event, Ext};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Lock, Memory, Scope};

pub(super) enum Oom {
    /// It did nothing, since the mask has no `__GFP_FS`, but the slow path counts that as progress and retries.
    Pretends,
    /// It chose a process that is none of the program's tasks. Its memory is free now.
    Freed,
    /// It chose the running task, which may use reserves from now on.
    Us,
}

impl World {
    /// Whether the running task has `PF_MEMALLOC`: it is reclaiming already, and reclaim does not nest.
    pub(super) fn in_memalloc(&self) -> bool {
        self.run.tasks[self.run.current].scopes() & 1 << Scope::Memalloc as u8 != 0
    }

    pub(super) fn push_no_memory(&mut self, gfp: Gfp) {
        self.run.pressure.no_memory += 1;
        self.emit(Event::NoMemory { gfp });
    }

    pub(crate) fn note_retry(&mut self, rounds: u32) {
        // Until it stops looking, the scheduler runs other tasks first.
        self.run.looking |= 1 << self.run.current;
        // Only these make others wait for the allocator.
        if self.owner(Lock::AllocMutex) == Some(self.run.current) {
            self.run.pressure.retries += 1;
        }
        self.emit(Event::Retry { rounds });
    }

    pub(crate) fn stop_looking(&mut self) {
        self.run.looking &= !(1 << self.run.current);
    }

    /// Whether the running context has found no memory yet and will retry.
    pub fn is_looking(&self) -> bool {
        self.run.looking >> self.run.current & 1 == 1
    }

    pub(super) fn note_source(&mut self) {
        self.run.pressure.freed_by = self.run.pool.map(|p| p.source);
    }

    /// Wakes kswapd if the mask has `__GFP_KSWAPD_RECLAIM`, unless it has given up.
    pub(super) fn wake_kswapd(&mut self, gfp: Gfp) {
        if let Some(pool) = &mut self.run.pool
            && gfp.intersects(Gfp::KSWAPD_RECLAIM)
            && pool.left.kswapd
            && pool.kswapd_failures < MAX_RECLAIM_RETRIES
            && !pool.kswapd_awake
        {
            pool.kswapd_awake = true;
            self.emit(Event::WakeKswapd);
        }
    }

    pub fn kswapd_awake(&self) -> bool {
        self.run.pool.is_some_and(|p| p.kswapd_awake)
    }

    pub(super) fn kswapd_done(&self) -> bool {
        self.run.pool.is_none_or(|p| p.balanced())
    }

    pub(super) fn kswapd_sleeps(&mut self, failed: bool) {
        if let Some(pool) = &mut self.run.pool {
            // One success starts the count anew, as in the kernel.
            pool.kswapd_failures = if failed { pool.kswapd_failures + 1 } else { 0 };
            pool.kswapd_awake = false;
        }
    }

    pub(super) fn oom_kill(&mut self) -> Oom {
        self.run.pressure.oom_kills += 1;
        // A process outside of the program comes first, so that the `memory` line decides when a task of its own is
        // chosen.
        let elsewhere = self.run.pool.as_mut().map_or(0, |p| std::mem::take(&mut p.left.oom));
        if elsewhere > 0 {
            self.emit(Event::OomKill { victim: None });
            self.run.pressure.clock += cost::OOM;
            self.give(elsewhere, Source::Oom);
            return Oom::Freed;
        }
        let victim = self.run.current as u8;
        if self.task().signal {
            // It was chosen before, which is no new kill.
            self.run.pressure.oom_kills -= 1;
        } else {
            self.task().signal = true;
            self.emit(Event::OomKill { victim: Some(victim) });
        }
        Oom::Us
    }

    fn give(&mut self, pages: u16, source: Source) {
        if let Some(pool) = &mut self.run.pool {
            pool.give(pages, source);
        }
    }

    fn free_some(&mut self, source: Source, kswapd: bool, left: impl Fn(&mut Memory) -> &mut u16) -> u32 {
        let Some(pool) = &mut self.run.pool else { return 0 };
        let pages = left(&mut pool.left);
        // Reclaim works in batches, so that one round leaves something for the next one to find.
        let freed = (*pages).min(BATCH);
        *pages -= freed;
        if freed > 0 {
            pool.give(freed, if kswapd { Source::Kswapd } else { source });
        }
        u32::from(freed)
    }

    pub(super) fn free_clean(&mut self, kswapd: bool) -> u32 {
        let freed = self.free_some(Source::DirectClean, kswapd, |m| &mut m.clean);
        self.run.pressure.clock += u64::from(freed) * cost::CLEAN;
        freed
    }

    pub(super) fn free_io(&mut self, kswapd: bool) -> u32 {
        // The wait is that for a device, whatever the number of pages.
        self.run.pressure.clock += cost::IO;
        self.free_some(Source::DirectIo, kswapd, |m| &mut m.io)
    }

    pub(super) fn free_fs(&mut self, kswapd: bool) -> u32 {
        self.run.pressure.clock += cost::FS;
        self.free_some(Source::DirectFs, kswapd, |m| &mut m.fs)
    }

    pub(super) fn has_objects(&self, shrinker: usize, gfp: Gfp) -> bool {
        let gated = self.run.gated[shrinker];
        // A shrinker that counts no objects is not scanned.
        self.run.pool.is_some_and(|p| p.objects[shrinker] > 0) && (!gated || gfp.intersects(Gfp::FS))
    }

    /// `down_read_trylock()` of the shrinker lock: while a task registers a shrinker, reclaim runs none, and does not
    /// wait.
    pub(super) fn try_shrinker_lock(&mut self) -> bool {
        self.try_ext(Ext::Shrinker, true, true) == Take::Taken
    }

    pub(super) fn shrink_begin(&mut self, shrinker: usize) {
        if let Some(pool) = &mut self.run.pool {
            // Before it runs: its ops may reclaim and come here again.
            pool.objects[shrinker] -= 1;
        }
        self.run.pressure.clock += cost::SHRINK;
        self.emit(Event::ShrinkBegin { shrinker: shrinker as u8 });
    }

    pub(super) fn shrink_end(&mut self, shrinker: usize, kswapd: bool) -> u32 {
        self.give(1, if kswapd { Source::Kswapd } else { Source::DirectShrinker });
        self.emit(Event::ShrinkEnd { shrinker: shrinker as u8 });
        1
    }
}
