// SPDX-License-Identifier: GPL-2.0-only
//! The axes of geometry: the values that generated programs take in turn, and the share of programs that had each.
//!
//! Bugs of the first chunk and of unit mapping show on unusual machines only, so a campaign must visit all kinds of
//! machines and must be able to prove that it did.
//!
//! The tables are also the code tables of one-byte geometry fields in the byte form, so changing one changes what
//! stored corpora mean. Common values appear more than once and are drawn as much more often.

use std::collections::BTreeMap;
use std::fmt;

use percuss_kernel::geometry::{First, Geometry, PAGE};

const fn first_cpus(n: u32) -> u64 {
    u64::MAX >> (64 - n)
}

/// Masks of possible CPUs: the first N, and sparse maps with a hole, every other CPU, CPU 0 missing, or both ends only.
///
/// Sparse maps matter because `nr_cpu_ids` then differs from the number of possible CPUs.
pub const CPUS: [u64; 16] = [
    first_cpus(4),
    first_cpus(1),
    first_cpus(2),
    first_cpus(3),
    first_cpus(8),
    0x4f,
    first_cpus(4),
    first_cpus(2),
    first_cpus(16),
    0x55,
    first_cpus(4),
    0xf6,
    first_cpus(64),
    first_cpus(8),
    1 << 63 | 1,
    0x8000_0000_0100_0032,
];

/// Sizes of the static area in bytes: page-aligned, off-page, odd, and some so large that all units together pass 2 MiB
/// of address space, where a page table ends on x86.
pub const STATICS: [u32; 16] = [
    8192, 8200, 8191, 40960, 4, 45_064, 5, 176_128, 12_345, 4096, 307_200, 20_476, 614_400, 61_441, 1_044_480, 524_301,
];

/// Bytes reserved for modules: none, or what `PERCPU_MODULE_RESERVE` is.
pub const RESERVED: [u32; 4] = [0, 8192, 0, 8192];

/// Sizes of the dynamic part in bytes: at the tree's minimum, below it (and raised to it), and more.
pub const DYNS: [u32; 8] = [20 << 10, 28 << 10, 0, 64 << 10, 20 << 10, 45_000, 128 << 10, 256 << 10];

/// Allocation atoms in bytes: a page, as `pcpu_page_first_chunk()` uses; 64 KiB, a page of other architectures; and a
/// PMD, as x86 uses for embedding.
pub const ATOMS: [u32; 4] = [2 << 20, 4096, 64 << 10, 4096];

/// Unit sizes in bytes of hand-made geometries; 0 is the smallest that fits.
pub const UNITS: [u32; 4] = [0, 64 << 10, 256 << 10, 0];

/// Page budgets of a node; the small ones run out, so that allocations fail without a planned fault.
pub const PAGES: [u32; 8] = [4096, 4096, 256, 4096, 1024, 64, 4096, 16];

/// One axis with its values, and the least share that each must have among the programs of a campaign.
pub struct Axis {
    /// Heading in the printed table of shares.
    pub name: &'static str,
    /// Each value with its least share, in programs of 1000.
    ///
    /// Shares hold for campaigns of at least 1000 programs, below that chance may miss a rare value.
    pub values: &'static [(&'static str, u32)],
}

/// All axes.
///
/// Least shares lie well under what the generator gives, so that only a fault in it falls below one.
pub const AXES: &[Axis] = &[
    Axis {
        name: "cpus",
        values: &[("1", 50), ("2", 100), ("3", 50), ("4", 150), ("8", 100), ("16", 50), ("64", 50), ("sparse", 250)],
    },
    Axis { name: "nodes", values: &[("1", 200), ("2", 200), ("3", 100), ("4", 100)] },
    Axis { name: "node layout", values: &[("single", 200), ("blocks", 200), ("interleaved", 150)] },
    Axis { name: "static", values: &[("page-aligned", 250), ("off-page", 150), ("odd", 200)] },
    Axis { name: "static size", values: &[("up to 64K", 600), ("larger", 100)] },
    Axis { name: "reserved", values: &[("none", 400), ("some", 400)] },
    Axis { name: "dyn", values: &[("minimum", 300), ("more", 500)] },
    Axis { name: "atom", values: &[("4K", 400), ("64K", 100), ("2M", 100)] },
    Axis { name: "first", values: &[("embed", 300), ("page", 250), ("info", 300)] },
    Axis { name: "unit", values: &[("smallest", 700), ("larger", 50)] },
    Axis { name: "kmem", values: &[("on", 450), ("off", 450)] },
    Axis { name: "pages", values: &[("few", 300), ("many", 500)] },
    Axis { name: "units over 2M", values: &[("no", 500), ("yes", 30)] },
];

/// The value of a geometry on each axis, in the order of [`AXES`].
///
/// A value that is not listed there is "other", which the generator never makes.
pub fn axes(g: &Geometry) -> [(&'static str, &'static str); 13] {
    let nr = g.nr_cpus();
    let cpus = match nr {
        // A mask of the first CPUs is one less than a power of two.
        _ if g.cpus & g.cpus.wrapping_add(1) != 0 => "sparse",
        1 => "1",
        2 => "2",
        3 => "3",
        4 => "4",
        8 => "8",
        16 => "16",
        64 => "64",
        _ => "other",
    };
    let layout = match (g.groups, g.interleaved) {
        (1, _) => "single",
        (_, false) => "blocks",
        (_, true) => "interleaved",
    };
    let alignment = match g.static_size {
        n if n.is_multiple_of(PAGE) => "page-aligned",
        n if n.is_multiple_of(4) => "off-page",
        _ => "odd",
    };
    // Where mapping a unit can need a page table in its middle: B36 of the known bugs.
    let over =
        g.first == First::Page && u64::from(nr) * u64::from(g.least_unit()) > 2 << 20 && g.least_unit() >= 300 << 10;
    let values = [
        cpus,
        ["other", "1", "2", "3", "4"].get(usize::from(g.groups)).copied().unwrap_or("other"),
        layout,
        alignment,
        if g.static_size <= 64 << 10 { "up to 64K" } else { "larger" },
        if g.reserved == 0 { "none" } else { "some" },
        if g.dyn_size <= 20 << 10 { "minimum" } else { "more" },
        match g.atom {
            0x1000 => "4K",
            0x1_0000 => "64K",
            0x20_0000 => "2M",
            _ => "other",
        },
        ["embed", "page", "info"][g.first as usize],
        if g.unit == 0 { "smallest" } else { "larger" },
        if g.kmem { "on" } else { "off" },
        if g.pages <= 512 { "few" } else { "many" },
        if over { "yes" } else { "no" },
    ];
    std::array::from_fn(|i| (AXES[i].name, values[i]))
}

/// Counts of how many programs had which value on which axis.
///
/// Counts of workers add up in any order to the same sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AxisShares {
    programs: u64,
    counts: BTreeMap<(usize, &'static str), u64>,
}

impl AxisShares {
    pub fn count(&mut self, geometry: &Geometry) {
        self.programs += 1;
        for (axis, (_, value)) in axes(geometry).into_iter().enumerate() {
            *self.counts.entry((axis, value)).or_default() += 1;
        }
    }

    pub fn merge(&mut self, other: &AxisShares) {
        self.programs += other.programs;
        for (&key, n) in &other.counts {
            *self.counts.entry(key).or_default() += n;
        }
    }

    pub fn programs(&self) -> u64 {
        self.programs
    }

    /// Every value as axis, value, count and least share, the latter 0 for "other".
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, &'static str, u64, u32)> + '_ {
        AXES.iter().enumerate().flat_map(move |(i, axis)| {
            // Values that occurred without being listed come last, so that the table shows them too.
            let listed = axis.values.iter().copied();
            let others = self.counts.keys().filter(move |k| k.0 == i && axis.values.iter().all(|v| v.0 != k.1));
            listed.chain(others.map(|k| (k.1, 0))).map(move |(value, least)| {
                (axis.name, value, self.counts.get(&(i, value)).copied().unwrap_or(0), least)
            })
        })
    }

    /// Values below their least share, as axis and value; empty for a sound campaign.
    pub fn missing(&self) -> Vec<(&'static str, &'static str)> {
        // In integers, to be exact at the limit.
        let short = |count: u64, least: u32| count * 1000 < u64::from(least) * self.programs;
        self.rows().filter(|&(.., count, least)| short(count, least)).map(|(axis, value, ..)| (axis, value)).collect()
    }
}

impl fmt::Display for AxisShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<14} {:<13} {:>9} {:>7} {:>7}", "axis", "value", "programs", "share", "least")?;
        let mut last = "";
        for (axis, value, count, least) in self.rows() {
            // Each axis is named once, in the row of its first value.
            let name = if axis == last { "" } else { axis };
            last = axis;
            let permille = count * 1000 / self.programs.max(1);
            let (share, least) = (percent(permille), percent(u64::from(least)));
            writeln!(f, "{name:<14} {value:<13} {count:>9} {share:>7} {least:>7}")?;
        }
        Ok(())
    }
}

fn percent(permille: u64) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}
