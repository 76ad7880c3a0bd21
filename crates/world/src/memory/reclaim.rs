// SPDX-License-Identifier: GPL-2.0-only
//! The page allocator's slow path for order 0 (`__alloc_pages_slowpath()` of v6.12), direct reclaim, and kswapd: which
//! allocations fail, which retry, and what each mask may free.
//!
//! Reclaim takes the locks of file systems and block drivers and runs shrinkers. So a call in here may wait for another
//! task, and may call the allocator again. No borrow of the World may be alive across such a call: each statement
//! borrows anew.

use super::relief::Oom;
use crate::host::Host;
use crate::state::pool::{MAX_RECLAIM_RETRIES, Watermark, slow_watermark};
use crate::state::pressure::cost;
use crate::tasks::fiber::Pause;
use percuss_kernel::event::{Event, Ext, Stop};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Kernel, Scope, limits};

/// Rounds after which a task is given up when no other task could run to free memory. It is well above
/// [`MAX_RECLAIM_RETRIES`], so the OOM killer has been asked several times by then.
const HOPELESS: u32 = 64;

impl Host {
    /// Finds one page for an allocation with this mask; false when there is none and the mask lets it fail. It returns
    /// true at once without memory pressure.
    pub(crate) fn find_memory(&self, gfp: Gfp) -> bool {
        let gfp = self.gfp_context(gfp);
        // The fast path: most allocations end here.
        if self.take(Watermark::Low) {
            return true;
        }
        self.world_mut().wake_kswapd(gfp);
        let memalloc = self.world().in_memalloc();
        let mark = slow_watermark(gfp, memalloc);
        if self.take(mark) {
            return true;
        }
        // A task that reclaims must not reclaim again, and one that cannot sleep never reclaims.
        if !gfp.allows_blocking() || memalloc {
            return self.no_memory(gfp);
        }
        // From here on other tasks may run.
        let found = self.slow_path(gfp, mark);
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

    /// Reclaims until a page is found or the mask says that the allocation fails.
    fn slow_path(&self, gfp: Gfp, mark: Watermark) -> bool {
        let (mut no_progress, mut rounds) = (0, 0);
        let mut mark = mark;
        loop {
            self.world_mut().wake_kswapd(gfp);
            let freed = self.reclaim(gfp, false);
            if self.take(mark) {
                return true;
            }
            // One round is all that `__GFP_NORETRY` allows.
            if gfp.intersects(Gfp::NORETRY) {
                return self.despair(gfp);
            }
            // A freed page counts as progress even if another task has taken it.
            no_progress = if freed > 0 { 0 } else { no_progress + 1 };
            // Retrying is in vain when not even all of what is left would meet the watermark.
            let worth = self.world().run.pool.as_ref().is_some_and(|p| p.worth_retrying());
            if no_progress > MAX_RECLAIM_RETRIES || !worth {
                // This mask asks for effort, but not for the death of a process.
                if gfp.intersects(Gfp::RETRY_MAYFAIL) {
                    return self.despair(gfp);
                }
                let oom = self.out_of_memory(gfp);
                // The kernel lets it use all reserves once the OOM killer was asked.
                if gfp.intersects(Gfp::NOFAIL) && self.take(Watermark::None) {
                    return true;
                }
                if let Oom::Us = oom {
                    // A second kill cannot help: the victim itself runs here and has got its reserves already.
                    if mark == Watermark::Half {
                        return self.despair(gfp);
                    }
                    mark = Watermark::Half;
                }
                no_progress = 0;
            }
            rounds += 1;
            self.retry(&mut rounds);
        }
    }

    /// Fails the allocation, unless it has `__GFP_NOFAIL`: that may use half of the reserves and retries for ever, as
    /// the kernel does for it.
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

    /// Yields the World to other tasks before the next round. Ends the program as stalled when no other task could run
    /// for [`HOPELESS`] rounds: then nothing can free memory any more.
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
        // Another task could run and may have freed memory, so the count begins anew.
        if !self.world().is_alone() {
            *rounds = 0;
        }
    }

    fn out_of_memory(&self, gfp: Gfp) -> Oom {
        // The kernel does not kill for a mask that may not enter file systems, where most memory would come back.
        if !gfp.intersects(Gfp::FS) {
            return Oom::Pretends;
        }
        self.world_mut().oom_kill()
    }

    /// One round of direct reclaim by the running task, or one pass of kswapd. Returns the pages freed.
    ///
    /// The order is that of cost: page cache that needs no IO, then IO, then file systems, then shrinkers.
    fn reclaim(&self, gfp: Gfp, kswapd: bool) -> u32 {
        let old = {
            let mut w = self.world_mut();
            w.push_event(Event::ReclaimBegin { gfp, kswapd });
            w.run.pressure.clock += cost::SCAN;
            // While it is in force, allocations of shrinkers do not reclaim and may use reserves.
            w.task_mut().enter(Scope::Memalloc)
        };
        self.point();
        let mut freed = self.world_mut().free_clean(kswapd);
        if gfp.intersects(Gfp::IO) && self.world().run.pool.is_some_and(|p| p.left.io > 0) {
            // IO for reclaim enters the queue like any other, so it waits while the queue is frozen.
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

    /// Runs the shrinkers that have something to free, those of file systems only for a mask with `__GFP_FS`. The ops
    /// of a shrinker run in the context of the task that reclaims, on a fiber of their own.
    fn shrink(&self, gfp: Gfp, kswapd: bool) -> u32 {
        let mut freed = 0;
        for i in 0..limits::SHRINKERS {
            // Asked for each shrinker anew, since the one before may have waited while others ran.
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

    /// The work of kswapd from its wakeup until it sleeps again. The runner calls it on a fiber of its own.
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
