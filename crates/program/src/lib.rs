// SPDX-License-Identifier: GPL-2.0-only
//! Programs: the input of a run, written op by op. One type with three forms: Rust, bytes and text.
//!
//! The text form is for people and for reports, the byte form for fuzzers and corpora; both give the same [`Program`]
//! back. This crate runs nothing: it parses, prints, generates, mutates, repairs and minimizes programs, and the floors
//! above it decide what an op does to the kernel.

pub mod axes;
mod bytes;
mod call;
mod codes;
pub mod contract;
mod draw;
mod error;
mod generate;
mod handler;
mod interleave;
mod lock;
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
pub use call::{ARGS, Arg, Call};
pub use error::TextError;
pub use generate::Generator;
pub use handler::Handler;
pub use lock::{HeldLock, LOCKS};
pub use minimize::{Reduction, minimize, run_order};
pub use op::{Op, OpInfo, TABLE};
pub use operand::DEFAULT_ALIGN;
pub use schedule::Turn;
pub use shrinker::Shrinker;

use percuss_kernel::{Fault, Geometry, Memory, limits};

/// One test case: a machine, tasks with their ops, faults to inject and a schedule.
///
/// A program is plain data and fixes everything that happens in a run, so running it twice on one tree gives the same
/// events. [`Program::repair`] turns any value of this type into one that may run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// The machine that the run boots, with the layout of its percpu first chunk.
    pub boot: Geometry,
    /// The program may break the caller contract ([`contract`]).
    ///
    /// Whatever it finds is then the fault of the caller and not of the tree, so only hand-written programs set it.
    pub unsafe_caller: bool,
    /// Memory under pressure.
    ///
    /// None leaves out reclaim: pages are plenty up to the budget of [`Geometry::pages`].
    pub memory: Option<Memory>,
    /// Ops of each task; 1 to [`limits::TASKS`] tasks, each of which may be empty.
    pub tasks: Vec<Vec<Op>>,
    /// Shrinkers that direct reclaim and kswapd call; at most [`limits::SHRINKERS`].
    pub shrinkers: Vec<Shrinker>,
    /// Interrupt handlers that turns of the schedule fire; at most [`limits::HANDLERS`].
    pub handlers: Vec<Handler>,
    /// Backing allocations that fail; at most [`limits::FAULTS`].
    pub faults: Vec<Fault>,
    /// Which task runs next and how far.
    ///
    /// When it is used up, the tasks that still have ops run one after the other by index.
    pub schedule: Vec<Turn>,
}

impl Default for Program {
    /// One task without ops: the smallest program that is legal, and what an empty byte string decodes to.
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
    /// Ops of all tasks, shrinkers and handlers together; what [`limits::OPS`] bounds.
    pub fn nr_ops(&self) -> usize {
        // The three kinds of lists share one limit, so that a program has a bounded size however they are filled.
        let others = self.shrinkers.iter().map(|s| &s.ops).chain(self.handlers.iter().map(|h| &h.ops));
        self.tasks.iter().chain(others).map(Vec::len).sum()
    }

    /// Its lists of ops, in the order in which they are numbered.
    fn lists_mut(&mut self) -> impl Iterator<Item = &mut Vec<Op>> {
        let others = self.shrinkers.iter_mut().map(|s| &mut s.ops).chain(self.handlers.iter_mut().map(|h| &mut h.ops));
        self.tasks.iter_mut().chain(others)
    }

    /// The calls of functions by name: what an image has to have for this program.
    pub fn calls(&self) -> Vec<Call> {
        let others = self.shrinkers.iter().map(|s| &s.ops).chain(self.handlers.iter().map(|h| &h.ops));
        let call = |op: &Op| if let Op::Call { call, .. } = op { Some(*call) } else { None };
        self.tasks.iter().chain(others).flatten().filter_map(call).collect()
    }

    /// Whether it calls a function by name: then the Model does not follow it.
    pub fn has_calls(&self) -> bool {
        !self.calls().is_empty()
    }

    /// Turns of the schedule that end at a scheduling point inside an op rather than with the op.
    ///
    /// This is the measure of how hard an interleaving is to read, and the minimizer lowers it first.
    pub fn preemptions(&self) -> usize {
        self.schedule.iter().filter(|t| t.preempts()).count()
    }
}

/// The op with a number from an event or a report, or None if the program has no such op.
///
/// The upper 8 bits of a number are the list, the lower 24 the index in it. Lists are numbered by the limits and not by
/// what a program has: tasks from 0, shrinkers from [`limits::TASKS`], handlers after the last possible shrinker. A
/// number therefore stays the same when the minimizer drops another task.
pub fn op_at(program: &Program, number: u32) -> Option<Op> {
    let (task, index) = ((number >> 24) as usize, (number & 0xff_ffff) as usize);
    let shrinker = || Some(&program.shrinkers.get(task.checked_sub(limits::TASKS)?)?.ops);
    let handler = || Some(&program.handlers.get(task.checked_sub(limits::TASKS + limits::SHRINKERS)?)?.ops);
    program.tasks.get(task).or_else(shrinker).or_else(handler)?.get(index).copied()
}
