// SPDX-License-Identifier: GPL-2.0-only
//! Geometry: possible CPUs, groups, sizes and the first-chunk builder.

/// Bytes of a page.
pub const PAGE: u32 = 4096;
/// `PCPU_MIN_UNIT_SIZE`
const MIN_UNIT: u32 = 32 << 10;
/// The smallest `PERCPU_DYNAMIC_EARLY_SIZE` from v6.12 on; trees that want more get a larger unit.
const EARLY_DYN: u32 = 20 << 10;
/// Largest static area.
const STATIC_MAX: u32 = 1 << 20;
/// Largest reserved area.
const RESERVED_MAX: u32 = 64 << 10;
/// Largest dynamic part.
const DYN_MAX: u32 = 1 << 20;
/// Largest atom: a PMD, as on x86.
const ATOM_MAX: u32 = 2 << 20;
/// Largest unit: 64 of them are 128 MiB of address space for a chunk.
const UNIT_MAX: u32 = 2 << 20;
/// Largest page budget of a node.
const PAGES_MAX: u32 = 65_536;

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

    /// Bytes a unit must have: its three parts, at least what the kernel insists on.
    pub fn least_unit(&self) -> u32 {
        let sum = u64::from(self.static_size) + u64::from(self.reserved) + u64::from(self.dyn_size.max(EARLY_DYN));
        sum.next_multiple_of(u64::from(PAGE)).clamp(u64::from(MIN_UNIT), 1 << 31) as u32
    }

    /// Refuses a machine that cannot be.
    pub fn check(&self) -> Result<(), GeometryError> {
        let Geometry {
            cpus,
            groups,
            interleaved: _,
            static_size,
            reserved,
            dyn_size,
            atom,
            unit,
            first,
            kmem: _,
            pages,
        } = *self;
        let must =
            |ok: bool, field, value: u64, rule| if ok { Ok(()) } else { Err(GeometryError { field, value, rule }) };
        must(cpus != 0, "cpus", cpus, "at least one CPU must be possible")?;
        must((1..=4).contains(&groups), "groups", groups.into(), "must be 1 to 4")?;
        must(
            u32::from(groups) <= self.nr_cpus(),
            "groups",
            groups.into(),
            "must be at most the number of possible CPUs",
        )?;
        must((4..=STATIC_MAX).contains(&static_size), "static", static_size.into(), "must be 4 bytes to 1M")?;
        must(reserved <= RESERVED_MAX, "reserved", reserved.into(), "must be at most 64K")?;
        must(reserved.is_multiple_of(4), "reserved", reserved.into(), "must be a multiple of 4 (PCPU_MIN_ALLOC_SIZE)")?;
        must(dyn_size <= DYN_MAX, "dyn", dyn_size.into(), "must be at most 1M")?;
        must(atom.is_power_of_two(), "atom", atom.into(), "must be a power of two")?;
        must((PAGE..=ATOM_MAX).contains(&atom), "atom", atom.into(), "must be 4K to 2M")?;
        must(unit == 0 || first == First::Info, "unit", unit.into(), "can be chosen with first=info only")?;
        must(unit.is_multiple_of(PAGE), "unit", unit.into(), "must be a multiple of 4K")?;
        must(unit <= UNIT_MAX, "unit", unit.into(), "must be at most 2M")?;
        must(
            unit == 0 || unit >= self.least_unit(),
            "unit",
            unit.into(),
            "must hold static, reserved and dyn (at least 20K) and 32K, or be 0 for the smallest that does",
        )?;
        must((1..=PAGES_MAX).contains(&pages), "pages", pages.into(), "must be 1 to 65536")?;
        must(
            self.least_unit() <= UNIT_MAX,
            "dyn",
            dyn_size.into(),
            "must leave static, reserved and dyn together at most 2M",
        )
    }

    /// The nearest machine that can be; one that passes [`Geometry::check`] is left as it is.
    ///
    /// Values out of range are taken modulo the range rather than clamped, so that random ones spread over it.
    pub fn repair(&mut self) {
        let Geometry {
            cpus,
            groups,
            interleaved: _,
            static_size,
            reserved,
            dyn_size,
            atom,
            unit,
            first,
            kmem: _,
            pages,
        } = self;
        let into = |value: u32, low: u32, high: u32| {
            if (low..=high).contains(&value) { value } else { low + value % (high - low + 1) }
        };
        *cpus = (*cpus).max(1);
        *groups = (into(u32::from(*groups), 1, 4)).min(cpus.count_ones()) as u8;
        *static_size = into(*static_size, 4, STATIC_MAX);
        *reserved = into(*reserved, 0, RESERVED_MAX) & !3;
        *dyn_size = into(*dyn_size, 0, DYN_MAX);
        if !atom.is_power_of_two() || !(PAGE..=ATOM_MAX).contains(atom) {
            *atom = PAGE << (*atom % 10);
        }
        *pages = into(*pages, 1, PAGES_MAX);
        *dyn_size = (*dyn_size).min(UNIT_MAX - *static_size - *reserved);
        *unit &= !(PAGE - 1);
        let unit = *unit;
        if *first != First::Info || unit > UNIT_MAX || unit < self.least_unit() {
            self.unit = 0;
        }
    }
}
