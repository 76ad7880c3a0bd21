// SPDX-License-Identifier: GPL-2.0-only
//! Variables of a program.

/// Number of variables that hold per-CPU pointers, shared by all tasks.
pub const VARS: usize = 256;

/// A variable: holds what an `alloc` returned; NULL before and after `free`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Default)]
pub struct Var(pub u8);
