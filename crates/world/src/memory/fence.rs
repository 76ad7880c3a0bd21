// SPDX-License-Identifier: GPL-2.0-only
//! What AddressSanitizer lets a tenant touch. Without the sanitizer, nothing in here does anything.

use crate::arena::addresses;
use crate::state::redzone::after;
use crate::world::World;
use percuss_kernel::Addr;

impl World {
    /// Allows the tenant to touch the copies of an area, which was handed out. It may touch no other dynamic per-CPU
    /// memory: the allocator's own state is elsewhere, so an access there is a bug.
    pub fn own(&self, ptr: Addr, len: u64) {
        self.each_copy(ptr, len, |addr| self.space.arena.owned(addr, len));
    }

    /// Forbids the tenant to touch the copies of an area, which is about to be freed.
    pub fn disown(&self, ptr: Addr, len: u64) {
        self.each_copy(ptr, len, |addr| self.space.arena.forbidden(addr, len));
    }

    fn each_copy(&self, ptr: Addr, len: u64, mark: impl Fn(Addr)) {
        if cfg!(percuss_asan) && self.space.backed() {
            // An area that an allocator at fault made up may have copies outside of all mapped memory.
            self.cpus().map(|cpu| self.copy_of(ptr, cpu)).filter(|at| self.accessible(*at, len)).for_each(mark);
        }
    }

    /// Forbids all of the first chunk but the static areas, as at the end of the boot, when no area is live.
    pub(crate) fn fence_first_chunk(&self) {
        if !cfg!(percuss_asan) || !self.space.backed() {
            return;
        }
        let taken = u64::from(self.boot.geometry.static_size).next_multiple_of(8);
        for cpu in self.cpus() {
            let unit = self.copy_of(addresses::STATIC, cpu);
            self.space.arena.forbidden(unit + taken, self.boot.layout.unit_size.saturating_sub(taken));
        }
        // The first-chunk builder gives the unused ends of units back to memblock, and the boot may have got metadata
        // there. Its red zones are looked at, so they have to be readable, and a write into one is reported from there.
        let metadata = self.buffers.memblock.metadata().iter();
        metadata.for_each(|(addr, len)| self.space.arena.owned(*addr, after(*addr + *len) - *addr));
    }

    /// Whether the sanitizer would report accesses outside of live areas, for a check that the fence works at all; None
    /// without a sanitizer. Only valid while no area is live, after a program that had a chunk.
    pub fn is_fenced(&self) -> Option<bool> {
        let unit = self.copy_of(addresses::STATIC, self.cpus().next()?);
        let free = unit + u64::from(self.boot.geometry.static_size).next_multiple_of(8);
        // Chunks are reserved from the bottom of vmalloc space, so the program had one there.
        let [unused, unmapped] = [free, addresses::VMALLOC].map(|addr| self.space.arena.is_forbidden(addr));
        Some(unused? && unmapped? && !self.space.arena.is_forbidden(unit)?)
    }
}
