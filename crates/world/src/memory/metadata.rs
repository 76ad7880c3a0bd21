// SPDX-License-Identifier: GPL-2.0-only
//! Metadata of the allocator: `kzalloc()`, `__vmalloc()` and `kvfree()`.

use crate::arena::POISON;
use crate::world::World;
use percuss_kernel::Addr;
use percuss_kernel::event::{Event, Site};
use percuss_kernel::gfp::Gfp;

impl World {
    /// `might_alloc()`: an allocation that may block must not be called where sleeping is forbidden, also when it would
    /// succeed at once.
    #[inline]
    pub(super) fn might_alloc(&mut self, gfp: Gfp) {
        if gfp.allows_blocking() {
            self.may_sleep();
        }
    }

    /// Starts an allocation of metadata; false when the fault plan makes it fail. The caller then looks for memory,
    /// which may switch tasks, and ends the allocation with [`World::metadata_alloc`] or [`World::areas_reserve`].
    pub(crate) fn metadata_asked(&mut self, site: Site, gfp: Gfp) -> bool {
        self.might_alloc(gfp);
        !self.buffers.faults.hit(site)
    }

    /// Ends an allocation of metadata and returns its address, 0 when it failed; `granted` is false when it had failed
    /// before.
    pub(crate) fn metadata_alloc(&mut self, site: Site, size: u64, gfp: Gfp, granted: bool) -> Addr {
        // The heap may be full although the pool had memory: an allocator that loops asks for more than any program
        // needs.
        let addr = if granted { self.buffers.heap.alloc(size) } else { 0 };
        if addr != 0 && self.space.backed() {
            self.space.arena.fill(addr, size, 0);
            self.redden(addr, size);
        }
        if granted && addr == 0 {
            // The pool had counted it as taken.
            self.metadata_given_back(size);
        }
        self.emit(match site {
            Site::Vmalloc => Event::Vmalloc { size, gfp, addr },
            _ => Event::Kzalloc { size, gfp, addr },
        });
        addr
    }

    pub(crate) fn metadata_free(&mut self, addr: Addr) {
        if addr == 0 {
            return;
        }
        match self.buffers.heap.free(addr) {
            Some(size) => {
                self.overrun_before_free(addr, size);
                self.locks_freed(addr, size);
                if self.space.backed() {
                    self.space.arena.fill(addr, size, POISON);
                }
                self.metadata_given_back(size);
                self.emit(Event::Kvfree { addr });
            }
            None => self.emit(Event::BadKvfree { addr }),
        }
    }
}
