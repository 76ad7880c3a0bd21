// SPDX-License-Identifier: GPL-2.0-only
//! What boot makes of a geometry.

use crate::Addr;

/// What boot made of a geometry; the Boot event is a digest of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    /// `pcpu_base_addr`
    pub base_addr: Addr,
    /// Bytes of one unit.
    pub unit_size: u64,
    /// Alignment of vm areas in bytes.
    pub atom_size: u64,
    /// Units of a chunk, unused ones included.
    pub nr_units: u32,
    /// Chunk list slots.
    pub nr_slots: u32,
    /// CPUs with the lowest and the highest unit address.
    pub low_cpu: u32,
    /// See `low_cpu`.
    pub high_cpu: u32,
    /// CPU -> unit, -1 for a CPU that is not possible; 64 entries.
    pub unit_map: Vec<i32>,
    /// CPU -> offset of its unit from `base_addr` in bytes; 64 entries.
    pub unit_offsets: Vec<u64>,
    /// Offset of each group from `base_addr` in bytes.
    pub group_offsets: Vec<u64>,
    /// Size of each group in bytes.
    pub group_sizes: Vec<u64>,
}
