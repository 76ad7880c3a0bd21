// SPDX-License-Identifier: GPL-2.0-only
//! Programs: what a run does, op by op. One type, three forms: Rust, bytes and text.

mod geometry;
mod op;

pub use geometry::{First, Geometry, GeometryError};
pub use op::{Op, VARS, Var};

use crate::world::event::Site;

/// A geometry, tasks with their ops, faults to inject and a schedule.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Program {
    /// The machine and its first chunk.
    pub boot: Geometry,
    /// The program may break the caller contract; what it finds is then the caller's error.
    pub unsafe_caller: bool,
    /// Ops of each task, at least one task and at most 16.
    pub tasks: Vec<Vec<Op>>,
    /// Backing allocations that fail.
    pub faults: Vec<Fault>,
    /// Which task runs the next op, by index; tasks not named follow in order once it is used up.
    pub schedule: Vec<u8>,
}

/// Makes backing allocations at one site fail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fault {
    /// Where.
    pub site: Site,
    /// The first one to fail, 1-based, counted from boot (memblock: from power-on).
    pub nth: u32,
    /// How many in a row fail from there, at least 1; `u32::MAX` for all.
    pub times: u32,
}

/// Limits of a program; what exceeds them is refused by the text parser and cut by the decoder.
pub mod limits {
    /// Tasks.
    pub const TASKS: usize = 16;
    /// Ops of all tasks together.
    pub const OPS: usize = 65_536;
    /// Fault lines.
    pub const FAULTS: usize = 16;
    /// Schedule entries.
    pub const SCHEDULE: usize = 65_536;
}
