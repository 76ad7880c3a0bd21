// SPDX-License-Identifier: GPL-2.0-only
//! Backing pages: `alloc_pages_node()` of order 0 and `__free_page()`.

use crate::arena::addresses;
use crate::state::pages::Freed;
use crate::state::pressure::Source;
use crate::world::World;
use percuss_kernel::Pfn;
use percuss_kernel::event::{Event, Site};
use percuss_kernel::gfp::Gfp;

impl World {
    /// Starts a page allocation; false when the fault plan makes it fail. The caller then looks for memory, which may
    /// switch tasks, and ends the allocation with [`World::page_alloc`].
    #[inline]
    pub(crate) fn page_asked(&mut self, gfp: Gfp) -> bool {
        self.might_alloc(gfp);
        !self.buffers.faults.hit(Site::Pages)
    }

    /// Ends a page allocation; `granted` is false when it had failed before.
    #[inline]
    pub(crate) fn page_alloc(&mut self, node: u32, gfp: Gfp, granted: bool) -> Option<Pfn> {
        let pfn = if granted { self.buffers.pages.alloc(node) } else { None };
        if let Some(pfn) = pfn
            && self.space.backed()
        {
            let len = self.space.page_struct as u64;
            // A page comes with a cleared `struct page`, whatever its last owner left there.
            self.space.arena.fill(addresses::MEM_MAP + pfn as u64 * len, len, 0);
        }
        self.emit(Event::PageAlloc { node, gfp, pfn });
        pfn
    }

    #[inline]
    pub(crate) fn page_free(&mut self, pfn: Pfn) {
        let event = match self.buffers.pages.free(pfn) {
            Freed::Fine => {
                if let Some(pool) = &mut self.run.pool {
                    pool.give(1, Source::Percpu);
                }
                Event::PageFree { pfn }
            }
            // Such a page stays as it is, so that the program goes on and the oracles judge the event.
            Freed::NotAllocated => Event::BadPageFree { pfn },
            Freed::StillMapped => Event::PageFreedMapped { pfn },
        };
        self.emit(event);
    }
}
