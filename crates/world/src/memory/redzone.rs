// SPDX-License-Identifier: GPL-2.0-only
//! Watching the red zones of metadata. Only memory with content has any to look at: the Model writes none.

use crate::state::redzone::{MOST, RED, after};
use crate::world::World;
use percuss_kernel::Addr;
use percuss_kernel::event::Event;

/// What an untouched red zone reads.
const UNTOUCHED: [u8; MOST] = [RED; MOST];

impl World {
    /// Fills the red zone of memory that was just handed out.
    #[inline]
    pub(crate) fn redden(&self, addr: Addr, size: u64) {
        let end = addr + size;
        // The program before may have had areas here, which a sanitizer forbids to touch.
        self.space.arena.owned(end, after(end) - end);
        self.space.arena.fill(end, after(end) - end, RED);
    }

    /// The event of a red zone that was written; None while it is untouched.
    #[inline]
    pub(crate) fn overrun(&self, addr: Addr, size: u64) -> Option<Event> {
        let end = addr + size;
        let zone = self.space.arena.bytes(end, after(end) - end);
        if *zone == UNTOUCHED[..zone.len()] {
            return None;
        }
        let at = zone.iter().position(|b| *b != RED)? as u64;
        Some(Event::Overrun { addr, size, at })
    }

    /// Looks at the red zone of memory that is about to be freed.
    pub(crate) fn overrun_before_free(&mut self, addr: Addr, size: u64) {
        if self.space.backed()
            && let Some(event) = self.overrun(addr, size)
        {
            self.emit(event);
        }
    }

    /// Looks at boot memory that is about to be freed. The boot logs nothing until it has ended, so the first event is
    /// kept until then.
    pub(crate) fn overrun_at_boot(&mut self, addr: Addr, size: u64) {
        if self.space.backed() && self.buffers.memblock.metadata().contains(&(addr, size)) {
            self.boot.overrun = self.boot.overrun.or(self.overrun(addr, size));
        }
    }

    /// Looks at the boot memory that is left when the boot has ended, and notes what is to be looked at after each
    /// program: what the boot itself has damaged says nothing of a program.
    pub(crate) fn overruns_of_boot(&mut self) {
        if !self.space.backed() {
            return;
        }
        for (addr, size) in self.buffers.memblock.metadata() {
            match self.overrun(*addr, *size) {
                Some(event) => self.boot.overrun = self.boot.overrun.or(Some(event)),
                None => self.boot.reddened.push((*addr, *size)),
            }
        }
    }

    /// Looks at all metadata that is left when a program has ended.
    pub(crate) fn overruns_left(&mut self) {
        if !self.space.backed() {
            return;
        }
        // Events are appended only after the looks: nearly always there are none, and nothing is allocated.
        let left = self.buffers.heap.live().chain(self.boot.reddened.iter().copied());
        let found: Vec<Event> = left.filter_map(|(addr, size)| self.overrun(addr, size)).collect();
        found.into_iter().for_each(|event| self.emit(event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Host;
    use percuss_kernel::gfp::Gfp;
    use percuss_kernel::{Geometry, Kernel, Layout};

    fn overruns(host: &Host) -> Vec<Event> {
        let world = host.world();
        world.events().iter().filter(|e| matches!(e, Event::Overrun { .. })).copied().collect()
    }

    fn write(host: &Host, at: Addr) {
        host.world().space.arena.write(at, &[1]);
    }

    #[test]
    fn a_write_beyond_metadata_is_seen_at_the_free_and_at_the_end() {
        let host = Host::new(World::new(64).unwrap());
        let [freed, left, whole] = [40, 100, 64].map(|size| host.kzalloc(size, Gfp::KERNEL));
        write(&host, freed + 40);
        write(&host, left + 99);
        write(&host, left + 110);
        write(&host, whole + 63);
        host.kvfree(freed);
        assert_eq!(overruns(&host), [Event::Overrun { addr: freed, size: 40, at: 0 }]);
        host.kvfree(whole);
        host.world_mut().settle();
        assert_eq!(overruns(&host)[1..], [Event::Overrun { addr: left, size: 100, at: 10 }]);
        // The same memory, handed out again, has an untouched zone.
        let again = [33, 33].map(|size| host.kzalloc(size, Gfp::KERNEL));
        assert_eq!(again, [whole, freed]);
        again.into_iter().for_each(|addr| host.kvfree(addr));
        assert_eq!(overruns(&host).len(), 2);
    }

    #[test]
    fn what_the_boot_damaged_stands_in_each_log_once() {
        let mut world = World::new(64).unwrap();
        world.power_on(&Geometry::default(), &[]);
        let host = Host::new(world);
        let [freed, damaged, sound] = [70, 30, 64].map(|size| host.memblock_alloc(size, 64));
        write(&host, damaged + 30);
        host.memblock_free(freed, 70);
        host.world_mut().booted(Ok(Layout { unit_size: 64 << 10, ..Layout::default() }));
        let boot = Event::Overrun { addr: damaged, size: 30, at: 0 };
        host.world_mut().settle();
        assert_eq!(overruns(&host), [boot]);
        host.world_mut().reset(&[]);
        assert_eq!(overruns(&host), [boot]);
        write(&host, sound + 64);
        host.world_mut().settle();
        assert_eq!(overruns(&host), [boot, Event::Overrun { addr: sound, size: 64, at: 0 }]);
        host.world_mut().reset(&[]);
        host.world_mut().settle();
        assert_eq!(overruns(&host), [boot], "a reset brings the zone back");
    }
}
