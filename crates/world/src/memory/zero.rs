// SPDX-License-Identifier: GPL-2.0-only
//! `memset()` of per-CPU memory.

use crate::arena::place;
use crate::state::sample::{Contents, Sample};
use crate::state::vm;
use crate::state::zeroing::Zeroing;
use crate::world::World;
use percuss_kernel::Addr;
use percuss_kernel::event::Event;

impl World {
    /// Checks that memory may be touched; false (with an event) when not.
    pub(crate) fn touch(&mut self, addr: Addr, len: u64) -> bool {
        if vm::is_vmalloc(addr) && vm::is_vmalloc(addr + len.max(1) - 1) {
            return match self.buffers.vm.first_hole(addr, len) {
                None => true,
                Some((at, stale)) => {
                    self.emit(if stale { Event::StaleTranslation { addr: at } } else { Event::Fault { addr: at } });
                    false
                }
            };
        }
        let end = addr.saturating_add(len);
        let linear = (place::LINEAR..place::LINEAR_END).contains(&addr) && end <= place::LINEAR_END;
        if !linear {
            self.emit(Event::Fault { addr });
        }
        linear
    }

    /// memset(addr, 0, len); consecutive calls for the CPUs of one area become one event.
    pub(crate) fn zero(&mut self, addr: Addr, len: u64) {
        if !self.touch(addr, len) {
            return;
        }
        let copy = if self.boot.booting { None } else { self.note_zeroing(addr, len) };
        if !self.space.backed() {
            return;
        }
        match copy {
            Some((rank, sample)) => {
                let parts = sample.parts(rank, len as u32);
                parts.for_each(|(from, len)| self.space.arena.fill(addr + from as u64, len as u64, 0));
            }
            None => self.space.arena.fill(addr, len, 0),
        }
    }

    /// Takes a zeroing into the event it belongs to. For a CPU's copy of an area: the rank of the CPU, and what of the
    /// area is looked at.
    fn note_zeroing(&mut self, addr: Addr, len: u64) -> Option<(u32, Sample)> {
        if let Some(z) = &mut self.run.zeroing
            && z.len as u64 == len
        {
            let expected = self.boot.possible.get(z.rank as usize).filter(|cpu| {
                let first = self.boot.possible[0] as usize;
                let offsets = &self.boot.layout.unit_offsets;
                z.addr.wrapping_add(offsets[**cpu as usize]).wrapping_sub(offsets[first]) == addr
            });
            let Some(cpu) = expected else {
                z.other += 1;
                return None;
            };
            z.cpus |= 1 << cpu;
            z.rank += 1;
            return Some((z.rank - 1, z.sample));
        }
        self.end_zeroing();
        self.run.clearings += 1;
        let cpus = 1 << self.boot.possible[0];
        let sample = self.sample(addr);
        self.run.zeroing = Some(Zeroing { addr, len: len as u32, other: 0, cpus, rank: 1, sample });
        Some((0, sample))
    }

    /// What is looked at of the area cleared last, whose first copy is at `addr`.
    fn sample(&self, addr: Addr) -> Sample {
        match self.space.contents {
            Contents::Sampled => Sample::new(addr, self.run.clearings, self.boot.possible.len() as u32),
            _ => Sample::WHOLE,
        }
    }

    /// What is looked at of an area that has just been allocated.
    pub fn sample_of(&self, ptr: Addr) -> Sample {
        self.sample(self.copy_of(ptr, self.boot.possible[0] as u32))
    }

    /// Zeroings so far, each of the same range on a set of CPUs.
    pub fn clearings(&self) -> u32 {
        self.run.clearings
    }

    /// The allocation that has just ended cleared exactly this area, on every possible CPU.
    pub fn saw_cleared(&self, ptr: Addr, size: u32) -> bool {
        let first = self.copy_of(ptr, self.boot.possible[0] as u32);
        let wanted = Event::Zero { addr: first, len: size, other: 0, cpus: self.boot.geometry.cpus };
        if let Some(z) = self.run.zeroing {
            return z.event() == wanted;
        }
        let recent = self.events().iter().rev().take(8);
        let mut recent = recent.take_while(|e| !matches!(e, Event::OpBegin { .. } | Event::Switch { .. }));
        recent.find(|e| matches!(e, Event::Zero { .. })) == Some(&wanted)
    }
}
