// SPDX-License-Identifier: GPL-2.0-only
//! Freeing (`free_percpu`).

use super::allocator::Allocator;
use super::chunk::{ChunkId, NONE};
use super::core::Core;
use percuss_kernel::{Addr, Diag, Irq, Kernel, Lock};

impl<K: Kernel> Allocator<K> {
    /// Frees the area at a per-CPU pointer; NULL is nothing (`free_percpu`). It never sleeps: pages are given back by
    /// the worker, which is queued when there is enough for it to do.
    pub(super) fn release(&self, ptr: Addr) {
        if ptr == 0 {
            return;
        }
        let kernel = self.kernel();
        let addr = self.look(|core| core.place.unit_addr(ptr));
        let Some(id) = self.find_chunk(addr) else {
            // The kernel would follow a NULL pointer here.
            kernel.diag(Diag::Bug, &[ptr], "free of an address that no chunk serves");
            return;
        };
        let base = self.look(|core| core.chunk(id).head.base);
        // A stale frame entry can name a chunk that does not hold the address; the offset is then outside it.
        let off = addr.wrapping_sub(base) as i64;
        let flags = kernel.spin_lock(Lock::Pcpu, Irq::Save);
        let Some(size) = self.with(|core| core.give_back_area(id, off)) else {
            self.unlock(Irq::Save, flags);
            kernel.diag(Diag::Bug, &[ptr], "free of an address outside its chunk");
            return;
        };
        // The size is known only from the map, so the charge ends after the area.
        self.end_charge(id, off as i32, size as u64);
        let need_balance = self.with(|core| core.wants_balance(id));
        // Reported under the lock, so that no allocation of the same area can be reported before its free.
        kernel.trace_free(base, off as i32, ptr);
        self.unlock(Irq::Save, flags);
        // Queuing may wake a worker, which takes locks of its own; pcpu_lock is free by then.
        if need_balance {
            self.schedule_balance();
        }
    }
}

impl Core {
    /// Whether a free left work for the worker: a second free chunk, or a chunk with many empty pages, which is then
    /// isolated. The worker sees to free chunks among the isolated ones itself.
    fn wants_balance(&mut self, id: ChunkId) -> bool {
        let head = &self.chunk(id).head;
        // One free chunk is kept as a reserve; only with a second one is there something to destroy.
        if !head.isolated && head.free_bytes as u64 == self.place.unit_size {
            let first = self.slots.first(self.place.slots.free);
            return first.is_some_and(|first| first != id || self.chunk(first).head.next != NONE);
        }
        if self.should_reclaim(id) {
            self.isolate(id);
            return true;
        }
        false
    }
}
