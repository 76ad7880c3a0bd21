// SPDX-License-Identifier: GPL-2.0-only
//! Programs: what a run does, op by op. One type, three forms: Rust, bytes and text.

pub mod axes;
mod bytes;
mod codes;
pub mod contract;
mod draw;
mod error;
mod generate;
mod geometry;
mod handler;
mod interleave;
mod memory;
mod minimize;
pub mod mutate;
mod op;
mod operand;
mod parse;
mod print;
mod repair;
pub mod rng;
mod schedule;
#[cfg(test)]
mod tests;
mod words;

pub use bytes::{BytesError, VERSION};
pub use error::TextError;
pub use generate::Generator;
pub use geometry::{First, Geometry, GeometryError};
pub use handler::Handler;
pub use memory::{Memory, Shrinker};
pub use minimize::{Reduction, minimize, run_order};
pub use op::{HeldLock, LOCKS, Op, OpInfo, TABLE, VARS, Var};
pub use operand::DEFAULT_ALIGN;
pub use schedule::Turn;

use crate::world::event::Site;

/// A geometry, tasks with their ops, faults to inject and a schedule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// The machine and its first chunk.
    pub boot: Geometry,
    /// The program may break the caller contract; what it finds is then the caller's error.
    pub unsafe_caller: bool,
    /// Memory under pressure; None for plenty.
    pub memory: Option<Memory>,
    /// Ops of each task, at least one task and at most 16.
    pub tasks: Vec<Vec<Op>>,
    /// What reclaim runs, at most 4.
    pub shrinkers: Vec<Shrinker>,
    /// What interrupts do, at most 4.
    pub handlers: Vec<Handler>,
    /// Backing allocations that fail.
    pub faults: Vec<Fault>,
    /// Who runs next and how far; tasks not named follow in order once it is used up.
    pub schedule: Vec<Turn>,
}

impl Default for Program {
    /// One task that does nothing.
    fn default() -> Program {
        Program {
            boot: Geometry::default(),
            unsafe_caller: false,
            memory: None,
            tasks: vec![Vec::new()],
            shrinkers: Vec::new(),
            handlers: Vec::new(),
            faults: Vec::new(),
            schedule: Vec::new(),
        }
    }
}

impl Program {
    /// Ops of all tasks together, of the shrinkers and of the handlers.
    pub fn nr_ops(&self) -> usize {
        let others = self.shrinkers.iter().map(|s| &s.ops).chain(self.handlers.iter().map(|h| &h.ops));
        self.tasks.iter().chain(others).map(Vec::len).sum()
    }

    /// Turns of the schedule that end at a scheduling point rather than with an op.
    pub fn preemptions(&self) -> usize {
        self.schedule.iter().filter(|t| t.preempts()).count()
    }
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
}
