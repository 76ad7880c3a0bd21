// SPDX-License-Identifier: GPL-2.0-only
//! The arithmetic of state digests, the same in C and Rust (defined in shim/include/percuss_abi.h).

/// Start value of the digest of a pcpu_lock release.
pub const RELEASE: u64 = 0x70;
/// Start value of a chunk's part.
pub const CHUNK: u64 = 0x63;
/// Start value of a block's part in the digest of the whole state.
pub const BLOCKS: u64 = 0x62;
/// Start value of a word's part there.
pub const WORDS: u64 = 0x77;

/// Mixes one word in.
#[inline]
pub const fn mix(h: u64, v: u64) -> u64 {
    (h ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

/// Two 32-bit values as one word.
#[inline]
pub const fn pair(a: i32, b: i32) -> u64 {
    a as u32 as u64 | (b as u32 as u64) << 32
}
