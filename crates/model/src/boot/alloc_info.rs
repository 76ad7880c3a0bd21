// SPDX-License-Identifier: GPL-2.0-only
//! How CPUs are grouped and units packed into allocations (`pcpu_build_alloc_info`).

use crate::block::{MIN_ALLOC, PAGE};
use crate::facts::Facts;
use percuss_kernel::{Addr, Geometry};

/// Units that stand together in one allocation, usually those of a node (`struct pcpu_group_info`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Group {
    /// Unit -> CPU; `None` for a unit that pads the group.
    pub cpus: Vec<Option<u32>>,
    /// Bytes from the lowest group; 0 until memory has been found for all.
    pub base_offset: u64,
}

/// `struct pcpu_alloc_info`; sizes in bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct AllocInfo {
    pub static_size: u64,
    pub reserved_size: u64,
    pub dyn_size: u64,
    pub unit_size: u64,
    pub atom_size: u64,
    pub groups: Vec<Group>,
    /// Where the kernel keeps the real one, and its size; 0 when it comes from elsewhere.
    pub memory: (Addr, u64),
}

impl AllocInfo {
    pub fn size_sum(&self) -> u64 {
        self.static_size + self.reserved_size + self.dyn_size
    }

    /// Bytes of memblock memory the structure takes in the kernel.
    pub fn footprint(&self, facts: &Facts) -> u64 {
        let fixed = facts.alloc_info_size as u64 + self.groups.len() as u64 * facts.group_info_size as u64;
        let units: usize = self.groups.iter().map(|group| group.cpus.len()).sum();
        (fixed.next_multiple_of(4) + 4 * units as u64).next_multiple_of(PAGE)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub dyn_size: u64,
    pub atom_size: u64,
    pub by_node: bool,
}

/// Groups the possible CPUs and finds the unit size that wastes little and takes the fewest allocations.
pub(crate) fn build(geometry: &Geometry, facts: &Facts, request: Request) -> AllocInfo {
    let static_size = geometry.static_size as u64;
    let reserved_size = geometry.reserved as u64;
    let wanted = request.dyn_size.max(facts.dyn_early_size as u64);
    let size_sum = (static_size + reserved_size + wanted).next_multiple_of(PAGE);
    let min_unit = size_sum.max(facts.min_unit_size as u64);
    // An allocation is a multiple of the atom size and is then divided into as many units as fit.
    let alloc_size = min_unit.next_multiple_of(request.atom_size);
    let members = group_cpus(geometry, request.by_node);
    let per_alloc = units_per_alloc(alloc_size, alloc_size / min_unit, &members, geometry.nr_cpus() as u64);
    let unit_size = alloc_size / per_alloc;
    let mut info = AllocInfo {
        static_size,
        reserved_size,
        dyn_size: size_sum - static_size - reserved_size,
        unit_size,
        atom_size: request.atom_size,
        ..AllocInfo::default()
    };
    for cpus in members {
        let mut cpus: Vec<Option<u32>> = cpus.into_iter().map(Some).collect();
        // Groups end with an allocation: CPUs of two nodes never share one.
        cpus.resize(cpus.len().next_multiple_of(per_alloc as usize), None);
        info.groups.push(Group { cpus, base_offset: 0 });
    }
    info
}

/// Possible CPUs by node, or all in one group; groups in order of their first CPU.
fn group_cpus(geometry: &Geometry, by_node: bool) -> Vec<Vec<u32>> {
    let mut groups: Vec<(Option<u32>, Vec<u32>)> = Vec::new();
    for cpu in geometry.possible() {
        let node = by_node.then(|| geometry.node(cpu));
        match groups.iter_mut().find(|(other, _)| *other == node) {
            Some((_, cpus)) => cpus.push(cpu),
            None => groups.push((node, vec![cpu])),
        }
    }
    groups.into_iter().map(|(_, cpus)| cpus).collect()
}

/// How many units share an allocation: at most a third of the CPUs' number may be wasted, then the fewest allocations
/// win, and of those the smallest count of units.
fn units_per_alloc(alloc_size: u64, most: u64, groups: &[Vec<u32>], nr_cpus: u64) -> u64 {
    let whole_pages = |units: u64| alloc_size.is_multiple_of(units * PAGE);
    let (mut fewest, mut best) = (u64::MAX, 1);
    for units in (1..=most).rev().filter(|&units| whole_pages(units)) {
        let sizes = || groups.iter().map(|cpus| cpus.len() as u64);
        let allocs: u64 = sizes().map(|cpus| cpus.div_ceil(units)).sum();
        let wasted: u64 = sizes().map(|cpus| cpus.next_multiple_of(units) - cpus).sum();
        // Padding units waste memory for as long as the machine runs.
        if wasted > nr_cpus / 3 {
            continue;
        }
        // Fewer units per allocation only make for more allocations from here on.
        if allocs > fewest {
            break;
        }
        (fewest, best) = (allocs, units);
    }
    best
}

/// What the `info` builder describes by hand: a group for each node, one unit an allocation.
pub(crate) fn by_hand(geometry: &Geometry, facts: &Facts) -> AllocInfo {
    let static_size = geometry.static_size as u64;
    let reserved_size = geometry.reserved as u64;
    // Padding of the static area is taken from the dynamic one: giving it back leaves whole allocation units.
    let pad = static_size.next_multiple_of(MIN_ALLOC as u64) - static_size;
    let dyn_size = (geometry.dyn_size as u64).max(facts.dyn_early_size as u64).next_multiple_of(MIN_ALLOC as u64) + pad;
    let smallest = (static_size + reserved_size + dyn_size).next_multiple_of(PAGE).max(facts.min_unit_size as u64);
    let unit_size = if geometry.unit == 0 { smallest } else { geometry.unit as u64 };
    let mut groups = Vec::new();
    for node in 0..geometry.groups as u32 {
        let cpus: Vec<_> = geometry.possible().filter(|&cpu| geometry.node(cpu) == node).map(Some).collect();
        if !cpus.is_empty() {
            groups.push(Group { cpus, base_offset: 0 });
        }
    }
    AllocInfo {
        static_size,
        reserved_size,
        dyn_size,
        unit_size,
        atom_size: geometry.atom as u64,
        groups,
        memory: (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_takes_pages() {
        let facts = Facts::default();
        let group = |cpus| Group { cpus: vec![None; cpus], base_offset: 0 };
        let fixed = facts.alloc_info_size as usize + 2 * facts.group_info_size as usize;
        for (units, pages) in [(64, 1), (900, 1), (2000, 2), (3000, 3)] {
            assert!((units * 4 + fixed).div_ceil(PAGE as usize) == pages, "{units} units");
            let info = AllocInfo { groups: vec![group(1), group(units - 1)], ..AllocInfo::default() };
            assert_eq!(info.footprint(&facts), pages as u64 * PAGE, "{units} units");
        }
        let facts = Facts { group_info_size: 3000, ..facts };
        let info = AllocInfo { groups: vec![group(1), group(1)], ..AllocInfo::default() };
        assert_eq!(info.footprint(&facts), 2 * PAGE, "of large groups");
    }
}
