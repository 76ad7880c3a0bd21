// SPDX-License-Identifier: GPL-2.0-only
//! What the runner notes when it looks at per-CPU memory.

use percuss_kernel::Addr;

/// A wrong byte in per-CPU memory of the program, or a pointer that cannot be right. The runner notes it when it looks,
/// and the oracle turns it into a finding at the end.
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
