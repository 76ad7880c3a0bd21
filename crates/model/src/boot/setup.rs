// SPDX-License-Identifier: GPL-2.0-only
//! From a description of groups and units to a working allocator (`pcpu_setup_first_chunk`).

use super::alloc_info::AllocInfo;
use super::first_chunk::{EINVAL, ENOMEM};
use crate::allocator::Allocator;
use crate::bitmap;
use crate::block::{MIN_ALLOC, PAGE};
use crate::chunk::{ChunkId, NONE};
use crate::core::{Core, Place, SlotPlan};
use percuss_kernel::{Addr, Diag, Kernel};

const LIST_HEAD: u64 = 16;

impl<K: Kernel> Allocator<K> {
    /// Metadata that boot cannot do without. The kernel panics when there is none; a test's kernel may return from
    /// that, so an error follows.
    pub(crate) fn memblock_or_panic(&self, size: u64) -> Result<Addr, i32> {
        let addr = self.kernel().memblock_alloc(size, self.facts().cache_line as u64);
        if addr == 0 {
            self.kernel().diag(Diag::Panic, &[size], "failed to allocate first chunk metadata");
            return Err(ENOMEM);
        }
        Ok(addr)
    }

    /// Sets up tables, slots and the chunks of the first chunk, which is mapped at `base`. The Model's own tables need
    /// no memblock memory; it is asked for because the C allocator does, and fails where that one would.
    pub(crate) fn setup_first_chunk(&self, info: &AllocInfo, base: Addr) -> Result<(), i32> {
        self.check_info(info, base)?;
        let possible = self.kernel().possible();
        // One more than the highest possible CPU: the kernel's tables have entries for the gaps too.
        let nr_cpu_ids = 64 - possible.leading_zeros() as u64;
        let groups = info.groups.len() as u64;
        // Group offsets, group sizes, unit map and unit offsets, in the kernel's order.
        for size in [groups * 8, groups * 8, nr_cpu_ids * 4, nr_cpu_ids * 8] {
            self.memblock_or_panic(size)?;
        }
        self.with(|core| core.place_units(info, possible));
        let nr_slots = self.with(|core| core.plan_slots());
        self.memblock_or_panic(nr_slots as u64 * LIST_HEAD)?;
        // Reserved and dynamic part begin behind the static one, which is padded to the smallest allocation at the
        // expense of the dynamic part.
        let static_size = info.static_size.next_multiple_of(MIN_ALLOC as u64);
        let dyn_size = info.dyn_size - (static_size - info.static_size);
        // The reserved part comes first in memory and is made first, so its metadata is allocated first.
        let reserved = match info.reserved_size {
            0 => NONE,
            size => self.first_part(base + static_size, size)?,
        };
        let first = self.first_part(base + static_size + info.reserved_size, dyn_size)?;
        let static_image = self.kernel().static_image();
        self.with(|core| {
            core.reserved = reserved;
            core.first = first;
            // Assigned, not added: pages of the reserved part are not for atomic callers in general.
            core.count.nr_empty = core.chunk(first).head.nr_empty;
            // The reserved chunk enters no slot; it is found by its id.
            core.enter_slot(first);
            core.count.nr_populated += info.size_sum() / PAGE;
            core.place.base = base;
            core.place.static_image = static_image;
        });
        self.count_new_chunk();
        self.kernel().trace_create(base);
        Ok(())
    }

    /// What the kernel refuses to boot with (`PCPU_SETUP_BUG_ON`). All conditions are asked at once, because each ends
    /// in the same BUG.
    fn check_info(&self, info: &AllocInfo, base: Addr) -> Result<(), i32> {
        let facts = self.facts();
        let sound = !info.groups.is_empty()
            && info.static_size != 0
            && self.kernel().static_image().is_multiple_of(PAGE)
            && base != 0
            && base.is_multiple_of(PAGE)
            && info.unit_size >= info.size_sum().max(facts.min_unit_size as u64)
            && info.unit_size.is_multiple_of(PAGE)
            && info.dyn_size >= facts.dyn_early_size as u64
            && info.reserved_size.is_multiple_of(MIN_ALLOC as u64);
        if !sound {
            self.kernel().diag(Diag::Bug, &[], "failed to initialize the first chunk");
            return Err(EINVAL);
        }
        Ok(())
    }

    /// A chunk that serves `size` bytes from `start` (`pcpu_alloc_first_chunk`). It covers whole pages; what is not
    /// served is taken for good.
    fn first_part(&self, start: Addr, size: u64) -> Result<ChunkId, i32> {
        let facts = self.facts();
        // Blocks are pages, so a chunk starts at a page even when what it serves does not.
        let base = start & !(PAGE - 1);
        let before = start - base;
        let region = (before + size).next_multiple_of(PAGE);
        let pages = region / PAGE;
        let bits = region as usize / MIN_ALLOC as usize;
        let words = |bits: usize| bitmap::words(bits) as u64 * 8;
        self.memblock_or_panic(facts.chunk_fixed_size as u64 + words(pages as usize))?;
        self.memblock_or_panic(words(bits))?;
        self.memblock_or_panic(words(bits + 1))?;
        self.memblock_or_panic(pages * facts.block_md_size as u64)?;
        Ok(self.with(|core| core.add_first_part(base, pages as i32, before as i32, size as i32)))
    }
}

impl Core {
    fn place_units(&mut self, info: &AllocInfo, possible: u64) {
        let mut place = Place {
            static_size: info.static_size,
            unit_size: info.unit_size,
            unit_pages: (info.unit_size / PAGE) as i32,
            atom_size: info.atom_size,
            possible,
            ..Place::default()
        };
        let (mut low, mut high) = (None, None);
        for group in &info.groups {
            place.group_offsets.push(group.base_offset);
            place.group_sizes.push(group.cpus.len() as u64 * info.unit_size);
            for (index, cpu) in group.cpus.iter().enumerate() {
                let Some(cpu) = *cpu else { continue };
                let offset = group.base_offset + index as u64 * info.unit_size;
                // Units are numbered through all groups, padding included.
                place.unit_map[cpu as usize] = place.nr_units as i32 + index as i32;
                place.unit_offsets[cpu as usize] = offset;
                // By address and not by number: groups may lie in any order.
                if low.is_none_or(|(least, _)| offset < least) {
                    low = Some((offset, cpu));
                }
                if high.is_none_or(|(most, _)| offset > most) {
                    high = Some((offset, cpu));
                }
            }
            place.nr_units += group.cpus.len() as u32;
        }
        place.low_cpu = low.map_or(0, |(_, cpu)| cpu);
        place.high_cpu = high.map_or(0, |(_, cpu)| cpu);
        self.place = place;
    }

    /// Slots for sizes up to a unit, then the special ones; returns how many there are. One list more is kept for the
    /// doomed chunks, which the kernel has on the stack.
    fn plan_slots(&mut self) -> u32 {
        let sidelined = self.plain_slot(self.place.unit_size as i32) + 1;
        let nr = sidelined + 3;
        self.place.slots = SlotPlan { sidelined, free: sidelined + 1, to_depopulate: sidelined + 2, nr, doomed: nr };
        self.slots.init(nr as usize + 1);
        // Starts at the maximum, so that the first allocation becomes the minimum.
        if self.facts.has_stats {
            self.count.min_alloc_size = self.place.unit_size;
        }
        nr
    }

    /// Makes the chunk of one part of the first chunk: `pages` pages at `base`, of which `size` bytes from `before` on
    /// are served.
    fn add_first_part(&mut self, base: Addr, pages: i32, before: i32, size: i32) -> ChunkId {
        let id = self.add_chunk(pages, base);
        let quirks = self.quirks;
        let chunk = &mut self.chunks[id as usize];
        let after = pages * PAGE as i32 - before - size;
        chunk.head.start_offset = before;
        chunk.head.end_offset = after;
        chunk.head.immutable = true;
        // The whole words: bits behind the last page are set as well.
        chunk.populated.fill(!0);
        chunk.head.nr_populated = pages;
        chunk.head.nr_empty = pages;
        chunk.head.free_bytes = size;
        let (map_bits, hidden) = (chunk.map_bits(), (before / MIN_ALLOC, after / MIN_ALLOC));
        if before != 0 {
            bitmap::set(&mut chunk.bound_map, 0, 1);
            bitmap::set(&mut chunk.bound_map, hidden.0 as usize, 1);
            chunk.head.md.first_free = hidden.0;
            chunk.hide(0, hidden.0, &quirks);
        }
        if after != 0 {
            bitmap::set(&mut chunk.bound_map, ((before + size) / MIN_ALLOC) as usize, 1);
            bitmap::set(&mut chunk.bound_map, map_bits as usize, 1);
            chunk.hide(map_bits - hidden.1, hidden.1, &quirks);
        }
        id
    }
}

impl crate::chunk::Chunk {
    fn hide(&mut self, at: i32, bits: i32, quirks: &percuss_kernel::Quirks) {
        if bits > 0 {
            bitmap::set(&mut self.alloc_map, at as usize, bits as usize);
            self.head.nr_empty -= self.hints_after_take(at, bits, quirks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::alloc_info::{Group, by_hand};
    use crate::tests::mock::Mock;
    use crate::{Facts, Quirks};
    use percuss_kernel::Geometry;

    #[test]
    fn what_is_not_sound_is_not_booted_with() {
        let (geometry, facts) = (Geometry { reserved: 8 << 10, ..Geometry::default() }, Facts::default());
        let model = Allocator::new(Mock::new(geometry), facts, Quirks::default());
        model.kernel().survives.set(true);
        let sound = || by_hand(&geometry, &facts);
        let base = 16 * PAGE;
        assert_eq!(model.check_info(&sound(), base), Ok(()));
        let sum = sound().size_sum();
        assert!(sum > facts.min_unit_size as u64 && sum.is_multiple_of(PAGE));
        let broken = [
            ("no groups", AllocInfo { groups: Vec::new(), ..sound() }, base),
            ("no static area", AllocInfo { static_size: 0, ..sound() }, base),
            ("no address", sound(), 0),
            ("an address within a page", sound(), base + 64),
            ("units smaller than what is in them", AllocInfo { unit_size: sum - PAGE, ..sound() }, base),
            ("small units", AllocInfo { unit_size: 28 << 10, reserved_size: 0, ..sound() }, base),
            ("units of half pages", AllocInfo { unit_size: sum + 2048, ..sound() }, base),
            ("little to allocate from", AllocInfo { dyn_size: facts.dyn_early_size as u64 - 4, ..sound() }, base),
            ("half a unit of allocation", AllocInfo { reserved_size: 6, ..sound() }, base),
        ];
        for (n, (what, info, base)) in broken.iter().enumerate() {
            assert_eq!(model.check_info(info, *base), Err(EINVAL), "{what}");
            assert_eq!(model.kernel().diags.get() as usize, n + 1, "{what}");
        }
        assert_eq!(EINVAL, -22);
    }

    #[test]
    fn the_lowest_unit_need_not_be_the_first() {
        let group =
            |cpus: &[u32], base_offset| Group { cpus: cpus.iter().map(|&cpu| Some(cpu)).collect(), base_offset };
        let (unit_size, apart) = (32 << 10, 1 << 20);
        let groups = vec![group(&[0, 1], apart), group(&[2, 3], 0)];
        let mut core = Core::default();
        core.place_units(&AllocInfo { unit_size, groups, ..AllocInfo::default() }, 0b1111);
        assert_eq!((core.place.low_cpu, core.place.high_cpu), (2, 1));
        assert_eq!(core.place.unit_offsets[..4], [apart, apart + unit_size, 0, unit_size]);
        assert_eq!(core.place.unit_map[..4], [0, 1, 2, 3]);
    }
}
