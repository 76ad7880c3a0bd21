// SPDX-License-Identifier: GPL-2.0-only
//! What boot makes of a geometry: the variables of mm/percpu.c that are fixed from then on.

use crate::Addr;

/// The layout of units after boot, for the tree and the Model to be compared; the Boot event is a digest of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    /// `pcpu_base_addr`, which the offsets below count from.
    pub base_addr: Addr,
    /// `pcpu_unit_size` in bytes.
    pub unit_size: u64,
    /// `pcpu_atom_size` in bytes: alignment of the vm areas of later chunks.
    pub atom_size: u64,
    /// `pcpu_nr_units`: units of a chunk, unused ones included.
    pub nr_units: u32,
    /// `pcpu_nr_slots`: lists of chunks.
    pub nr_slots: u32,
    /// `pcpu_low_unit_cpu`: the CPU with the lowest unit address.
    pub low_cpu: u32,
    /// `pcpu_high_unit_cpu`: the CPU with the highest unit address.
    pub high_cpu: u32,
    /// `pcpu_unit_map`: unit of each CPU, -1 for a CPU that is not possible; 64 entries.
    pub unit_map: Vec<i32>,
    /// `pcpu_unit_offsets`: offset of each CPU's unit from `base_addr` in bytes; 64 entries.
    pub unit_offsets: Vec<u64>,
    /// Offset of each group from `base_addr` in bytes.
    pub group_offsets: Vec<u64>,
    /// Size of each group in bytes.
    pub group_sizes: Vec<u64>,
}
