// SPDX-License-Identifier: GPL-2.0-only
//! Operands in the byte form: tables of values worth trying, and the reader and writer of the short and the long form.
//!
//! A fuzzer that flips one byte should get another interesting value, not a random number. So the short form of an
//! operand is an index into a table of values that real callers use or that lie at a limit.
//!
//! The order of a table is part of the byte form: changing it changes what stored corpora mean.

use percuss_kernel::gfp::Gfp;

/// Bytes of a record: the code and the operands in short form.
///
/// `alloc` has the most of these: a variable (1), a size (2), and alignment, reserved and mask (1 each).
pub(super) const RECORD: usize = 7;

/// Short forms of sizes: common sizes, any size below 16 KiB, and the surroundings of limits.
pub(super) struct Sizes;

pub(super) const SIZES: Sizes = Sizes;

/// Sizes that per-CPU data has in the kernel: counters, statistics, queues, and some tables. Small sizes appear more
/// than once, as most percpu areas are small.
///
/// In ascending order, which the generator relies on to pick among the small ones.
pub(super) const COMMON_SIZES: [u32; 24] =
    [4, 8, 8, 8, 16, 16, 24, 32, 32, 40, 48, 64, 64, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096, 8192, 12032];
/// Sizes at which a rule of the allocator changes: pages, blocks of the bitmap, the smallest unit, and the largest size
/// that an allocation may have (`PCPU_MIN_UNIT_SIZE`, 32 KiB).
pub(super) const EDGE_SIZES: [u32; 8] = [4096, 8192, 12288, 16384, 20480, 24576, 28672, 32768];

impl Sizes {
    /// The short form of a size; None for sizes above 16 KiB that are not beside a limit.
    pub fn code(&self, size: u32) -> Option<u16> {
        // The upper two bits say which of the three kinds follows. The table comes first, so that each size has one
        // code.
        if let Some(i) = COMMON_SIZES.iter().position(|&s| s == size) {
            return Some(i as u16);
        }
        // Small sizes have a code each, so that a mutation of the lower bits is a step of a few bytes.
        if size < 0x4000 {
            return Some(0x4000 | size as u16);
        }
        // Within 32 bytes of a limit on both sides: off-by-one errors of sizes and of alignment both show there.
        let i = EDGE_SIZES.iter().position(|&edge| (edge - 32..edge + 32).contains(&size))?;
        Some(0x8000 | (i as u16) << 6 | (size + 32 - EDGE_SIZES[i]) as u16)
    }

    /// The size of a short form.
    ///
    /// Every code has one, since the decoder must accept any bytes.
    pub fn value(&self, code: u16) -> u32 {
        let low = u32::from(code & 0x3fff);
        match code >> 14 {
            0 => COMMON_SIZES[low as usize % COMMON_SIZES.len()],
            1 => low,
            2 => EDGE_SIZES[(low >> 6) as usize % EDGE_SIZES.len()] + (low & 63) - 32,
            // No encoder writes this kind; for random bytes it is one more way to a small size.
            _ => 1 + low % 512,
        }
    }
}

/// Alignments with a short form.
///
/// Common ones appear more than once; the last three are illegal and make the allocation return NULL.
pub(super) const ALIGNS: [u32; 20] =
    [8, 4, 8, 16, 8, 32, 4, 64, 8, 128, 16, 256, 512, 1024, 2048, 4096, 64, 0, 3, 8192];

/// Masks with a short form; common ones appear more than once.
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

/// The operands of one record in short form, with a position that moves as they are written or read.
#[derive(Default)]
pub(super) struct Short {
    bytes: [u8; RECORD - 1],
    at: usize,
}

impl Short {
    pub fn new(bytes: [u8; RECORD - 1]) -> Short {
        Short { bytes, at: 0 }
    }

    /// The record after its code byte; what was not written is 0.
    pub fn bytes(&self) -> [u8; RECORD - 1] {
        self.bytes
    }

    /// Appends an operand of `n` bytes (1 or 2); false when it has no short form.
    pub fn put(&mut self, n: usize, code: Option<u16>) -> bool {
        let Some(code) = code else { return false };
        self.bytes[self.at..self.at + n].copy_from_slice(&code.to_le_bytes()[..n]);
        self.at += n;
        true
    }

    /// Takes the next operand of `n` bytes (1 or 2).
    pub fn get(&mut self, n: usize) -> u16 {
        self.at += n;
        // Little endian, as all of the byte form.
        let at = &self.bytes[self.at - n..self.at];
        at.iter().rev().fold(0, |code, &b| code << 8 | u16::from(b))
    }
}

/// Operands in long form, read from the rest of a byte string.
///
/// What lies after its end reads as 0, so that a record cut short by a fuzzer still decodes.
pub(super) struct Long<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Long<'b> {
    pub fn new(bytes: &'b [u8], at: usize) -> Long<'b> {
        Long { bytes, at }
    }

    /// Offset of the next operand; once all are taken, the length of the record without padding.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Passes over operands that were read elsewhere.
    pub fn skip(&mut self, n: usize) {
        self.at += n;
    }

    /// Takes the next operand of `n` bytes, at most 4.
    pub fn get(&mut self, n: usize) -> u32 {
        self.at += n;
        (self.at - n..self.at).rev().fold(0, |code, i| code << 8 | u32::from(self.bytes.get(i).copied().unwrap_or(0)))
    }
}
