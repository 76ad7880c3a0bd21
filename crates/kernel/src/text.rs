// SPDX-License-Identifier: GPL-2.0-only
//! Spelling of a geometry in text programs: the `boot` line, sizes, and lists of CPUs.

use std::fmt;

use crate::geometry::{First, Geometry};

pub const FIRSTS: [(First, &str); 3] = [(First::Embed, "embed"), (First::Page, "page"), (First::Info, "info")];

/// A size in the largest unit (M, K, bytes) that divides it, so that it reads back exactly.
pub fn print_size(bytes: u32) -> String {
    match bytes {
        0 => "0".to_owned(),
        n if n.is_multiple_of(1 << 20) => format!("{}M", n >> 20),
        n if n.is_multiple_of(1 << 10) => format!("{}K", n >> 10),
        n => n.to_string(),
    }
}

/// A mask of CPUs: `4` for the first four, else a list such as `0-3,6`.
///
/// A single CPU other than 0 is written `5-5`, since `5` would be a count.
pub fn print_cpus(mask: u64) -> String {
    // True only for masks without a gap from CPU 0 on.
    if mask & mask.wrapping_add(1) == 0 {
        return mask.count_ones().to_string();
    }
    let mut parts = Vec::new();
    let mut cpu = 0;
    while cpu < 64 {
        let run = (mask >> cpu).trailing_ones();
        match run {
            0 => cpu += 1,
            // In a list a single number is a CPU, alone it would be a count.
            1 if mask.count_ones() > 1 => parts.push(cpu.to_string()),
            _ => parts.push(format!("{cpu}-{}", cpu + run - 1)),
        }
        cpu += run;
    }
    parts.join(",")
}

impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Geometry { cpus, groups, interleaved, static_size, reserved, dyn_size, atom, unit, first, kmem, pages } =
            *self;
        write!(f, "boot cpus={} groups={groups}", print_cpus(cpus))?;
        if interleaved {
            f.write_str("i")?;
        }
        for (name, size) in [("static", static_size), ("reserved", reserved), ("dyn", dyn_size), ("atom", atom)] {
            write!(f, " {name}={}", print_size(size))?;
        }
        // Most geometries have none, and old programs parse without it.
        if unit != 0 {
            write!(f, " unit={}", print_size(unit))?;
        }
        let kmem = if kmem { "on" } else { "off" };
        write!(f, " first={} kmem={kmem} pages={pages}", FIRSTS[first as usize].1)
    }
}
