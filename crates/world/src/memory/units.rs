// SPDX-License-Identifier: GPL-2.0-only
//! Per-CPU memory as a caller of the allocator sees it.

use crate::arena::{PAGE, PAGE_SHIFT, POISON, place};
use crate::state::vm;
use crate::world::World;
use percuss_kernel::Addr;

impl World {
    /// Possible CPUs in ascending order.
    pub fn cpus(&self) -> impl Iterator<Item = u32> + '_ {
        self.boot.possible.iter().map(|c| *c as u32)
    }

    /// `per_cpu_ptr(ptr, cpu)`
    pub fn copy_of(&self, ptr: Addr, cpu: u32) -> Addr {
        let offset = self.boot.layout.unit_offsets.get(cpu as usize).copied().unwrap_or(0);
        ptr.wrapping_sub(place::STATIC).wrapping_add(self.boot.layout.base_addr).wrapping_add(offset)
    }

    pub(super) fn accessible(&self, addr: Addr, len: u64) -> bool {
        if vm::is_vmalloc(addr) && vm::is_vmalloc(addr.wrapping_add(len)) {
            return self.buffers.vm.first_hole(addr, len).is_none();
        }
        (place::LINEAR..place::LINEAR_END).contains(&addr) && addr + len <= place::LINEAR_END
    }

    /// Bytes of a CPU's copy, or None where nothing is mapped.
    pub fn read_unit(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        self.accessible(addr, len).then(|| self.space.arena.bytes(addr, len))
    }

    /// Writes to a CPU's copy; nothing happens where nothing is mapped (verify reports it).
    pub fn write_unit(&self, addr: Addr, bytes: &[u8]) {
        if self.accessible(addr, bytes.len() as u64) {
            self.space.arena.write(addr, bytes);
        }
    }

    /// Fills a CPU's copy with the poison of freed memory.
    pub fn fill_unit(&self, addr: Addr, len: u64) {
        if self.accessible(addr, len) {
            self.space.arena.fill(addr, len, POISON);
        }
    }

    /// Physical address of per-CPU memory, by the World's own books.
    pub fn phys(&self, addr: Addr) -> Option<u64> {
        if vm::is_vmalloc(addr) {
            return self.page_at(addr).map(|pfn| ((pfn as u64) << PAGE_SHIFT) + addr % PAGE);
        }
        (place::LINEAR..place::LINEAR_END).contains(&addr).then(|| addr - place::LINEAR)
    }

    /// Offset in the static image when `addr` is in the static area of `cpu`.
    pub fn static_offset(&self, addr: Addr, cpu: u32) -> Option<u64> {
        let start = self.copy_of(place::STATIC, cpu);
        addr.checked_sub(start).filter(|off| *off < self.boot.geometry.static_size as u64)
    }

    /// Bytes of every possible CPU's static area differ from the image at this (CPU, offset).
    pub fn static_damage(&self) -> Option<(u32, u64)> {
        let size = self.boot.geometry.static_size as u64;
        let image = self.space.arena.bytes(place::STATIC, size);
        self.cpus().find_map(|cpu| {
            let copy = self.read_unit(self.copy_of(place::STATIC, cpu), size)?;
            // As a rule they are equal, which one comparison tells; byte by byte costs more than the whole program.
            if copy == image {
                return None;
            }
            copy.iter().zip(image).position(|(a, b)| a != b).map(|at| (cpu, at as u64))
        })
    }
}
