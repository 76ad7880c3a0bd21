// SPDX-License-Identifier: GPL-2.0-only
//! Setting a World up for a program: power-on, the end of a boot, and the reset to it.

#[cfg(test)]
mod tests;

use crate::arena::{PAGE, addresses};
use crate::state::boot::{Boot, Metadata};
use crate::state::redzone::after;
use crate::state::run::Run;
use crate::state::sample::Contents;
use crate::world::World;
use percuss_kernel::digest::mix;
use percuss_kernel::event::Event;
use percuss_kernel::{Fault, Geometry, Layout};

impl World {
    /// Empties the World for a boot of `geometry`. Boot memory keeps what was in it before, except for
    /// what `memblock_alloc()` clears: a builder that relies on cleared memory from elsewhere must not pass.
    pub fn power_on(&mut self, geometry: &Geometry, faults: &[Fault]) {
        self.boot = Boot::of(geometry);
        self.run = Run::default();
        self.buffers.power_on();
        self.start(faults);
        // A boot does not touch what it does not use, so the memory of large programs would stay committed.
        if self.wants_boot() {
            self.space.release();
        }
    }

    /// Sets the cleared buffers up, for a boot and for a program alike.
    fn start(&mut self, faults: &[Fault]) {
        self.buffers.pages.set_budget(self.boot.geometry.pages);
        self.buffers.faults.arm(faults);
    }

    /// Ends the boot: logs the Boot event and, when it went well, keeps the layout and all that [`World::reset`] goes
    /// back to. The tenant must not have run anything else since [`World::power_on`].
    pub fn booted(&mut self, result: Result<Layout, i32>) {
        self.boot.booting = false;
        self.overruns_of_boot();
        if self.space.backed() {
            self.space.booted(self.buffers.memblock.bytes());
        }
        match result {
            Ok(layout) => {
                let digest = mix(layout_digest(&layout), self.buffers.memblock.digest());
                self.boot.layout = layout;
                self.boot.event = Some(Event::Boot { digest, error: 0 });
                // The first event of the log, since nothing is logged while booting.
                self.emit(Event::Boot { digest, error: 0 });
                self.buffers.vm.save();
                self.fence_first_chunk();
                self.boot.work_pending = self.run.work_pending;
                self.boot.named = self.run.named;
                if self.space.backed() {
                    self.poison_first_chunk();
                    let metadata = self.buffers.memblock.metadata().iter();
                    let saved = metadata.map(|(addr, len)| Metadata::save(&self.space.arena, *addr, after(*len)));
                    self.boot.metadata = saved.collect();
                }
            }
            Err(error) => self.emit(Event::Boot { digest: 0, error }),
        }
        if let Some(overrun) = self.boot.overrun {
            self.emit(overrun);
        }
    }

    /// Poisons what the first chunk has for dynamic and reserved areas: none is live yet.
    fn poison_first_chunk(&mut self) {
        let g = &self.boot.geometry;
        let (start, end) = (g.static_size as u64, (g.static_size + g.reserved + g.dyn_size) as u64);
        // The page builder ignores the dynamic size, so the geometry may ask for more than a unit has.
        let end = end.next_multiple_of(PAGE).min(self.boot.layout.unit_size);
        if self.space.contents == Contents::Whole {
            for cpu in self.cpus() {
                self.fill_unit(self.copy_of(addresses::STATIC + start, cpu), end - start);
            }
        }
    }

    /// Goes back to the end of the last boot, with a new fault plan.
    ///
    /// # Panics
    /// No boot has gone well since power-on.
    pub fn reset(&mut self, faults: &[Fault]) {
        self.run = self.boot.first_run();
        self.buffers.clear();
        self.start(faults);
        self.fence_first_chunk();
        // The program's C has changed the first chunk's maps and lists since the boot.
        self.boot.metadata.iter().for_each(|m| m.restore(&self.space.arena));
        // Every log begins with the Boot event, whether or not the machine was booted for this program.
        self.buffers.log.push(self.boot.event.expect("a booted World has a Boot event"));
        if let Some(overrun) = self.boot.overrun {
            self.buffers.log.push(overrun);
        }
    }

    /// Sets how closely contents are looked at from here on.
    pub fn look(&mut self, contents: Contents) {
        if contents != Contents::Whole {
            self.forget_poison();
        }
        self.space.contents = contents;
    }

    /// Poisons each page again before its next use. Needed after a program that may have left memory in any state: one
    /// that ended early, or whose allocator wrote where it should not.
    pub fn forget_poison(&mut self) {
        self.space.forget_poison();
    }

    /// Whether so much memory is committed that the next program should boot, which gives it back to the system.
    pub fn wants_boot(&self) -> bool {
        self.space.wants_release()
    }

    /// Forces the next boot to release memory at half the usual threshold; fuzz targets need a fixed release point to be
    /// deterministic.
    pub fn give_back_early(&mut self) {
        self.space.release_early();
    }
}

/// Digest of everything in a layout that a tenant can observe, for the Boot event.
fn layout_digest(l: &Layout) -> u64 {
    let mut h = 0x6c;
    for v in [l.base_addr, l.unit_size, l.atom_size, l.nr_units as u64, l.nr_slots as u64] {
        h = mix(h, v);
    }
    h = mix(h, (l.low_cpu as u64) << 32 | l.high_cpu as u64);
    for (unit, offset) in l.unit_map.iter().zip(&l.unit_offsets) {
        h = mix(mix(h, *unit as u32 as u64), *offset);
    }
    for (offset, size) in l.group_offsets.iter().zip(&l.group_sizes) {
        h = mix(mix(h, *offset), *size);
    }
    h
}
