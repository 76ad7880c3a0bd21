// SPDX-License-Identifier: GPL-2.0-only
//! The arithmetic of state digests. The image computes them in C and the Model in Rust, and lockstep compares the two,
//! so both must do exactly this; shim/include/percuss_abi.h defines what is mixed, in which order.

// Each digest starts from a letter of its own, so that equal words in different parts do not give equal digests.

/// Starts the digest of a release of `pcpu_lock` (`p`), which covers the chunks and blocks touched since the last one.
pub const RELEASE: u64 = 0x70;
/// Starts a chunk's part of any digest (`c`).
pub const CHUNK: u64 = 0x63;
/// Starts a block's part in the digest of the whole state (`b`), with the block's index mixed in next: the parts are
/// summed, and a sum alone would not notice two blocks that changed places.
pub const BLOCKS: u64 = 0x62;
/// Starts a bitmap word's part there (`w`), for the same reason with its index.
pub const WORDS: u64 = 0x77;

/// Mixes one word in. The odd constant is 2^64 divided by the golden ratio: the multiplication spreads each bit to the
/// bits above it, and the rotation brings those down again for the next word.
#[inline]
pub const fn mix(h: u64, v: u64) -> u64 {
    (h ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

/// Two 32-bit values as one word, the first in the lower half; this halves the number of multiplications.
#[inline]
pub const fn pair(a: i32, b: i32) -> u64 {
    // Through `u32`, since sign extension of the first would spoil the second.
    a as u32 as u64 | (b as u32 as u64) << 32
}
