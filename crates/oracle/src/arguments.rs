// SPDX-License-Identifier: GPL-2.0-only
//! What a caller may ask of pcpu_alloc().

/// Arguments that pcpu_alloc() documents as illegal: it warns and fails, so that the warning is no finding and a
/// granted area is one. `size` and `align` are in bytes; `align` is at least the granule of 4.
pub fn illegal_arguments(size: u32, align: u32) -> bool {
    // PCPU_MIN_UNIT_SIZE and a page of 4 KiB.
    size == 0 || size > 32 << 10 || align > 4096 || !align.is_power_of_two()
}
