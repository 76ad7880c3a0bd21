// SPDX-License-Identifier: GPL-2.0-only
//! What boot makes of a geometry: the variables of mm/percpu.c that are fixed from then on.

use crate::Addr;

/// The layout of units after boot, for the tree and the Model to be compared; the Boot event is a digest of it.
///
/// Two tenants that place units differently would differ in every address after it, so it is compared first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    pub base_addr: Addr,
    pub unit_size: u64,
    /// `pcpu_atom_size` in bytes: alignment of the vm areas of later chunks.
    pub atom_size: u64,
    /// `pcpu_nr_units`: units of a chunk, unused ones included.
    pub nr_units: u32,
    pub nr_slots: u32,
    pub low_cpu: u32,
    pub high_cpu: u32,
    /// `pcpu_unit_map`: unit of each CPU, -1 for a CPU that is not possible; 64 entries.
    pub unit_map: Vec<i32>,
    /// `pcpu_unit_offsets`: offset of each CPU's unit from `base_addr` in bytes; 64 entries.
    pub unit_offsets: Vec<u64>,
    pub group_offsets: Vec<u64>,
    pub group_sizes: Vec<u64>,
}
