// SPDX-License-Identifier: GPL-2.0-only
//! The areas a program holds: its variables, and what every CPU's copy should contain.

use super::sample::Sample;
use percuss_kernel::{Addr, VARS, Var};

/// An area that the allocator has handed out and not got back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    pub ptr: Addr,
    /// Bytes, rounded up to the allocator's granule of 4.
    pub size: u32,
    /// Seed of the pattern written last. None: nothing was written, so the area is still zero.
    pub seed: Option<u8>,
    pub sample: Sample,
}

/// Variables and live areas. An area whose variable was overwritten stays live until the drain frees it.
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
    pub fn new() -> Areas {
        Areas { vars: [0; VARS], live: Vec::with_capacity(VARS) }
    }

    pub fn clear(&mut self) {
        self.vars.fill(0);
        self.live.clear();
    }

    /// The pointer in a variable; 0 when it holds none.
    pub fn get(&self, var: Var) -> Addr {
        self.vars[var.0 as usize]
    }

    pub fn set(&mut self, var: Var, ptr: Addr) {
        self.vars[var.0 as usize] = ptr;
    }

    pub fn live(&self) -> &[Area] {
        &self.live
    }

    /// The live area at `ptr`, the newest one when an allocator at fault handed it out twice.
    pub fn find(&mut self, ptr: Addr) -> Option<&mut Area> {
        self.live.iter_mut().rev().find(|a| a.ptr == ptr)
    }

    /// A live area that shares a byte with `[ptr, ptr + size)`.
    pub fn overlapping(&self, ptr: Addr, size: u32) -> Option<Area> {
        self.live.iter().find(|a| a.ptr < ptr + size as u64 && ptr < a.ptr + a.size as u64).copied()
    }

    pub fn add(&mut self, area: Area) {
        self.live.push(area);
    }

    /// Forgets the area at `ptr`, the newest one as [`Areas::find`] does.
    pub fn remove(&mut self, ptr: Addr) -> Option<Area> {
        let i = self.live.iter().rposition(|a| a.ptr == ptr)?;
        // The order of the others changes, which matters only for areas at the same address.
        Some(self.live.swap_remove(i))
    }
}

/// The word that a write leaves at one place of one CPU's copy. It differs between CPUs, seeds and places, so that a
/// stray write shows, and its lowest bit is set, so that it is never taken for zero.
pub fn pattern(seed: u8, cpu: u32, word: u32) -> u32 {
    let (start, step) = pattern_steps(seed, cpu);
    start.wrapping_add(step.wrapping_mul(word)) | 1
}

/// [`pattern`] as an arithmetic series over words, before the lowest bit is set: first term and difference. A loop over
/// words can then add where [`pattern`] multiplies.
pub fn pattern_steps(seed: u8, cpu: u32) -> (u32, u32) {
    const STEP: u32 = 0x9e37_79b1;
    (((seed as u32) << 24 ^ cpu << 16).wrapping_mul(STEP), STEP)
}
