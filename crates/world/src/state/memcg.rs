// SPDX-License-Identifier: GPL-2.0-only
//! memcg: what is charged to whom.

/// Memory cgroups a program can switch between; 0 is none.
pub const MEMCGS: usize = 4;

/// Charges, statistics and references of each obj_cgroup.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Memcg {
    /// Bytes charged.
    pub charged: [i64; MEMCGS],
    /// `MEMCG_PERCPU_B`
    pub stat: [i64; MEMCGS],
    /// References beyond the first.
    pub refs: [i64; MEMCGS],
}
