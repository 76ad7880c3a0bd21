// SPDX-License-Identifier: GPL-2.0-only
//! Operands in the byte form: tables of values worth trying, and readers of the short and the long form.
//!
//! A table's order is part of the byte form: changing it changes what corpora mean.

use percuss_kernel::gfp::Gfp;

/// Bytes of a record: the code and what operands in short form take.
pub(super) const RECORD: usize = 7;

/// Sizes with a short form: common ones, small ones, any up to 16K, and the surroundings of limits.
pub(super) struct Sizes;

/// The short forms of sizes.
pub(super) const SIZES: Sizes = Sizes;

/// What per-CPU data has: counters, statistics, queues, and some tables.
pub(super) const COMMON_SIZES: [u32; 24] =
    [4, 8, 8, 8, 16, 16, 24, 32, 32, 40, 48, 64, 64, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096, 8192, 12032];
/// Where a rule changes: page, block, unit, largest size.
pub(super) const EDGE_SIZES: [u32; 8] = [4096, 8192, 12288, 16384, 20480, 24576, 28672, 32768];

impl Sizes {
    /// The short form of a size.
    pub fn code(&self, size: u32) -> Option<u16> {
        if let Some(i) = COMMON_SIZES.iter().position(|&s| s == size) {
            return Some(i as u16);
        }
        if size < 0x4000 {
            return Some(0x4000 | size as u16);
        }
        let i = EDGE_SIZES.iter().position(|&edge| (edge - 32..edge + 32).contains(&size))?;
        Some(0x8000 | (i as u16) << 6 | (size + 32 - EDGE_SIZES[i]) as u16)
    }

    /// The size of a short form.
    pub fn value(&self, code: u16) -> u32 {
        let low = u32::from(code & 0x3fff);
        match code >> 14 {
            0 => COMMON_SIZES[low as usize % COMMON_SIZES.len()],
            1 => low,
            2 => EDGE_SIZES[(low >> 6) as usize % EDGE_SIZES.len()] + (low & 63) - 32,
            _ => 1 + low % 512,
        }
    }
}

/// Alignments with a short form; the last three are illegal.
pub(super) const ALIGNS: [u32; 20] =
    [8, 4, 8, 16, 8, 32, 4, 64, 8, 128, 16, 256, 512, 1024, 2048, 4096, 64, 0, 3, 8192];

/// Masks with a short form, common ones more than once.
pub(super) const GFPS: [Gfp; 24] = [
    Gfp::KERNEL,
    Gfp::KERNEL,
    Gfp::KERNEL,
    Gfp::KERNEL,
    Gfp::KERNEL_ACCOUNT,
    Gfp::KERNEL_ACCOUNT,
    Gfp::KERNEL_ACCOUNT,
    Gfp::NOWAIT,
    Gfp::NOWAIT,
    Gfp::NOWAIT,
    Gfp::ATOMIC,
    Gfp::ATOMIC,
    Gfp::NOFS,
    Gfp::NOFS,
    Gfp::NOIO,
    Gfp::NOIO,
    Gfp(Gfp::KERNEL.0 | Gfp::NOWARN.0),
    Gfp(Gfp::KERNEL.0 | Gfp::NORETRY.0),
    Gfp(Gfp::NOWAIT.0 | Gfp::ACCOUNT.0),
    Gfp(Gfp::ATOMIC.0 | Gfp::NOWARN.0 | Gfp::ACCOUNT.0),
    Gfp(Gfp::NOFS.0 | Gfp::ACCOUNT.0),
    Gfp(Gfp::KERNEL.0 | Gfp::ZERO.0),
    Gfp(Gfp::KERNEL.0 | Gfp::NOFAIL.0),
    Gfp::NONE,
];

/// Operands of a record in short form.
#[derive(Default)]
pub(super) struct Short {
    bytes: [u8; RECORD - 1],
    at: usize,
}

impl Short {
    /// Operands to be read.
    pub fn new(bytes: [u8; RECORD - 1]) -> Short {
        Short { bytes, at: 0 }
    }

    /// What a record holds behind its code.
    pub fn bytes(&self) -> [u8; RECORD - 1] {
        self.bytes
    }

    /// Adds an operand of `n` bytes; false when it has no short form.
    pub fn put(&mut self, n: usize, code: Option<u16>) -> bool {
        let Some(code) = code else { return false };
        self.bytes[self.at..self.at + n].copy_from_slice(&code.to_le_bytes()[..n]);
        self.at += n;
        true
    }

    /// Takes an operand of `n` bytes.
    pub fn get(&mut self, n: usize) -> u16 {
        self.at += n;
        let at = &self.bytes[self.at - n..self.at];
        at.iter().rev().fold(0, |code, &b| code << 8 | u16::from(b))
    }
}

/// Operands in long form; what is missing is 0.
pub(super) struct Long<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Long<'b> {
    /// Operands from an offset on.
    pub fn new(bytes: &'b [u8], at: usize) -> Long<'b> {
        Long { bytes, at }
    }

    /// Where the next operand starts.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Takes an operand of `n` bytes.
    pub fn get(&mut self, n: usize) -> u32 {
        self.at += n;
        (self.at - n..self.at).rev().fold(0, |code, i| code << 8 | u32::from(self.bytes.get(i).copied().unwrap_or(0)))
    }
}
