// SPDX-License-Identifier: GPL-2.0-only
//! The areas a program holds: variables, and what every CPU's copy should contain.

use super::sample::Sample;
use percuss_kernel::{Addr, VARS, Var};

/// A live area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// The per-CPU pointer.
    pub ptr: Addr,
    /// Bytes, rounded up to the allocator's granule.
    pub size: u32,
    /// Seed of the pattern written last; None: still zero.
    pub seed: Option<u8>,
    /// What of its copies is looked at.
    pub sample: Sample,
}

/// Variables and live areas, those no variable holds any more included.
#[derive(Debug, PartialEq)]
pub struct Areas {
    vars: [Addr; VARS],
    live: Vec<Area>,
}

impl Default for Areas {
    fn default() -> Areas {
        Areas::new()
    }
}

impl Areas {
    /// Nothing held.
    pub fn new() -> Areas {
        Areas { vars: [0; VARS], live: Vec::with_capacity(VARS) }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.vars.fill(0);
        self.live.clear();
    }

    /// What the variable holds.
    pub fn get(&self, var: Var) -> Addr {
        self.vars[var.0 as usize]
    }

    /// Makes the variable hold `ptr`.
    pub fn set(&mut self, var: Var, ptr: Addr) {
        self.vars[var.0 as usize] = ptr;
    }

    /// Live areas.
    pub fn live(&self) -> &[Area] {
        &self.live
    }

    /// The live area at `ptr`.
    pub fn find(&mut self, ptr: Addr) -> Option<&mut Area> {
        self.live.iter_mut().rev().find(|a| a.ptr == ptr)
    }

    /// A live area that shares a byte with `[ptr, ptr + size)`.
    pub fn overlapping(&self, ptr: Addr, size: u32) -> Option<Area> {
        self.live.iter().find(|a| a.ptr < ptr + size as u64 && ptr < a.ptr + a.size as u64).copied()
    }

    /// Notes a new area.
    pub fn add(&mut self, area: Area) {
        self.live.push(area);
    }

    /// Forgets the area at `ptr`.
    pub fn remove(&mut self, ptr: Addr) -> Option<Area> {
        let i = self.live.iter().rposition(|a| a.ptr == ptr)?;
        Some(self.live.swap_remove(i))
    }
}

/// The pattern written to one CPU's copy, word by word: tells CPUs, areas and places in the area apart.
pub fn pattern(seed: u8, cpu: u32, word: u32) -> u32 {
    let (start, step) = pattern_steps(seed, cpu);
    start.wrapping_add(step.wrapping_mul(word)) | 1
}

/// The pattern as an arithmetic series, before its lowest bit is set: first term and difference.
pub fn pattern_steps(seed: u8, cpu: u32) -> (u32, u32) {
    const STEP: u32 = 0x9e37_79b1;
    (((seed as u32) << 24 ^ cpu << 16).wrapping_mul(STEP), STEP)
}
