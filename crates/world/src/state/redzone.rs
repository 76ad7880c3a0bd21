// SPDX-License-Identifier: GPL-2.0-only
//! Red zones: bytes beyond each allocation of metadata, which no caller may write.
//!
//! The kernel rounds sizes up, to a slab's object size or to whole pages, so a write just beyond an allocation mostly
//! does no harm there until a neighbour comes closer. Here it is seen whatever the size.

use percuss_kernel::Addr;

/// What a red zone is filled with: `SLUB_RED_ACTIVE`, which the kernel has around objects in use.
pub const RED: u8 = 0xcc;

/// The smallest red zone in bytes, to which all are aligned: a cache line, more than a word written too far.
pub const LEAST: u64 = 64;

/// The largest, where an allocation ends right after a multiple of [`LEAST`].
pub const MOST: usize = 2 * LEAST as usize;

/// The end of the red zone of an allocation that ends at `end`.
pub fn after(end: Addr) -> Addr {
    end.next_multiple_of(LEAST) + LEAST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_red_zone_has_at_least_a_line_and_ends_at_one() {
        for end in 640..705 {
            let len = after(end) - end;
            assert!((LEAST..MOST as u64).contains(&len) && after(end).is_multiple_of(LEAST), "{end}");
        }
    }
}
