// SPDX-License-Identifier: GPL-2.0-only
//! Metadata under memory pressure. Objects share pages of the slab allocator, and larger allocations have pages of
//! their own from vmalloc. Both take pages from the pool, by the same slow path as backing pages.

use crate::arena::PAGE;
use crate::host::Host;
use crate::state::pool::{Pool, Watermark};
use crate::state::pressure::Source;
use crate::state::slabs::Slabs;
use crate::world::World;
use percuss_kernel::Addr;
use percuss_kernel::event::Site;
use percuss_kernel::gfp::Gfp;
use percuss_program::Program;

impl Host {
    /// `kzalloc()` or `__vmalloc()`: the address, or 0 when it fails.
    pub(crate) fn metadata(&self, site: Site, size: u64, gfp: Gfp) -> Addr {
        let asked = self.world_mut().metadata_asked(site, gfp);
        let granted = asked
            && match site {
                Site::Vmalloc => self.find_area(size, gfp),
                _ => self.find_object(size, gfp),
            };
        self.world_mut().metadata_alloc(site, size, gfp, granted)
    }

    /// Finds memory for an object of the slab allocator, which falls back to pages of order 0 when memory is short.
    /// False when there is none.
    pub(crate) fn find_object(&self, size: u64, gfp: Gfp) -> bool {
        let Some(cache) = Slabs::cache(size) else { return self.find_area(size, gfp) };
        // A nested op may take the object that a new page brought, hence a loop.
        while !self.world_mut().take_object(cache) {
            if !self.find_memory(gfp) {
                return false;
            }
            self.world_mut().slab_page(cache);
        }
        true
    }

    /// Finds memory for `__vmalloc()`, page by page; false when there is too little. The kernel also allocates a
    /// descriptor of the area, which is left out.
    fn find_area(&self, size: u64, gfp: Gfp) -> bool {
        let pages = size.div_ceil(PAGE);
        // Without memory pressure nothing is counted.
        if self.world().run.pool.is_none() {
            return true;
        }
        // vmalloc takes pages in bulk, which never waits, and the rest one by one.
        let mut bulk = true;
        for have in 0..pages {
            if bulk && self.take(Watermark::Low) {
                continue;
            }
            bulk = false;
            // One by one, a task with a fatal signal gives up.
            let dying = self.world_mut().task_mut().signal && !gfp.intersects(Gfp::NOFAIL);
            let found = if dying { self.no_memory(gfp) } else { self.find_memory(gfp) };
            if !found {
                self.world_mut().give_pages(have);
                return false;
            }
        }
        true
    }
}

impl World {
    /// Starts the memory pressure that the program asks for. It is called after the boot, which never runs into
    /// reclaim.
    pub fn press(&mut self, program: &Program) {
        let objects = std::array::from_fn(|i| program.shrinkers.get(i).map_or(0, |s| s.objects));
        self.run.gated = std::array::from_fn(|i| program.shrinkers.get(i).is_some_and(|s| s.gated));
        self.run.pool = program.memory.map(|m| Pool::new(m, objects));
    }

    /// Takes an object of a cache, if it has a free one. True as well without memory pressure.
    fn take_object(&mut self, cache: usize) -> bool {
        self.run.pool.as_mut().is_none_or(|p| p.slabs.take(cache))
    }

    fn slab_page(&mut self, cache: usize) {
        if let Some(pool) = &mut self.run.pool {
            pool.slabs.add_page(cache);
        }
    }

    fn give_pages(&mut self, pages: u64) {
        if let Some(pool) = &mut self.run.pool {
            pool.give(pages as u16, Source::Percpu);
        }
    }

    /// Gives the memory of freed metadata back to the pool: an object to its cache, pages at once.
    pub(crate) fn metadata_given_back(&mut self, size: u64) {
        let Some(pool) = &mut self.run.pool else { return };
        let pages = match Slabs::cache(size) {
            Some(cache) => u64::from(pool.slabs.give(cache)),
            // An object with pages of its own gives back as many as find_area() took.
            None => size.div_ceil(PAGE),
        };
        if pages > 0 {
            self.give_pages(pages);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::slabs::KEPT;
    use percuss_kernel::Kernel;
    use percuss_kernel::event::Event;

    /// A World with this `memory` line, where allocations that may not sleep fail as soon as no page is free.
    fn host(memory: &str) -> Host {
        let mut world = World::new(0).unwrap();
        let program: Program = format!("memory {memory}\ntask a\nnr-pages\n").parse().unwrap();
        world.press(&program);
        Host::new(world)
    }

    fn free(host: &Host) -> u16 {
        host.world().run.pool.unwrap().left.free
    }

    fn no_memory(host: &Host) -> usize {
        host.world().events().iter().filter(|e| matches!(e, Event::NoMemory { .. })).count()
    }

    #[test]
    fn objects_share_pages() {
        let host = host("free=2 reserve=0 kswapd=off");
        let addrs: Vec<Addr> = (0..128).map(|_| host.kzalloc(40, Gfp::NOWAIT)).collect();
        assert!(addrs.iter().all(|a| *a != 0));
        assert_eq!((free(&host), no_memory(&host)), (0, 0));
        assert_eq!(host.kzalloc(64, Gfp::NOWAIT), 0, "there is no third page");
        assert_eq!(no_memory(&host), 1);
        host.kvfree(addrs[5]);
        assert_ne!(host.kzalloc(64, Gfp::NOWAIT), 0, "a freed object is available again");
        assert_eq!(host.kzalloc(65, Gfp::NOWAIT), 0, "but for objects of its size only");
    }

    #[test]
    fn a_cache_keeps_some_empty_pages() {
        let host = host("free=8 reserve=0 kswapd=off");
        let addrs: Vec<Addr> = (0..8).map(|_| host.kzalloc(4096, Gfp::NOWAIT)).collect();
        assert_eq!(free(&host), 0);
        addrs.into_iter().for_each(|a| host.kvfree(a));
        assert_eq!(free(&host), 8 - KEPT);
    }

    #[test]
    fn vmalloc_has_all_its_pages_or_none() {
        let host = host("free=3 reserve=0 kswapd=off");
        assert_eq!(host.vmalloc(3 * PAGE + 1, Gfp::NOWAIT), 0);
        assert_eq!((free(&host), no_memory(&host)), (3, 1));
        let addr = host.vmalloc(3 * PAGE, Gfp::NOWAIT);
        assert_ne!(addr, 0);
        assert_eq!(free(&host), 0);
        host.kvfree(addr);
        assert_eq!(free(&host), 3);
    }

    #[test]
    fn vmalloc_of_a_dying_task_gives_up_once_memory_is_short() {
        for (gfp, signal, granted) in
            [(Gfp::KERNEL, false, true), (Gfp::KERNEL, true, false), (Gfp::KERNEL | Gfp::NOFAIL, true, true)]
        {
            let host = host("free=2 reserve=0 clean=8 kswapd=off");
            host.world_mut().task_mut().signal = signal;
            assert_ne!(host.vmalloc(2 * PAGE, gfp), 0, "free pages are taken in bulk");
            assert_eq!(host.vmalloc(2 * PAGE, gfp) != 0, granted, "{gfp} {signal}");
            assert_eq!(no_memory(&host), usize::from(!granted));
        }
    }

    #[test]
    fn failure_by_plan_is_no_failure_by_pressure() {
        let mut world = World::new(0).unwrap();
        let program: Program = "memory free=9\ntask a\nnr-pages\nfault kmalloc\nfault vmalloc\n".parse().unwrap();
        world.power_on(&program.boot, &program.faults);
        world.booted(Err(0));
        world.press(&program);
        let host = Host::new(world);
        assert_eq!((host.kzalloc(64, Gfp::KERNEL), host.vmalloc(PAGE, Gfp::KERNEL)), (0, 0));
        assert_eq!((free(&host), no_memory(&host)), (9, 0));
    }
}
