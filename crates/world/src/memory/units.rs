// SPDX-License-Identifier: GPL-2.0-only
//! Per-CPU memory as a caller of the allocator sees it. The runner uses it to write and compare contents, so none of
//! these methods logs an event or trusts an address: an allocator at fault may have returned any.

use crate::arena::{PAGE, PAGE_SHIFT, POISON, addresses};
use crate::state::vm;
use crate::world::World;
use percuss_kernel::Addr;

impl World {
    #[inline]
    pub fn cpus(&self) -> impl Iterator<Item = u32> + '_ {
        self.boot.possible.iter().map(|c| *c as u32)
    }

    /// The address of a CPU's copy, `per_cpu_ptr(ptr, cpu)`.
    #[inline]
    pub fn copy_of(&self, ptr: Addr, cpu: u32) -> Addr {
        let offset = self.boot.layout.unit_offsets.get(cpu as usize).copied().unwrap_or(0);
        // Wrapping, since a pointer that comes from the tenant may be any number.
        ptr.wrapping_sub(addresses::STATIC).wrapping_add(self.boot.layout.base_addr).wrapping_add(offset)
    }

    #[inline]
    pub(super) fn accessible(&self, addr: Addr, len: u64) -> bool {
        // Both ends, as a range may begin in one space and end outside of it.
        if vm::is_vmalloc(addr) && vm::is_vmalloc(addr.wrapping_add(len)) {
            return self.buffers.vm.first_hole(addr, len).is_none();
        }
        (addresses::LINEAR..addresses::LINEAR_END).contains(&addr) && addr + len <= addresses::LINEAR_END
    }

    /// Bytes of a CPU's copy; None when not all of it is mapped.
    #[inline]
    pub fn read_unit(&self, addr: Addr, len: u64) -> Option<&[u8]> {
        self.accessible(addr, len).then(|| self.space.arena.bytes(addr, len))
    }

    /// Writes to a CPU's copy, if all of it is mapped. When it is not, the next comparison reports that.
    #[inline]
    pub fn write_unit(&self, addr: Addr, bytes: &[u8]) {
        if self.accessible(addr, bytes.len() as u64) {
            self.space.arena.write(addr, bytes);
        }
    }

    /// Fills a CPU's copy with the poison of freed memory, if all of it is mapped.
    #[inline]
    pub fn fill_unit(&self, addr: Addr, len: u64) {
        if self.accessible(addr, len) {
            self.space.arena.fill(addr, len, POISON);
        }
    }

    /// The physical address of per-CPU memory by the World's page tables, to compare with `per_cpu_ptr_to_phys()`; None
    /// when nothing is mapped.
    pub fn phys(&self, addr: Addr) -> Option<u64> {
        if vm::is_vmalloc(addr) {
            return self.page_at(addr).map(|pfn| ((pfn as u64) << PAGE_SHIFT) + addr % PAGE);
        }
        (addresses::LINEAR..addresses::LINEAR_END).contains(&addr).then(|| addr - addresses::LINEAR)
    }

    /// The offset of `addr` in the static area of `cpu`; None when it is outside of it.
    pub fn static_offset(&self, addr: Addr, cpu: u32) -> Option<u64> {
        let start = self.copy_of(addresses::STATIC, cpu);
        addr.checked_sub(start).filter(|off| *off < self.boot.geometry.static_size as u64)
    }

    /// The first CPU and offset at which a static area differs from the image; None when all are whole.
    pub fn static_damage(&self) -> Option<(u32, u64)> {
        let size = self.boot.geometry.static_size as u64;
        let image = self.space.arena.bytes(addresses::STATIC, size);
        self.cpus().find_map(|cpu| {
            let copy = self.read_unit(self.copy_of(addresses::STATIC, cpu), size)?;
            // Nearly always they are equal, which one comparison of slices tells. To compare byte by byte costs more
            // than the whole program.
            if copy == image {
                return None;
            }
            copy.iter().zip(image).position(|(a, b)| a != b).map(|at| (cpu, at as u64))
        })
    }
}
