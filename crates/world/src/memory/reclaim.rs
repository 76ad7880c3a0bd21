// SPDX-License-Identifier: GPL-2.0-only
//! The page allocator's slow path for order 0 (`__alloc_pages_slowpath` of v6.12), direct reclaim and kswapd: what
//! fails, what goes round again, and what each mask may free.
//!
//! Reclaim takes the locks of file systems and block drivers and runs shrinkers, so a call in here may wait for
//! another task, and may call the allocator again.

use super::relief::Oom;
use crate::host::Host;
use crate::state::pool::{MAX_RECLAIM_RETRIES, Watermark, slow_watermark};
use crate::state::pressure::cost;
use crate::tasks::fiber::Pause;
use percuss_kernel::event::{Event, Ext, Stop};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Kernel, Scope, limits};

/// Rounds after which a task that nobody else can help any more is given up.
const HOPELESS: u32 = 64;

impl Host {
    /// Finds one page for an allocation with this mask; false when it fails for want of memory.
    pub(crate) fn find_memory(&self, gfp: Gfp) -> bool {
        let gfp = self.gfp_context(gfp);
        if self.take(Watermark::Low) {
            return true;
        }
        self.world_mut().wake_kswapd(gfp);
        let memalloc = self.world().in_memalloc();
        let mark = slow_watermark(gfp, memalloc);
        if self.take(mark) {
            return true;
        }
        if !gfp.allows_blocking() || memalloc {
            return self.no_memory(gfp);
        }
        let found = self.go_round(gfp, mark);
        self.world_mut().stop_looking();
        if found {
            self.world_mut().note_source();
        }
        found
    }

    pub(crate) fn take(&self, mark: Watermark) -> bool {
        self.world_mut().run.pool.as_mut().is_none_or(|p| p.take(mark))
    }

    pub(crate) fn no_memory(&self, gfp: Gfp) -> bool {
        self.world_mut().push_no_memory(gfp);
        false
    }

    /// Reclaims until there is a page or it must fail.
    fn go_round(&self, gfp: Gfp, mark: Watermark) -> bool {
        let (mut fruitless, mut rounds) = (0, 0);
        let mut mark = mark;
        loop {
            self.world_mut().wake_kswapd(gfp);
            let freed = self.reclaim(gfp, false);
            if self.take(mark) {
                return true;
            }
            if gfp.intersects(Gfp::NORETRY) {
                return self.despair(gfp);
            }
            fruitless = if freed > 0 { 0 } else { fruitless + 1 };
            let worth = self.world().run.pool.as_ref().is_some_and(|p| p.worth_retrying());
            if fruitless > MAX_RECLAIM_RETRIES || !worth {
                if gfp.intersects(Gfp::RETRY_MAYFAIL) {
                    return self.despair(gfp);
                }
                let oom = self.out_of_memory(gfp);
                if gfp.intersects(Gfp::NOFAIL) && self.take(Watermark::None) {
                    return true;
                }
                if let Oom::Us = oom {
                    if mark == Watermark::Half {
                        return self.despair(gfp);
                    }
                    mark = Watermark::Half;
                }
                fruitless = 0;
            }
            rounds += 1;
            self.retry(&mut rounds);
        }
    }

    /// The allocation would fail here; one that must not uses half of the reserves, and waits for ever.
    fn despair(&self, gfp: Gfp) -> bool {
        if !gfp.intersects(Gfp::NOFAIL) {
            return self.no_memory(gfp);
        }
        let mut rounds = 0;
        loop {
            self.reclaim(gfp, false);
            if self.take(Watermark::Half) {
                return true;
            }
            rounds += 1;
            self.retry(&mut rounds);
        }
    }

    /// Lets others run before the next round; ends the program when there is nobody who could help.
    fn retry(&self, rounds: &mut u32) {
        let (stalled, endless) = {
            let mut w = self.world_mut();
            w.note_retry(*rounds);
            (w.is_alone() && *rounds > HOPELESS, w.endless())
        };
        if stalled {
            self.world_mut().note_waiters();
            self.stop(Stop::Stall);
        }
        if endless {
            self.stop(Stop::StepLimit);
        }
        self.pause(Pause::Retrying);
        if !self.world().is_alone() {
            *rounds = 0;
        }
    }

    fn out_of_memory(&self, gfp: Gfp) -> Oom {
        if !gfp.intersects(Gfp::FS) {
            return Oom::Pretends;
        }
        self.world_mut().oom_kill()
    }

    /// Direct reclaim by the running task, or a pass of kswapd; returns pages freed.
    fn reclaim(&self, gfp: Gfp, kswapd: bool) -> u32 {
        let old = {
            let mut w = self.world_mut();
            w.push_event(Event::ReclaimBegin { gfp, kswapd });
            w.run.pressure.clock += cost::SCAN;
            w.task_mut().enter(Scope::Memalloc)
        };
        self.point();
        let mut freed = self.world_mut().free_clean(kswapd);
        if gfp.intersects(Gfp::IO) && self.world().run.pool.is_some_and(|p| p.left.io > 0) {
            // IO for reclaim is submitted like any: a frozen queue makes it wait.
            self.lock_ext(Ext::Freeze, true);
            self.lock_ext(Ext::Io, false);
            freed += self.world_mut().free_io(kswapd);
            self.unlock_ext(Ext::Io);
            self.unlock_ext(Ext::Freeze);
        }
        if gfp.intersects(Gfp::FS) && self.world().run.pool.is_some_and(|p| p.left.fs > 0) {
            self.lock_ext(Ext::Fs, false);
            freed += self.world_mut().free_fs(kswapd);
            self.unlock_ext(Ext::Fs);
        }
        freed += self.shrink(gfp, kswapd);
        let mut w = self.world_mut();
        w.task_mut().restore(Scope::Memalloc, old);
        w.push_event(Event::ReclaimEnd { freed });
        freed
    }

    /// Runs the shrinkers that have something to free; those of file systems only for masks that allow it.
    fn shrink(&self, gfp: Gfp, kswapd: bool) -> u32 {
        let mut freed = 0;
        for i in 0..limits::SHRINKERS {
            if !self.world().has_objects(i, gfp) || !self.world_mut().try_shrinker_lock() {
                continue;
            }
            self.world_mut().shrink_begin(i);
            self.pause(Pause::Shrink(i as u8));
            freed += self.world_mut().shrink_end(i, kswapd);
            self.unlock_ext(Ext::Shrinker);
        }
        freed
    }

    /// What kswapd does from when it is woken until it sleeps again. Runs on a fiber of its own.
    pub fn kswapd(&self) {
        loop {
            let freed = self.reclaim(Gfp::KERNEL, true);
            if freed == 0 || self.world().kswapd_done() {
                self.world_mut().kswapd_sleeps(freed == 0);
                break;
            }
        }
    }
}
