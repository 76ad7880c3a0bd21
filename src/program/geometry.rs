// SPDX-License-Identifier: GPL-2.0-only
//! Geometry: possible CPUs, groups, sizes and the first-chunk builder.

/// First-chunk builder.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum First {
    /// `pcpu_embed_first_chunk`
    #[default]
    Embed,
    /// `pcpu_page_first_chunk` (one group, 4K atom, no distance function)
    Page,
    /// `pcpu_setup_first_chunk` with a hand-made `pcpu_alloc_info`, one group per node
    Info,
}

/// The machine a program runs on and how its percpu areas are set up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Geometry {
    /// Mask of possible CPUs, not 0; CPU 0 need not be possible.
    pub cpus: u64,
    /// NUMA nodes, 1 to 4, at most the number of CPUs; the n-th possible CPU is on node `n * groups / cpus`, or
    /// `n % groups` when interleaved.
    pub groups: u8,
    /// CPUs are dealt to nodes in turn.
    pub interleaved: bool,
    /// Bytes of the static area, 4 to 1 MiB, need not be a multiple of anything.
    pub static_size: u32,
    /// Bytes reserved for modules, multiple of 4; 0 for none; at most 64 KiB.
    pub reserved: u32,
    /// Bytes of the dynamic part of the first chunk, at most 1 MiB; raised to the tree's minimum.
    pub dyn_size: u32,
    /// Allocation atom in bytes: power of two, 4 KiB to 2 MiB.
    pub atom: u32,
    /// Bytes of a unit for [`First::Info`], multiple of 4 KiB; 0 for the smallest that fits.
    pub unit: u32,
    /// First-chunk builder.
    pub first: First,
    /// kmem accounting enabled.
    pub kmem: bool,
    /// Page budget per node, after which the page allocator says no; 1 to 65 536.
    pub pages: u32,
}

impl Default for Geometry {
    fn default() -> Geometry {
        Geometry {
            cpus: 0xf,
            groups: 1,
            interleaved: false,
            static_size: 8192,
            reserved: 0,
            dyn_size: 20 << 10,
            atom: 2 << 20,
            unit: 0,
            first: First::Embed,
            kmem: true,
            pages: 4096,
        }
    }
}

/// Why a geometry is impossible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("impossible geometry: {field} is {value}; {rule}")]
pub struct GeometryError {
    /// The parameter.
    pub field: &'static str,
    /// Its value.
    pub value: u64,
    /// What it must be.
    pub rule: &'static str,
}

impl Geometry {
    /// Number of possible CPUs.
    pub fn nr_cpus(&self) -> u32 {
        self.cpus.count_ones()
    }

    /// Possible CPUs in ascending order.
    pub fn possible(&self) -> impl Iterator<Item = u32> + use<> {
        let mask = self.cpus;
        (0..64).filter(move |cpu| mask >> cpu & 1 == 1)
    }

    /// NUMA node of a possible CPU.
    pub fn node(&self, cpu: u32) -> u32 {
        let rank = (self.cpus & ((1u64 << cpu) - 1)).count_ones();
        if self.interleaved { rank % self.groups as u32 } else { rank * self.groups as u32 / self.nr_cpus() }
    }
}
