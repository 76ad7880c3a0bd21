// SPDX-License-Identifier: GPL-2.0-only
//! Metadata under pressure: objects share pages of the slab allocator, what is larger takes pages from vmalloc. Both
//! take them from the pool, by the same slow path as backing pages.

use super::arena::PAGE;
use super::core::World;
use super::host::Host;
use super::pressure::{Mark, Source};
use percuss_kernel::Addr;
use percuss_kernel::event::Site;
use percuss_kernel::gfp::Gfp;

/// Sizes of objects, as the kernel's kmalloc caches have them, but for the smallest.
const SIZES: [u16; 9] = [64, 96, 128, 192, 256, 512, 1024, 2048, 4096];

/// Empty pages that a cache keeps, SLUB's MIN_PARTIAL.
const KEPT: u16 = 5;

/// Free objects in the pages of each cache. Which page an object is in does not matter here: live ones are taken to lie
/// as close as they can.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slabs([u16; SIZES.len()]);

impl Slabs {
    /// The cache for objects of this size; None for what has pages of its own.
    fn cache(size: u64) -> Option<usize> {
        SIZES.iter().position(|s| size <= u64::from(*s))
    }

    fn per_page(cache: usize) -> u16 {
        (PAGE / u64::from(SIZES[cache])) as u16
    }

    /// Takes a free object; false when the cache needs a page first.
    fn take(&mut self, cache: usize) -> bool {
        let free = &mut self.0[cache];
        let taken = *free > 0;
        *free -= u16::from(taken);
        taken
    }

    fn add_page(&mut self, cache: usize) {
        self.0[cache] += Slabs::per_page(cache);
    }

    /// Gives an object back; true when that leaves a page too many, which goes back to the page allocator.
    fn give(&mut self, cache: usize) -> bool {
        let free = &mut self.0[cache];
        *free += 1;
        let per_page = Slabs::per_page(cache);
        let too_many = *free > KEPT * per_page;
        *free -= if too_many { per_page } else { 0 };
        too_many
    }
}

impl Host {
    /// `kzalloc()` or `__vmalloc()`: its address, or 0.
    pub(super) fn metadata(&self, site: Site, size: u64, gfp: Gfp) -> Addr {
        let asked = self.world_mut().metadata_asked(site, gfp);
        let granted = asked
            && match site {
                Site::Vmalloc => self.find_area(size, gfp),
                _ => self.find_object(size, gfp),
            };
        self.world_mut().metadata_alloc(site, size, gfp, granted)
    }

    /// Memory for an object of the slab allocator, which falls back to pages of order 0 when memory is short; false when
    /// it fails for want of memory.
    pub(super) fn find_object(&self, size: u64, gfp: Gfp) -> bool {
        let Some(cache) = Slabs::cache(size) else { return self.find_area(size, gfp) };
        while !self.world_mut().take_object(cache) {
            if !self.find_memory(gfp) {
                return false;
            }
            self.world_mut().slab_page(cache);
        }
        true
    }

    /// Memory for `__vmalloc()`, page by page. What it notes about the area is left out.
    fn find_area(&self, size: u64, gfp: Gfp) -> bool {
        let pages = size.div_ceil(PAGE);
        if self.world().pool.is_none() {
            return true;
        }
        // Pages are had in bulk as long as that goes without waiting.
        let mut bulk = true;
        for have in 0..pages {
            if bulk && self.take(Mark::Low) {
                continue;
            }
            bulk = false;
            // From here on a task that is to die gives up.
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
    /// Takes an object of a cache; true as well when there is memory in plenty.
    fn take_object(&mut self, cache: usize) -> bool {
        self.pool.as_mut().is_none_or(|p| p.slabs.take(cache))
    }

    fn slab_page(&mut self, cache: usize) {
        if let Some(pool) = &mut self.pool {
            pool.slabs.add_page(cache);
        }
    }

    fn give_pages(&mut self, pages: u64) {
        if let Some(pool) = &mut self.pool {
            pool.give(pages as u16, Source::Percpu);
        }
    }

    /// Metadata of this size was freed.
    pub(super) fn metadata_given_back(&mut self, size: u64) {
        let Some(pool) = &mut self.pool else { return };
        let pages = match Slabs::cache(size) {
            Some(cache) => u64::from(pool.slabs.give(cache)),
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
    use percuss_kernel::Kernel;
    use percuss_kernel::event::Event;
    use percuss_program::Program;

    /// A World with so much memory; allocations that may not sleep fail as soon as there is none.
    fn host(memory: &str) -> Host {
        let mut world = World::new(0).unwrap();
        let program: Program = format!("memory {memory}\ntask a\nnr-pages\n").parse().unwrap();
        world.press(&program);
        Host::new(world)
    }

    fn free(host: &Host) -> u16 {
        host.world().pool.unwrap().left.free
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
        assert_eq!(host.kzalloc(64, Gfp::NOWAIT), 0, "a third page is not there");
        assert_eq!(no_memory(&host), 1);
        host.kvfree(addrs[5]);
        assert_ne!(host.kzalloc(64, Gfp::NOWAIT), 0, "what is freed is there again");
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
            assert_ne!(host.vmalloc(2 * PAGE, gfp), 0, "what is free is had in bulk");
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
