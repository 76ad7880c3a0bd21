// SPDX-License-Identifier: GPL-2.0-only
//! Builders of the first chunk: memory for the units of all CPUs, in the linear map or mapped page by page.

use super::alloc_info::{self, AllocInfo, Group, Request};
use crate::allocator::Allocator;
use crate::block::PAGE;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Addr, Diag, First, Geometry, Kernel, Pfn};

pub(crate) const EINVAL: i32 = -22;
pub(crate) const ENOMEM: i32 = -12;

impl<K: Kernel> Allocator<K> {
    pub(crate) fn build_first_chunk(&self, geometry: &Geometry) -> Result<(), i32> {
        match geometry.first {
            First::Embed => self.embed(geometry),
            First::Page => self.page_by_page(geometry),
            First::Info => self.by_hand(geometry),
        }
    }

    /// Gets memblock memory for an [`AllocInfo`] and notes where it is (`pcpu_alloc_alloc_info`).
    fn place_info(&self, info: &mut AllocInfo) -> Result<(), i32> {
        let size = info.footprint(&self.facts());
        let addr = self.kernel().memblock_alloc(size, PAGE);
        if addr == 0 {
            return Err(ENOMEM);
        }
        info.memory = (addr, size);
        Ok(())
    }

    fn drop_info(&self, info: &AllocInfo) {
        self.kernel().memblock_free(info.memory.0, info.memory.1);
    }

    /// Units in one piece for each group, used where they are (`pcpu_embed_first_chunk`). It needs no page tables of
    /// its own, and what units do not use is given back to memblock.
    fn embed(&self, geometry: &Geometry) -> Result<(), i32> {
        let request = Request { dyn_size: geometry.dyn_size as u64, atom_size: geometry.atom as u64, by_node: true };
        let mut info = alloc_info::build(geometry, &self.facts(), request);
        self.place_info(&mut info)?;
        let result = self.embed_groups(&mut info);
        self.drop_info(&info);
        let (areas, size) = result.as_ref().map_or_else(|failed| failed.0, |areas| *areas);
        if areas != 0 {
            self.kernel().memblock_free(areas, size);
        }
        result.map(|_| ()).map_err(|failed| failed.1)
    }

    /// The part of [`Allocator::embed`] between getting and giving back scratch memory. Returns the array of areas, also
    /// with an error, for it to be freed last.
    fn embed_groups(&self, info: &mut AllocInfo) -> Result<(Addr, u64), ((Addr, u64), i32)> {
        let size = (info.groups.len() as u64 * 8).next_multiple_of(PAGE);
        let array = (self.kernel().memblock_alloc(size, self.facts().cache_line as u64), size);
        if array.0 == 0 {
            return Err((array, ENOMEM));
        }
        let base = self.place_groups(info).map_err(|errno| (array, errno))?;
        for group in &info.groups {
            self.fill_group(info, base + group.base_offset, group);
        }
        self.setup_first_chunk(info, base).map_err(|errno| (array, errno))?;
        Ok(array)
    }

    /// Gets memory for each group, on the node of its first CPU, and sets the groups' offsets from the lowest, whose
    /// address is returned.
    fn place_groups(&self, info: &mut AllocInfo) -> Result<Addr, i32> {
        let kernel = self.kernel();
        let size = |group: &Group| group.cpus.len() as u64 * info.unit_size;
        let mut areas = Vec::new();
        for group in &info.groups {
            // A group is on one node, so any of its CPUs would do; padding units come last.
            let cpu = group.cpus.iter().flatten().next().copied().unwrap_or(0);
            let area = kernel.memblock_alloc_node(size(group), info.atom_size, kernel.cpu_to_node(cpu));
            if area == 0 {
                for (area, group) in areas.iter().zip(&info.groups) {
                    kernel.memblock_free(*area, size(group));
                }
                return Err(ENOMEM);
            }
            areas.push(area);
        }
        // memblock hands out memory from the top, so the lowest area need not be the first group's.
        let base = areas.iter().copied().min().unwrap_or(0);
        for (area, group) in areas.iter().zip(&mut info.groups) {
            group.base_offset = area - base;
        }
        Ok(base)
    }

    /// Copies the static area to every used unit and gives back what is left over: padding units as a whole, and the
    /// end of each other one.
    fn fill_group(&self, info: &AllocInfo, area: Addr, group: &Group) {
        let used = info.size_sum();
        for (index, cpu) in group.cpus.iter().enumerate() {
            let unit = area + index as u64 * info.unit_size;
            if cpu.is_none() {
                self.kernel().memblock_free(unit, info.unit_size);
                continue;
            }
            self.kernel().copy_static(unit, info.static_size);
            self.kernel().memblock_free(unit + used, info.unit_size - used);
        }
    }

    /// Units of single pages mapped side by side (`pcpu_page_first_chunk`). It is for machines whose nodes lie too far
    /// apart for one vmalloc area to span them.
    fn page_by_page(&self, geometry: &Geometry) -> Result<(), i32> {
        let request = Request { dyn_size: 0, atom_size: PAGE, by_node: false };
        let mut info = alloc_info::build(geometry, &self.facts(), request);
        self.place_info(&mut info)?;
        let nr_cpus = geometry.nr_cpus() as u64;
        let size = (info.unit_size / PAGE * nr_cpus * 8).next_multiple_of(PAGE);
        let array = self.memblock_or_panic(size)?;
        let result = self.map_first_chunk(&info, nr_cpus as usize);
        self.kernel().memblock_free(array, size);
        self.drop_info(&info);
        result
    }

    fn map_first_chunk(&self, info: &AllocInfo, nr_cpus: usize) -> Result<(), i32> {
        let kernel = self.kernel();
        let unit_pages = (info.unit_size / PAGE) as usize;
        let cpus = &info.groups[0].cpus[..nr_cpus];
        let pages = self.first_pages(cpus, unit_pages)?;
        let base = kernel.vm_area_early(nr_cpus as u64 * info.unit_size, PAGE);
        for (index, pfns) in pages.chunks(unit_pages).enumerate() {
            let unit = base + index as u64 * info.unit_size;
            for page in 0..unit_pages as u64 {
                // Page tables for all pages of the unit come first: mapping must not allocate this early.
                kernel.populate_pte(unit + page * PAGE);
            }
            if !kernel.map_pages(unit, pfns, Gfp::KERNEL.with(Gfp::ZERO)) {
                kernel.diag(Diag::Panic, &[ENOMEM as u64], "failed to map percpu area");
                return Err(ENOMEM);
            }
            kernel.copy_static(unit, info.static_size);
        }
        self.setup_first_chunk(info, base)
    }

    /// Pages for all units, unit by unit. When one is missing the others are given back, the last first.
    fn first_pages(&self, cpus: &[Option<u32>], unit_pages: usize) -> Result<Vec<Pfn>, i32> {
        let kernel = self.kernel();
        let linear = kernel.linear();
        let mut pages = Vec::new();
        for cpu in cpus.iter().flatten() {
            for _ in 0..unit_pages {
                let addr = kernel.memblock_alloc_node(PAGE, PAGE, kernel.cpu_to_node(*cpu));
                if addr == 0 {
                    kernel.diag(Diag::Printk(4), &[*cpu as u64], "failed to allocate page for cpu");
                    for pfn in pages.iter().rev() {
                        kernel.memblock_free(linear + *pfn as u64 * PAGE, PAGE);
                    }
                    return Err(ENOMEM);
                }
                pages.push(((addr - linear) / PAGE) as Pfn);
            }
        }
        Ok(pages)
    }

    /// A hand-made description, one group for each node, as an architecture's own setup code would bring it. It reaches
    /// layouts that the two builders never make.
    fn by_hand(&self, geometry: &Geometry) -> Result<(), i32> {
        let mut info = alloc_info::by_hand(geometry, &self.facts());
        self.place_info(&mut info)?;
        let result = self.hand_made_groups(&mut info);
        self.drop_info(&info);
        result
    }

    fn hand_made_groups(&self, info: &mut AllocInfo) -> Result<(), i32> {
        let base = self.place_groups(info)?;
        for group in &info.groups {
            for (index, _) in group.cpus.iter().enumerate() {
                let unit = base + group.base_offset + index as u64 * info.unit_size;
                self.kernel().copy_static(unit, info.static_size);
            }
        }
        self.setup_first_chunk(info, base)
    }
}
