// SPDX-License-Identifier: GPL-2.0-only
//! Content of per-CPU memory: zero after allocation, then what the program wrote, on every possible CPU.

use super::areas::{Area, pattern, pattern_steps};
use crate::world::kernel::Addr;
use crate::world::{Host, World};

/// A wrong byte in somebody's per-CPU memory, or a pointer that cannot be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are described with each error
pub enum ContentError {
    /// The area's copy for `cpu` differs from what it must be at byte `at`.
    Differs { ptr: Addr, cpu: u32, at: u32, expected: u8, found: u8 },
    /// The area overlaps a live one.
    Overlap { ptr: Addr, size: u32, other: Addr },
    /// The pointer is not aligned as asked.
    Misaligned { ptr: Addr, align: u32 },
    /// The area's copy for `cpu` is not mapped.
    Unmapped { ptr: Addr, cpu: u32 },
    /// An illegal request was granted.
    Granted { size: u32, align: u32 },
    /// A query answered wrongly.
    Answer { ptr: Addr, cpu: u32, expected: u64, found: u64 },
}

impl ContentError {
    /// Stable headline.
    pub fn title(&self) -> &'static str {
        match self {
            ContentError::Differs { expected: 0, .. } => "percuss: per-CPU memory is not zeroed",
            ContentError::Differs { .. } => "percuss: per-CPU memory changed under its owner",
            ContentError::Overlap { .. } => "percuss: area granted twice",
            ContentError::Misaligned { .. } => "percuss: misaligned area",
            ContentError::Unmapped { .. } => "percuss: granted area is not mapped",
            ContentError::Granted { .. } => "percuss: illegal request granted",
            ContentError::Answer { .. } => "percuss: wrong answer to an address query",
        }
    }
}

/// Fills every CPU's copy with the pattern of `seed`.
pub fn write(w: &World, area: &Area, seed: u8) {
    let mut chunk = [0u8; 256];
    for cpu in w.cpus() {
        let base = w.copy_of(area.ptr, cpu);
        let mut at = 0;
        while at < area.size {
            let n = (area.size - at).min(256);
            for (i, word) in chunk[..n as usize].chunks_mut(4).enumerate() {
                let bytes = pattern(seed, cpu, at / 4 + i as u32).to_le_bytes();
                word.copy_from_slice(&bytes[..word.len()]);
            }
            w.write_unit(base + at as u64, &chunk[..n as usize]);
            at += n;
        }
    }
}

/// Checks every CPU's copy.
pub fn verify(w: &World, area: &Area) -> Result<(), ContentError> {
    for cpu in w.cpus() {
        let base = w.copy_of(area.ptr, cpu);
        let Some(bytes) = w.read_unit(base, area.size as u64) else {
            return Err(ContentError::Unmapped { ptr: area.ptr, cpu });
        };
        let wrong = match area.seed {
            None => first_nonzero(bytes).map(|at| (at, 0)),
            Some(seed) => first_differing(bytes, seed, cpu),
        };
        if let Some((at, expected)) = wrong {
            return Err(ContentError::Differs { ptr: area.ptr, cpu, at: at as u32, expected, found: bytes[at] });
        }
    }
    Ok(())
}

/// Bytes looked at before anything is decided: enough for the compiler to use wide registers.
const STRIDE: usize = 64;

fn first_nonzero(bytes: &[u8]) -> Option<usize> {
    let (strides, tail) = bytes.as_chunks::<STRIDE>();
    let any = |stride: &[u8; STRIDE]| {
        let (words, _) = stride.as_chunks::<8>();
        words.iter().fold(0, |any, w| any | u64::from_ne_bytes(*w)) != 0
    };
    match strides.iter().position(any) {
        None => tail.iter().position(|b| *b != 0).map(|at| strides.len() * STRIDE + at),
        Some(i) => strides[i].iter().position(|b| *b != 0).map(|at| i * STRIDE + at),
    }
}

fn first_differing(bytes: &[u8], seed: u8, cpu: u32) -> Option<(usize, u8)> {
    let (strides, _) = bytes.as_chunks::<STRIDE>();
    let (mut next, step) = pattern_steps(seed, cpu);
    // Skips what is as it should be; where it is not, or at the end, each byte is looked at.
    let same = strides.iter().take_while(|stride| {
        let (words, _) = stride.as_chunks::<4>();
        let mut wrong = 0;
        for word in words {
            wrong |= u32::from_le_bytes(*word) ^ (next | 1);
            next = next.wrapping_add(step);
        }
        wrong == 0
    });
    let skip = same.count() * STRIDE;
    for (i, word) in bytes[skip..].chunks(4).enumerate() {
        let at = skip + i * 4;
        let expected = pattern(seed, cpu, at as u32 / 4).to_le_bytes();
        if let Some(k) = word.iter().zip(&expected).position(|(a, b)| a != b) {
            return Some((at + k, expected[k]));
        }
    }
    None
}

/// Overwrites an area that is about to be freed, so that whoever gets it next without zeroing is seen.
pub fn scribble(host: &Host, area: &Area) {
    let w = host.world();
    for cpu in w.cpus() {
        w.fill_unit(w.copy_of(area.ptr, cpu), area.size as u64);
    }
}
