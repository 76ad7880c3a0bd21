// SPDX-License-Identifier: GPL-2.0-only
//! What AddressSanitizer may see a tenant touch.

use crate::arena::place;
use crate::world::World;
use percuss_kernel::Addr;

impl World {
    /// An area was handed out: its copies may be touched. With AddressSanitizer, all other per-CPU memory may not.
    pub fn own(&self, ptr: Addr, len: u64) {
        self.each_copy(ptr, len, |addr| self.space.arena.owned(addr, len));
    }

    /// An area is about to be freed: from here on nobody touches it.
    pub fn disown(&self, ptr: Addr, len: u64) {
        self.each_copy(ptr, len, |addr| self.space.arena.forbidden(addr, len));
    }

    fn each_copy(&self, ptr: Addr, len: u64, mark: impl Fn(Addr)) {
        if cfg!(percuss_asan) && self.space.backed() {
            self.cpus().map(|cpu| self.copy_of(ptr, cpu)).filter(|at| self.accessible(*at, len)).for_each(mark);
        }
    }

    /// Nobody has anything of the first chunk but the static areas.
    pub(crate) fn fence_first_chunk(&self) {
        if !cfg!(percuss_asan) || !self.space.backed() {
            return;
        }
        let taken = u64::from(self.boot.geometry.static_size).next_multiple_of(8);
        for cpu in self.cpus() {
            let unit = self.copy_of(place::STATIC, cpu);
            self.space.arena.forbidden(unit + taken, self.boot.layout.unit_size.saturating_sub(taken));
        }
        // The ends of units that no area is in were given back, and boot may have put metadata there.
        self.buffers.memblock.metadata().iter().for_each(|(addr, len)| self.space.arena.owned(*addr, *len));
    }

    /// Whether the sanitizer would see accesses to what nobody has; None when there is no sanitizer. Ask when no area is
    /// live.
    pub fn is_fenced(&self) -> Option<bool> {
        let unit = self.copy_of(place::STATIC, self.cpus().next()?);
        let free = unit + u64::from(self.boot.geometry.static_size).next_multiple_of(8);
        // A chunk was at the bottom of vmalloc space.
        let [of_nobody, of_no_chunk] = [free, place::VMALLOC].map(|addr| self.space.arena.is_forbidden(addr));
        Some(of_nobody? && of_no_chunk? && !self.space.arena.is_forbidden(unit)?)
    }
}
