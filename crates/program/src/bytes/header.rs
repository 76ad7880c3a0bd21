// SPDX-License-Identifier: GPL-2.0-only
//! The header of the byte form: version, flags and the machine.
//!
//! The short header names each geometry field by its index in a table of [`axes`](super::super::axes); a machine with
//! any other value gets the wide header.

use super::super::axes::{ATOMS, CPUS, DYNS, PAGES, RESERVED, STATICS, UNITS};
use percuss_kernel::geometry::{First, Geometry};

/// Version of the byte form, the first byte of a program.
///
/// It rises when stored bytes would mean another program.
pub const VERSION: u8 = 2;

/// Bytes of the short header: two records, so that records stay aligned when a fuzzer copies whole ones.
pub(super) const HEADER: usize = 14;
/// Bytes of the wide header: five records.
const WIDE_HEADER: usize = 35;

/// Appends the short header if every field is in its table, else the wide one.
pub(super) fn put_geometry(boot: &Geometry, flags: u8, caller: u8, out: &mut Vec<u8>) {
    let Geometry {
        cpus,
        groups,
        interleaved: _,
        static_size,
        reserved,
        dyn_size,
        atom,
        unit,
        first: _,
        kmem: _,
        pages,
    } = *boot;
    // The first entry with the value; later ones are there for their share in random bytes.
    let find = |table: &[u32], value| table.iter().position(|&v| v == value).map(|i| i as u8);
    let short = || {
        Some([
            CPUS.iter().position(|&m| m == cpus)? as u8,
            // One less, to fit two bits.
            groups.saturating_sub(1) & 3,
            find(&STATICS, static_size)?,
            find(&RESERVED, reserved)?,
            find(&DYNS, dyn_size)?,
            find(&ATOMS, atom)?,
            find(&UNITS, unit)?,
            find(&PAGES, pages)?,
        ])
    };
    // In the wide header, bits 4 and 5 of the flags hold the number of nodes.
    match short() {
        Some(codes) => {
            out.extend([VERSION, flags, caller]);
            out.extend(codes);
            out.resize(HEADER, 0);
        }
        None => {
            out.extend([VERSION, flags | 0xc0 | (groups.saturating_sub(1) & 3) << 4, caller]);
            out.extend(cpus.to_le_bytes());
            for value in [static_size, reserved, dyn_size, atom, unit, pages] {
                out.extend(value.to_le_bytes());
            }
        }
    }
}

/// Reads either header. What is missing reads as 0, which is the first entry of each table.
pub(super) fn get_geometry(bytes: &[u8]) -> Geometry {
    let byte = |i: usize| bytes.get(i).copied().unwrap_or(0);
    let flags = byte(1);
    // Bits 0 and 1 of the flags: the builder. Bit 2: interleaved nodes. Bit 3: no kmem accounting.
    let first = [First::Embed, First::Page, First::Info, First::Embed][usize::from(flags & 3)];
    let (interleaved, kmem) = (flags & 4 != 0, flags & 8 == 0);
    if flags & 0xc0 == 0xc0 {
        let word = |i: usize| u32::from_le_bytes(std::array::from_fn(|n| byte(i + n)));
        return Geometry {
            cpus: u64::from(word(3)) | u64::from(word(7)) << 32,
            groups: 1 + (flags >> 4 & 3),
            interleaved,
            static_size: word(11),
            reserved: word(15),
            dyn_size: word(19),
            atom: word(23),
            unit: word(27),
            first,
            kmem,
            pages: word(31),
        };
    }
    let pick = |table: &[u32], i: usize| table[usize::from(byte(i)) % table.len()];
    Geometry {
        cpus: CPUS[usize::from(byte(3)) % CPUS.len()],
        groups: 1 + byte(4) % 4,
        interleaved,
        static_size: pick(&STATICS, 5),
        reserved: pick(&RESERVED, 6),
        dyn_size: pick(&DYNS, 7),
        atom: pick(&ATOMS, 8),
        unit: pick(&UNITS, 9),
        first,
        kmem,
        pages: pick(&PAGES, 10),
    }
}

/// Length in bytes of the header that the flags announce.
pub(super) fn header_len(bytes: &[u8]) -> usize {
    if bytes.get(1).is_some_and(|flags| flags & 0xc0 == 0xc0) { WIDE_HEADER } else { HEADER }
}
