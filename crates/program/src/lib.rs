// SPDX-License-Identifier: GPL-2.0-only
//! Programs: what a run does, op by op. One type, three forms: Rust, bytes and text.

pub mod axes;
mod bytes;
mod codes;
pub mod contract;
mod draw;
mod error;
mod generate;
mod handler;
mod interleave;
mod minimize;
pub mod mutate;
mod op;
mod operand;
mod parse;
mod print;
mod repair;
pub mod rng;
mod schedule;
mod shrinker;
#[cfg(test)]
mod tests;
mod words;

pub use bytes::{BytesError, VERSION};
pub use error::TextError;
pub use generate::Generator;
pub use handler::Handler;
pub use minimize::{Reduction, minimize, run_order};
pub use op::{HeldLock, LOCKS, Op, OpInfo, TABLE};
pub use operand::DEFAULT_ALIGN;
pub use schedule::Turn;
pub use shrinker::Shrinker;

use percuss_kernel::{Fault, Geometry, Memory, limits};

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

/// Ops of a program in the order they are numbered, for reports.
pub fn op_at(program: &Program, number: u32) -> Option<Op> {
    let (task, index) = ((number >> 24) as usize, (number & 0xff_ffff) as usize);
    let shrinker = || Some(&program.shrinkers.get(task.checked_sub(limits::TASKS)?)?.ops);
    let handler = || Some(&program.handlers.get(task.checked_sub(limits::TASKS + limits::SHRINKERS)?)?.ops);
    program.tasks.get(task).or_else(shrinker).or_else(handler)?.get(index).copied()
}
