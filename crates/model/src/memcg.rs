// SPDX-License-Identifier: GPL-2.0-only
//! Charging areas to memory cgroups.

use super::allocator::Allocator;
use super::block::MIN_ALLOC;
use super::chunk::ChunkId;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Kernel, Quirk};

const OBJCG_POINTER: u64 = 8;

impl<K: Kernel> Allocator<K> {
    /// Bytes an area of `size` bytes takes over all CPUs, with the pointers to its obj_cgroup (`pcpu_obj_full_size`).
    pub(super) fn full_size(&self, size: u64) -> u64 {
        // With B41 the pointers are charged for even when the kernel runs without kmem accounting and never allocates
        // them.
        let pointers = self.facts().has_memcg && (self.quirks().has(Quirk::B41) || self.kernel().kmem_online());
        let extra = if pointers { size / MIN_ALLOC as u64 * OBJCG_POINTER } else { 0 };
        size * self.possible().count_ones() as u64 + extra
    }

    /// Charges an area ahead of its allocation (`pcpu_memcg_pre_alloc_hook`): the objcg, 0 when the area is not
    /// accounted, `None` when the charge was refused.
    pub(super) fn charge(&self, size: u64, gfp: Gfp) -> Option<u32> {
        let kernel = self.kernel();
        if !self.facts().has_memcg || !kernel.kmem_online() || !gfp.contains(Gfp::ACCOUNT) {
            return Some(0);
        }
        let objcg = kernel.memcg_current();
        if objcg == 0 || kernel.memcg_charge(objcg, gfp, self.full_size(size)) { Some(objcg) } else { None }
    }

    pub(super) fn uncharge(&self, objcg: u32, size: u64) {
        if objcg != 0 {
            self.kernel().memcg_uncharge(objcg, self.full_size(size));
        }
    }

    /// Writes down who pays for the area at byte `off`; chunks without room for that are free to use
    /// (`pcpu_memcg_post_alloc_hook`).
    pub(super) fn keep_charge(&self, objcg: u32, id: ChunkId, off: i32, size: u64) {
        if objcg == 0 {
            return;
        }
        // The first chunk, and chunks made while accounting was off, have no vector to note the objcg in.
        if self.look(|core| core.chunk(id).head.backing.ext == 0) {
            return self.uncharge(objcg, size);
        }
        // The area holds a reference until it is freed, which may be long after the task is gone.
        self.kernel().memcg_ref(objcg, 1);
        self.with(|core| core.charged.insert((id, off / MIN_ALLOC), objcg));
        self.kernel().memcg_stat(objcg, self.full_size(size) as i64);
    }

    /// Gives back what was charged for the area at byte `off` (`pcpu_memcg_free_hook`). Areas that were not charged
    /// have no entry and cost one look.
    pub(super) fn end_charge(&self, id: ChunkId, off: i32, size: u64) {
        let objcg =
            self.with(|core| if core.charged.is_empty() { None } else { core.charged.remove(&(id, off / MIN_ALLOC)) });
        let Some(objcg) = objcg else { return };
        self.kernel().memcg_uncharge(objcg, self.full_size(size));
        self.kernel().memcg_stat(objcg, -(self.full_size(size) as i64));
        self.kernel().memcg_ref(objcg, -1);
    }
}
