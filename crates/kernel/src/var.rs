// SPDX-License-Identifier: GPL-2.0-only
//! Variables of a program.

/// Number of variables that hold percpu pointers.
///
/// All tasks share them, so one task can free what another allocated.
pub const VARS: usize = 256;

/// A variable: the pointer that an `alloc` returned.
///
/// NULL before that, after a failed `alloc` and after `free`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Default)]
pub struct Var(pub u8);
