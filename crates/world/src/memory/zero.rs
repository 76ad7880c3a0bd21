// SPDX-License-Identifier: GPL-2.0-only
//! `memset()` of per-CPU memory.

use crate::arena::addresses;
use crate::state::sample::{Contents, Sample};
use crate::state::vm;
use crate::state::zeroing::Zeroing;
use crate::world::World;
use percuss_kernel::Addr;
use percuss_kernel::event::Event;

impl World {
    /// Checks that memory is mapped, as an access by a CPU does. When it is not, the access would fault, which is
    /// logged, and the result is false.
    #[inline]
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
        let linear = (addresses::LINEAR..addresses::LINEAR_END).contains(&addr) && end <= addresses::LINEAR_END;
        if !linear {
            self.emit(Event::Fault { addr });
        }
        linear
    }

    /// `memset(addr, 0, len)`. Consecutive calls for the CPUs of one area become one event, else a program on 64 CPUs
    /// would log little else.
    #[inline]
    pub(crate) fn zero(&mut self, addr: Addr, len: u64) {
        if !self.touch(addr, len) {
            return;
        }
        // The boot has no areas to take samples of.
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

    /// Adds a zeroing to the open event, or opens one. Returns the rank of the CPU and the sample of the area when it
    /// was the copy expected next, and None when it was not: then all of the range has to be cleared.
    #[inline]
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
                // Not a copy that was expected: the count shows in the event and makes it differ from that of the
                // Model.
                z.other += 1;
                return None;
            };
            z.cpus |= 1 << cpu;
            z.rank += 1;
            return Some((z.rank - 1, z.sample));
        }
        // Another length means another area: the event of the last one is complete.
        self.end_zeroing();
        self.run.clearings += 1;
        let cpus = 1 << self.boot.possible[0];
        let sample = self.sample(addr);
        self.run.zeroing = Some(Zeroing { addr, len: len as u32, other: 0, cpus, rank: 1, sample });
        Some((0, sample))
    }

    /// The sample of the area cleared last, whose first copy is at `addr`.
    fn sample(&self, addr: Addr) -> Sample {
        match self.space.contents {
            Contents::Sampled => Sample::new(addr, self.run.clearings, self.boot.possible.len() as u32),
            _ => Sample::WHOLE,
        }
    }

    /// The sample of an area that has just been allocated, which is the one that the zeroing of it cleared.
    pub fn sample_of(&self, ptr: Addr) -> Sample {
        self.sample(self.copy_of(ptr, self.boot.possible[0] as u32))
    }

    /// Zeroings so far, each of the same range on a set of CPUs. A run that samples compares it with the allocations
    /// that were granted.
    pub fn clearings(&self) -> u32 {
        self.run.clearings
    }

    /// Whether the allocation that has just ended cleared exactly this area on every possible CPU.
    pub fn saw_cleared(&self, ptr: Addr, size: u32) -> bool {
        let first = self.copy_of(ptr, self.boot.possible[0] as u32);
        let wanted = Event::Zero { addr: first, len: size, other: 0, cpus: self.boot.geometry.cpus };
        if let Some(z) = self.run.zeroing {
            // The zeroing is still open when nothing was logged since.
            return z.event() == wanted;
        }
        // Between the zeroing and the return of the allocation are a few events: it is traced and memcg is charged.
        let recent = self.events().iter().rev().take(8);
        let mut recent = recent.take_while(|e| !matches!(e, Event::OpBegin { .. } | Event::Switch { .. }));
        recent.find(|e| matches!(e, Event::Zero { .. })) == Some(&wanted)
    }
}
