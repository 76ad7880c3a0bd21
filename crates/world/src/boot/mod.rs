// SPDX-License-Identifier: GPL-2.0-only
//! Setting a World up for a program: power-on, the end of a boot, and the reset to it.

use crate::arena::{PAGE, place};
use crate::state::boot::{Boot, Metadata};
use crate::state::run::Run;
use crate::state::sample::Contents;
use crate::world::World;
use percuss_kernel::digest::mix;
use percuss_kernel::event::Event;
use percuss_kernel::{Fault, Geometry, Layout};

impl World {
    /// Empties the World for a boot of `geometry`; boot memory is filled with garbage.
    pub fn power_on(&mut self, geometry: &Geometry, faults: &[Fault]) {
        self.boot = Boot::of(geometry);
        self.run = Run::default();
        self.buffers.power_on();
        self.start(faults);
        if self.wants_boot() {
            self.space.release();
        }
    }

    /// What follows the clearing of buffers, before a boot and before a program.
    fn start(&mut self, faults: &[Fault]) {
        self.buffers.pages.set_budget(self.boot.geometry.pages);
        self.buffers.faults.arm(faults);
    }

    /// Boot ended: logs the Boot event and, when it went well, keeps the layout and what `reset` goes back to.
    pub fn booted(&mut self, result: Result<Layout, i32>) {
        self.boot.booting = false;
        if self.space.backed() {
            self.space.booted(self.buffers.memblock.bytes());
        }
        match result {
            Ok(layout) => {
                let digest = mix(layout_digest(&layout), self.buffers.memblock.digest());
                self.boot.layout = layout;
                self.boot.event = Some(Event::Boot { digest, error: 0 });
                self.emit(Event::Boot { digest, error: 0 });
                self.buffers.vm.save();
                self.fence_first_chunk();
                self.boot.work_pending = self.run.work_pending;
                self.boot.named = self.run.named;
                if self.space.backed() {
                    self.poison_first_chunk();
                    let metadata = self.buffers.memblock.metadata().iter();
                    let saved = metadata.map(|(addr, len)| Metadata::save(&self.space.arena, *addr, *len));
                    self.boot.metadata = saved.collect();
                }
            }
            Err(error) => self.emit(Event::Boot { digest: 0, error }),
        }
    }

    /// What the first chunk has for areas is nobody's yet.
    fn poison_first_chunk(&mut self) {
        let g = &self.boot.geometry;
        let (start, end) = (g.static_size as u64, (g.static_size + g.reserved + g.dyn_size) as u64);
        // The page builder takes no dyn size: what the geometry asks for may be more than a unit has.
        let end = end.next_multiple_of(PAGE).min(self.boot.layout.unit_size);
        if self.space.contents == Contents::Whole {
            for cpu in self.cpus() {
                self.fill_unit(self.copy_of(place::STATIC + start, cpu), end - start);
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
        self.boot.metadata.iter().for_each(|m| m.restore(&self.space.arena));
        self.buffers.log.push(self.boot.event.expect("a booted World has a Boot event"));
    }

    /// How closely contents are looked at from here on.
    pub fn look(&mut self, contents: Contents) {
        if contents != Contents::Whole {
            self.forget_poison();
        }
        self.space.contents = contents;
    }

    /// Memory may have been left in any state: a program ended early, or the allocator wrote where it should not.
    pub fn forget_poison(&mut self) {
        self.space.forget_poison();
    }

    /// So much memory has been committed that the next program should boot, which gives it back.
    pub fn wants_boot(&self) -> bool {
        self.space.wants_release()
    }

    /// Has the next boot give memory back already when half as much has been committed: for those to whom it matters which
    /// boot does.
    pub fn give_back_early(&mut self) {
        self.space.release_early();
    }
}

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
