// SPDX-License-Identifier: GPL-2.0-only
//! The balance work: a few empty pages ready for atomic callers, at most one free chunk, and pages given back.

use super::allocator::Allocator;
use super::block::PAGE;
use super::chunk::{ChunkId, NONE};
use super::core::Core;
use super::populate::Pages;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Diag, Irq, Kernel, Lock, Quirk, Scope};

/// Backing that may well be refused: the worker is in no hurry, and must not reclaim for long nor fill the log for
/// pages that are only a reserve.
const WORKER_GFP: Gfp = Gfp::KERNEL.with(Gfp::NORETRY).with(Gfp::NOWARN);

impl<K: Kernel> Allocator<K> {
    /// Body of the work item (`pcpu_balance_workfn`), in a NOIO scope since NOIO callers wait for its mutex.
    pub(super) fn balance_work(&self) {
        // The mask of the worker allows IO, and a worker that waits for IO holds the mutex meanwhile.
        let scope = (!self.quirks().has(Quirk::B03b)).then_some(Scope::Noio);
        self.in_scope(scope, || self.balance_all());
    }

    fn balance_all(&self) {
        let kernel = self.kernel();
        kernel.mutex_lock(Lock::AllocMutex);
        self.lock_irq();
        // Free chunks go first, so that the reserve is not kept in them. The second round is for chunks that reclaim
        // emptied: with pages they stay, since those were just counted as reserve.
        self.free_chunks(false);
        self.reclaim_populated();
        self.fill_up();
        self.free_chunks(true);
        self.unlock_irq();
        kernel.mutex_unlock(Lock::AllocMutex);
    }

    fn lock_irq(&self) {
        self.kernel().spin_lock(Lock::Pcpu, Irq::Off);
    }

    fn unlock_irq(&self) {
        self.unlock(Irq::Off, 0);
    }

    /// Destroys all free chunks but the first; only those without pages when `empty_only` (`pcpu_balance_free`).
    /// Called, and returns, with pcpu_lock held.
    fn free_chunks(&self, empty_only: bool) {
        let immutable = self.with(|core| core.doom_chunks(empty_only));
        for _ in 0..immutable {
            self.kernel().diag(Diag::Warn, &[], "immutable chunk is free");
        }
        let Some(first) = self.look(|core| core.slots.first(core.place.slots.doomed)) else {
            return;
        };
        self.unlock_irq();
        let mut next = first;
        while next != NONE {
            let id = next;
            // Read before the chunk is dropped, which unlinks it.
            next = self.look(|core| core.chunk(id).head.next);
            let mut from = 0;
            while let Some((start, end)) = self.look(|core| core.chunk(id).populated_run(from)) {
                self.depopulate(Pages { chunk: id, start, end });
                self.lock_irq();
                self.with(|core| core.depopulated(id, start, end));
                self.unlock_irq();
                from = end;
            }
            // Nothing reaches a doomed chunk any more, so its backing goes without pcpu_lock.
            self.destroy_chunk(id);
            self.kernel().cond_resched();
        }
        self.lock_irq();
    }

    /// Populates pages until enough are empty, of the fullest chunks first (`pcpu_balance_populated`). Called, and
    /// returns, with pcpu_lock held.
    fn fill_up(&self) {
        loop {
            let mut missing = self.with(|core| core.missing_pages());
            // Chunks below the slot of a page have no room for an empty one, populated or not.
            let slots = self.look(|core| core.size_to_slot(PAGE as i32)..core.place.slots.free + 1);
            for slot in slots {
                if missing == 0 {
                    break;
                }
                // One chunk of each slot, as in the kernel, however much is missing after it.
                if let Some(id) = self.look(|core| core.first_with_holes(slot)) {
                    missing = self.fill_chunk(id, missing);
                }
            }
            if missing == 0 {
                return;
            }
            self.unlock_irq();
            // The holes of all chunks were not enough. The next round finds the new chunk in its slot.
            let chunk = self.backing(|| self.create_chunk(WORKER_GFP));
            self.kernel().cond_resched();
            self.lock_irq();
            match chunk {
                Some(id) => self.with(|core| core.enter_slot(id)),
                None => return,
            }
        }
    }

    /// Populates up to `missing` pages of a chunk; returns how many are still missing, 0 when one was refused. Memory
    /// is short then, and trying other chunks would not help.
    fn fill_chunk(&self, id: ChunkId, mut missing: i32) -> i32 {
        let mut from = 0;
        let nr_pages = self.look(|core| core.chunk(id).head.nr_pages);
        while let Some((start, end)) = self.look(|core| core.chunk(id).unpopulated(from, nr_pages)) {
            // Only what is missing, even when the hole is larger.
            let nr = (end - start).min(missing);
            self.unlock_irq();
            let pages = Pages { chunk: id, start, end: start + nr };
            let done = self.backing(|| self.populate(pages, WORKER_GFP));
            self.kernel().cond_resched();
            self.lock_irq();
            if done {
                missing -= nr;
                self.with(|core| core.populated(id, start, start + nr));
            } else {
                missing = 0;
            }
            if missing == 0 {
                break;
            }
            from = end;
        }
        missing
    }

    /// Gives back empty pages of isolated chunks and sidelines the chunks (`pcpu_reclaim_populated`). Called, and
    /// returns, with pcpu_lock held.
    fn reclaim_populated(&self) {
        while let Some(id) = self.look(|core| core.slots.first(core.place.slots.to_depopulate)) {
            // The first chunk is never isolated, so this shows a broken list; the kernel warns and goes on.
            if self.look(|core| core.chunk(id).head.immutable) {
                self.kernel().diag(Diag::Warn, &[], "immutable chunk is isolated");
            }
            let (freed, wanted) = self.reclaim_chunk(id);
            // One flush for all runs of a chunk: it costs all CPUs an interrupt, and the mutex
            // keeps others from mapping there before it is done.
            if freed.end != 0 {
                self.unlock_irq();
                self.flush_tlb(freed);
                self.kernel().cond_resched();
                self.lock_irq();
            }
            self.with(|core| {
                if wanted || core.chunk(id).head.free_bytes as u64 == core.place.unit_size {
                    core.reintegrate(id);
                } else {
                    let sidelined = core.place.slots.sidelined;
                    core.slots.move_to(&mut core.chunks, id, sidelined, false);
                }
            });
        }
    }

    /// Gives back runs of empty pages of a chunk, the last first, so that populated pages stay near its start. Returns
    /// the range that holds all of them, and whether the chunk is wanted back because empty pages got scarce.
    fn reclaim_chunk(&self, id: ChunkId) -> (Pages, bool) {
        let nr_pages = self.look(|core| core.chunk(id).head.nr_pages);
        let mut freed = Pages { chunk: id, start: nr_pages, end: 0 };
        let mut run_end = None;
        let mut page = nr_pages - 1;
        while page >= 0 {
            let (done, scarce, empty) = self.look(|core| {
                let chunk = core.chunk(id);
                let scarce = core.count.nr_empty < core.facts.empty_pop_high as i32;
                (chunk.head.nr_empty == 0, scarce, chunk.page_is_empty(page))
            });
            // Other callers ran while a run was given back, so both are asked again for each page.
            if done || scarce {
                return (freed, !done);
            }
            if empty {
                // The walk goes down, so the first empty page met is the end of the run.
                run_end.get_or_insert(page + 1);
            }
            // A run ends before a page that is not empty, or with page 0.
            let start = if empty { page } else { page + 1 };
            page -= 1;
            if empty && start > 0 {
                continue;
            }
            let Some(end) = run_end.take() else { continue };
            self.unlock_irq();
            self.depopulate(Pages { chunk: id, start, end });
            self.kernel().cond_resched();
            self.lock_irq();
            self.with(|core| core.depopulated(id, start, end));
            freed.start = freed.start.min(start);
            freed.end = freed.end.max(end);
        }
        (freed, false)
    }
}

impl Core {
    /// Moves free chunks, all but the first, to the list of doomed ones; the last found comes first there. Returns how
    /// many free chunks must not be.
    fn doom_chunks(&mut self, empty_only: bool) -> u32 {
        let mut immutable = 0;
        // The first free chunk stays, with its pages: the next allocation that needs one does not have to wait.
        let spared = self.slots.first(self.place.slots.free);
        let mut at = spared.unwrap_or(NONE);
        while at != NONE {
            let id = at;
            let head = &self.chunk(id).head;
            at = head.next;
            immutable += head.immutable as u32;
            if Some(id) != spared && (!empty_only || head.nr_empty == 0) {
                self.slots.move_to(&mut self.chunks, id, self.place.slots.doomed, true);
            }
        }
        immutable
    }

    /// How many pages to populate. After a failed atomic allocation that is the most there can be: it may have been for
    /// more than one page.
    fn missing_pages(&mut self) -> i32 {
        let high = self.facts.empty_pop_high as i32;
        // The count said there were enough, and yet an atomic caller failed, so it is not asked.
        if std::mem::take(&mut self.count.atomic_failed) {
            return high;
        }
        (high - self.count.nr_empty).clamp(0, high)
    }

    fn first_with_holes(&self, slot: u32) -> Option<ChunkId> {
        let mut at = self.slots.first(slot)?;
        loop {
            let head = &self.chunk(at).head;
            if head.nr_pages != head.nr_populated {
                return Some(at);
            }
            if head.next == NONE {
                return None;
            }
            at = head.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::SlotPlan;

    #[test]
    fn all_free_chunks_but_the_first_are_doomed() {
        let mut core = Core { first: NONE, reserved: NONE, ..Core::default() };
        core.place.slots = SlotPlan { sidelined: 3, free: 4, to_depopulate: 5, nr: 6, doomed: 6 };
        core.slots.init(7);
        for n in 0..3 {
            let id = core.add_chunk(8, n << 20);
            core.chunks[id as usize].head.immutable = true;
            core.move_chunk(id, 4, true);
        }
        assert_eq!(core.doom_chunks(true), 3, "immutable ones");
        assert_eq!((core.slots.first(4), core.chunk(2).head.next), (Some(2), NONE), "the first stays");
        assert_eq!((core.slots.first(6), core.chunk(0).head.next), (Some(0), 1), "the last found comes first");
    }
}
