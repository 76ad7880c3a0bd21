// SPDX-License-Identifier: GPL-2.0-only
//! Geometry: possible CPUs, NUMA nodes, sizes of the percpu areas and the builder of the first chunk.
//!
//! Everything that `setup_per_cpu_areas()` of an architecture would decide. It is fixed for a run.
//! [`Geometry::check`] refuses what no kernel would boot.

pub const PAGE: u32 = 4096;
const MIN_UNIT: u32 = 32 << 10;
/// `PERCPU_DYNAMIC_EARLY_SIZE` in bytes, from v6.12 on.
///
/// Boot raises a smaller dynamic part to it; trees that want more get a larger unit.
const EARLY_DYN: u32 = 20 << 10;
/// Largest static area in bytes.
///
/// Static, reserved and dynamic part share a unit of at most 2 MiB.
const STATIC_MAX: u32 = 1 << 20;
const RESERVED_MAX: u32 = 64 << 10;
const DYN_MAX: u32 = 1 << 20;
/// Largest atom in bytes: a PMD, as on x86, where units of several CPUs share one large page.
const ATOM_MAX: u32 = 2 << 20;
/// Largest unit in bytes.
///
/// A chunk with 64 of them takes 128 MiB of address space.
const UNIT_MAX: u32 = 2 << 20;
/// Largest page budget of a node in pages: 256 MiB.
const PAGES_MAX: u32 = 65_536;

/// The function that builds the first chunk.
///
/// An architecture chooses one; later chunks are built alike for all, but their units keep the distances of the first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum First {
    /// `pcpu_embed_first_chunk()`: units are parts of the memblock allocations of each node.
    #[default]
    Embed,
    /// `pcpu_page_first_chunk()`: single pages mapped into vmalloc space; one group, 4 KiB atom, no distance function.
    ///
    /// Architectures fall back to it where embedding would spread over too much address space.
    Page,
    /// `pcpu_setup_first_chunk()` with a hand-made `pcpu_alloc_info`, one group for each node.
    ///
    /// Reaches unit sizes and maps that the other builders never choose.
    Info,
}

/// The machine that a program runs on, and how boot sets up its percpu areas.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Geometry {
    /// Mask of possible CPUs, not 0.
    ///
    /// CPU 0 need not be possible.
    pub cpus: u64,
    /// Number of NUMA nodes: 1 to 4, and at most the number of CPUs.
    ///
    /// The n-th possible CPU is on node `n * groups / cpus`, or on `n % groups` when interleaved.
    pub groups: u8,
    pub interleaved: bool,
    /// Bytes of the static area, 4 to 1 MiB.
    ///
    /// Need not be aligned: boot rounds up.
    pub static_size: u32,
    pub reserved: u32,
    /// Bytes of the dynamic part of the first chunk, at most 1 MiB; boot raises it to the tree's minimum.
    pub dyn_size: u32,
    /// Allocation atom in bytes: a power of two, 4 KiB to 2 MiB.
    ///
    /// Groups are multiples of it.
    pub atom: u32,
    /// Bytes of a unit for [`First::Info`], a multiple of 4 KiB; 0 for the smallest that fits.
    pub unit: u32,
    pub first: First,
    /// kmem accounting is enabled, so that `__GFP_ACCOUNT` allocations are charged to a memcg.
    pub kmem: bool,
    /// Page budget of each node, 1 to 65 536.
    ///
    /// When it is used up the page allocator fails.
    pub pages: u32,
}

// A small machine of today: four CPUs on one node, x86's builder and atom.
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

/// The reason why a geometry is impossible.
///
/// Its text names the parameter as text programs spell it, so that a user can correct the `boot` line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("impossible geometry: {field} is {value}; {rule}")]
pub struct GeometryError {
    pub field: &'static str,
    pub value: u64,
    pub rule: &'static str,
}

impl Geometry {
    pub fn nr_cpus(&self) -> u32 {
        self.cpus.count_ones()
    }

    pub fn possible(&self) -> impl Iterator<Item = u32> + use<> {
        // Copied, so that the iterator does not borrow the geometry.
        let mask = self.cpus;
        (0..64).filter(move |cpu| mask >> cpu & 1 == 1)
    }

    /// The NUMA node of a possible CPU; of any other CPU the answer means nothing.
    pub fn node(&self, cpu: u32) -> u32 {
        // CPUs are dealt by their rank among the possible ones, so that sparse maps use all nodes too.
        let rank = (self.cpus & ((1u64 << cpu) - 1)).count_ones();
        if self.interleaved { rank % self.groups as u32 } else { rank * self.groups as u32 / self.nr_cpus() }
    }

    /// The bytes that a unit must have: its three parts, rounded to pages, and at least `PCPU_MIN_UNIT_SIZE`.
    ///
    /// The builders may make units larger, since a unit is a whole part of an atom.
    pub fn least_unit(&self) -> u32 {
        // In 64 bits: the fields may hold anything before they were checked.
        let sum = u64::from(self.static_size) + u64::from(self.reserved) + u64::from(self.dyn_size.max(EARLY_DYN));
        sum.next_multiple_of(u64::from(PAGE)).clamp(u64::from(MIN_UNIT), 1 << 31) as u32
    }

    /// Refuses a machine that the kernel would not boot, or that exceeds a limit above.
    ///
    /// # Errors
    /// The first parameter that breaks a rule, with the rule.
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
        // Destructured above, so that a new field without a rule does not build.
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
        // The other builders compute the unit themselves, so a value would be ignored without a word.
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

    /// Makes it the nearest machine that can be; one that passes [`Geometry::check`] is not changed.
    ///
    /// A value out of range is taken modulo the range rather than clamped, so that random values spread over it.
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
        // The order matters: each value is brought into its own range before rules about two of them apply.
        let into = |value: u32, low: u32, high: u32| {
            if (low..=high).contains(&value) { value } else { low + value % (high - low + 1) }
        };
        *cpus = (*cpus).max(1);
        *groups = (into(u32::from(*groups), 1, 4)).min(cpus.count_ones()) as u8;
        *static_size = into(*static_size, 4, STATIC_MAX);
        *reserved = into(*reserved, 0, RESERVED_MAX) & !3;
        *dyn_size = into(*dyn_size, 0, DYN_MAX);
        if !atom.is_power_of_two() || !(PAGE..=ATOM_MAX).contains(atom) {
            // 4 KiB to 2 MiB are ten powers of two.
            *atom = PAGE << (*atom % 10);
        }
        *pages = into(*pages, 1, PAGES_MAX);
        // The three parts must fit a unit; static and reserved part alone always do.
        *dyn_size = (*dyn_size).min(UNIT_MAX - *static_size - *reserved);
        // Only now are the three parts final; a unit that is still too small becomes the smallest that fits.
        *unit &= !(PAGE - 1);
        let unit = *unit;
        if *first != First::Info || unit > UNIT_MAX || unit < self.least_unit() {
            self.unit = 0;
        }
    }
}
