// SPDX-License-Identifier: GPL-2.0-only
//! Memory cgroups: the World keeps the books, the ledger oracle compares them.

/// Memory cgroups a program can switch between, index 0 included, which stands for no cgroup.
pub const MEMCGS: usize = 4;

/// Charges, statistics and references of each obj_cgroup. They are signed: an uncharge too many shows as a negative
/// balance.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Memcg {
    /// Bytes charged and not uncharged.
    pub charged: [i64; MEMCGS],
    /// The counter `MEMCG_PERCPU_B` in bytes.
    pub stat: [i64; MEMCGS],
    /// References taken and not dropped, besides the one that each starts with.
    pub refs: [i64; MEMCGS],
}
