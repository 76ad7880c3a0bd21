// SPDX-License-Identifier: GPL-2.0-only
//! Limits of a program. The text parser refuses what exceeds them, the byte decoder cuts it, as it must accept
//! anything.
//!
//! They bound memory and time of a run, and the number of bits that masks and op numbers need.

/// Tasks. Turns of the byte form have four bits for one, and lanes fit a mask of 32 bits with kswapd and handlers.
pub const TASKS: usize = 16;
pub const SHRINKERS: usize = 4;
pub const HANDLERS: usize = 4;
/// Ops of all tasks, shrinkers and handlers together.
///
/// Op numbers have 24 bits for the index.
pub const OPS: usize = 65_536;
pub const FAULTS: usize = 16;
pub const SCHEDULE: usize = 65_536;
/// Depth of gfp scopes and of atomic sections.
///
/// Deeper nesting runs no code that this depth does not.
pub const DEPTH: usize = 8;
/// Highest number of a memcg; 0 is none, as in the root cgroup, where nothing is charged.
pub const MEMCG: u8 = 3;
