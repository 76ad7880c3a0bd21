// SPDX-License-Identifier: GPL-2.0-only
//! The page allocator's slow path for order 0 (`__alloc_pages_slowpath` of v6.12), direct reclaim and kswapd: what
//! fails, what goes round again, and what each mask may free.
//!
//! Reclaim takes the locks of file systems and block drivers and runs shrinkers, so a call in here may wait for
//! another task, and may call the allocator again.

use super::fiber::Pause;
use super::host::Host;
use super::pressure::{BATCH, Mark, Source, cost, slow_mark};
use percuss_kernel::event::{Event, Ext, Stop};
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Kernel, Lock, Scope, limits};

/// `MAX_RECLAIM_RETRIES`
const FRUITLESS: u32 = 16;
/// Rounds after which a task that nobody else can help any more is given up.
const HOPELESS: u32 = 64;

/// What the OOM killer did.
enum Oom {
    /// Nothing, without `__GFP_FS`; the caller is told that there was progress.
    Pretends,
    /// It chose a process elsewhere, whose memory is free now.
    Freed,
    /// It chose the caller.
    Us,
}

impl Host {
    /// Finds one page for an allocation with this mask; false when it fails for want of memory.
    pub(super) fn find_memory(&self, gfp: Gfp) -> bool {
        let gfp = self.gfp_context(gfp);
        if self.take(Mark::Low) {
            return true;
        }
        self.world_mut().wake_kswapd(gfp);
        let memalloc = self.world().in_memalloc();
        let mark = slow_mark(gfp, memalloc);
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

    pub(super) fn take(&self, mark: Mark) -> bool {
        self.world_mut().pool.as_mut().is_none_or(|p| p.take(mark))
    }

    pub(super) fn no_memory(&self, gfp: Gfp) -> bool {
        self.world_mut().push_no_memory(gfp);
        false
    }

    /// Reclaims until there is a page or it must fail.
    fn go_round(&self, gfp: Gfp, mark: Mark) -> bool {
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
            let worth = self.world().pool.as_ref().is_some_and(|p| p.worth_retrying());
            if fruitless > FRUITLESS || !worth {
                if gfp.intersects(Gfp::RETRY_MAYFAIL) {
                    return self.despair(gfp);
                }
                let oom = self.out_of_memory(gfp);
                if gfp.intersects(Gfp::NOFAIL) && self.take(Mark::None) {
                    return true;
                }
                if let Oom::Us = oom {
                    if mark == Mark::Half {
                        return self.despair(gfp);
                    }
                    mark = Mark::Half;
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
            if self.take(Mark::Half) {
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
            w.pressure.clock += cost::SCAN;
            w.task_mut().enter(Scope::Memalloc)
        };
        self.point();
        let mut freed = self.world_mut().free_clean(kswapd);
        if gfp.intersects(Gfp::IO) && self.world().pool.is_some_and(|p| p.left.io > 0) {
            // IO for reclaim is submitted like any: a frozen queue makes it wait.
            self.lock_ext(Ext::Freeze, true);
            self.lock_ext(Ext::Io, false);
            freed += self.world_mut().free_io(kswapd);
            self.unlock_ext(Ext::Io);
            self.unlock_ext(Ext::Freeze);
        }
        if gfp.intersects(Gfp::FS) && self.world().pool.is_some_and(|p| p.left.fs > 0) {
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

    /// Takes an external lock, waiting for it.
    pub fn lock_ext(&self, lock: Ext, shared: bool) {
        use super::locks::Take;
        self.point();
        let mut waited = false;
        loop {
            let take = self.world_mut().try_ext(lock, shared, false);
            match take {
                Take::Taken => return,
                _ if !waited => {
                    waited = true;
                    self.world_mut().push_event(Event::WaitExt { lock, shared });
                }
                _ => {}
            }
            self.world_mut().waits_for_ext(lock, shared, true);
            self.pause(Pause::Blocked);
            self.world_mut().waits_for_ext(lock, shared, false);
        }
    }

    /// Releases an external lock; nothing happens when the running task does not hold it.
    pub fn unlock_ext(&self, lock: Ext) {
        let released = self.world_mut().release_ext(lock);
        if released {
            self.point();
        }
    }
}

impl super::core::World {
    /// The running task is in `PF_MEMALLOC`.
    fn in_memalloc(&self) -> bool {
        self.tasks[self.current].scopes() & 1 << Scope::Memalloc as u8 != 0
    }

    fn push_no_memory(&mut self, gfp: Gfp) {
        self.pressure.no_memory += 1;
        self.emit(Event::NoMemory { gfp });
    }

    pub(super) fn note_retry(&mut self, rounds: u32) {
        self.looking |= 1 << self.current;
        if self.owner(Lock::AllocMutex) == Some(self.current) {
            self.pressure.retries += 1;
        }
        self.emit(Event::Retry { rounds });
    }

    pub(super) fn stop_looking(&mut self) {
        self.looking &= !(1 << self.current);
    }

    /// The running context went round for memory without finding any, and goes on to.
    pub fn is_looking(&self) -> bool {
        self.looking >> self.current & 1 == 1
    }

    fn note_source(&mut self) {
        self.pressure.freed_by = self.pool.map(|p| p.source);
    }

    /// Wakes kswapd, unless it has given up.
    fn wake_kswapd(&mut self, gfp: Gfp) {
        if let Some(pool) = &mut self.pool
            && gfp.intersects(Gfp::KSWAPD_RECLAIM)
            && pool.left.kswapd
            && pool.kswapd_failures < FRUITLESS
            && !pool.kswapd_awake
        {
            pool.kswapd_awake = true;
            self.emit(Event::WakeKswapd);
        }
    }

    /// kswapd was woken and has not slept since.
    pub fn kswapd_awake(&self) -> bool {
        self.pool.is_some_and(|p| p.kswapd_awake)
    }

    fn kswapd_done(&self) -> bool {
        self.pool.is_none_or(|p| p.balanced())
    }

    fn kswapd_sleeps(&mut self, failed: bool) {
        if let Some(pool) = &mut self.pool {
            pool.kswapd_failures = if failed { pool.kswapd_failures + 1 } else { 0 };
            pool.kswapd_awake = false;
        }
    }

    fn oom_kill(&mut self) -> Oom {
        self.pressure.oom_kills += 1;
        let elsewhere = self.pool.as_mut().map_or(0, |p| std::mem::take(&mut p.left.oom));
        if elsewhere > 0 {
            self.emit(Event::OomKill { victim: None });
            self.pressure.clock += cost::OOM;
            self.give(elsewhere, Source::Oom);
            return Oom::Freed;
        }
        let victim = self.current as u8;
        if self.task().signal {
            self.pressure.oom_kills -= 1; // it was chosen before
        } else {
            self.task().signal = true;
            self.emit(Event::OomKill { victim: Some(victim) });
        }
        Oom::Us
    }

    fn give(&mut self, pages: u16, source: Source) {
        if let Some(pool) = &mut self.pool {
            pool.give(pages, source);
        }
    }

    fn free_some(
        &mut self,
        source: Source,
        kswapd: bool,
        left: impl Fn(&mut percuss_kernel::Memory) -> &mut u16,
    ) -> u32 {
        let Some(pool) = &mut self.pool else { return 0 };
        let pages = left(&mut pool.left);
        let freed = (*pages).min(BATCH);
        *pages -= freed;
        if freed > 0 {
            pool.give(freed, if kswapd { Source::Kswapd } else { source });
        }
        u32::from(freed)
    }

    fn free_clean(&mut self, kswapd: bool) -> u32 {
        let freed = self.free_some(Source::DirectClean, kswapd, |m| &mut m.clean);
        self.pressure.clock += u64::from(freed) * cost::CLEAN;
        freed
    }

    fn free_io(&mut self, kswapd: bool) -> u32 {
        self.pressure.clock += cost::IO;
        self.free_some(Source::DirectIo, kswapd, |m| &mut m.io)
    }

    fn free_fs(&mut self, kswapd: bool) -> u32 {
        self.pressure.clock += cost::FS;
        self.free_some(Source::DirectFs, kswapd, |m| &mut m.fs)
    }

    fn has_objects(&self, shrinker: usize, gfp: Gfp) -> bool {
        let gated = self.gated[shrinker];
        self.pool.is_some_and(|p| p.objects[shrinker] > 0) && (!gated || gfp.intersects(Gfp::FS))
    }

    /// `down_read_trylock()`: whoever registers a shrinker keeps reclaim from running any.
    fn try_shrinker_lock(&mut self) -> bool {
        self.try_ext(Ext::Shrinker, true, true) == super::locks::Take::Taken
    }

    fn shrink_begin(&mut self, shrinker: usize) {
        if let Some(pool) = &mut self.pool {
            pool.objects[shrinker] -= 1;
        }
        self.pressure.clock += cost::SHRINK;
        self.emit(Event::ShrinkBegin { shrinker: shrinker as u8 });
    }

    fn shrink_end(&mut self, shrinker: usize, kswapd: bool) -> u32 {
        self.give(1, if kswapd { Source::Kswapd } else { Source::DirectShrinker });
        self.emit(Event::ShrinkEnd { shrinker: shrinker as u8 });
        1
    }
}
