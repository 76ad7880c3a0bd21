// SPDX-License-Identifier: GPL-2.0-only
//! Limits of a program; what exceeds them is refused by the text parser and cut by the decoder.

/// Tasks.
pub const TASKS: usize = 16;
/// Shrinkers.
pub const SHRINKERS: usize = 4;
/// Interrupt handlers.
pub const HANDLERS: usize = 4;
/// Ops of all tasks, shrinkers and handlers together.
pub const OPS: usize = 65_536;
/// Fault lines.
pub const FAULTS: usize = 16;
/// Schedule entries.
pub const SCHEDULE: usize = 65_536;
/// Depth of gfp scopes, and of atomic sections.
pub const DEPTH: usize = 8;
/// Highest memcg.
pub const MEMCG: u8 = 3;
