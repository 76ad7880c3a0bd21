// SPDX-License-Identifier: GPL-2.0-only
//! The writer of generated programs: it appends ops phase by phase and follows the contract of each task meanwhile.

use super::super::Turn;
use super::super::contract::ContractState;
use super::super::draw::{Context, Draw, Sizes};
use super::super::op::{Op, TABLE};
use super::super::rng::Rng;
use percuss_kernel::event::Ext;
use percuss_kernel::geometry::Geometry;
use percuss_kernel::gfp::Gfp;
use percuss_kernel::{Scope, Var};

/// What the ops of a phase do together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Fill,
    Churn,
    Drain,
    /// Frees every second area, which leaves holes that large allocations do not fit.
    Fragment,
    Boundary,
    /// Allocates and frees in atomic context or with interrupts off, where only pages that are populated can be used.
    Burst,
    Scoped,
    /// Allocates under external locks that forbid some or all reclaim.
    Locked,
    Interrupt,
    /// Lets the balance worker run, one to three times: a second run sees what the first left.
    Balance,
    /// Leads the balance worker to sideline a chunk, and frees beside what is left in it; see [`Writer::sideline`].
    Sideline,
}

/// Phases with their shares.
///
/// Phases that allocate weigh most: the others do nothing without live areas.
const PHASES: [(Phase, u32); 11] = [
    (Phase::Fill, 25),
    (Phase::Churn, 30),
    (Phase::Drain, 8),
    (Phase::Fragment, 10),
    (Phase::Boundary, 10),
    (Phase::Burst, 8),
    (Phase::Scoped, 6),
    (Phase::Locked, 5),
    (Phase::Interrupt, 3),
    (Phase::Balance, 6),
    (Phase::Sideline, 4),
];

/// A program that is being written.
pub(super) struct Writer<'r> {
    draw: Draw<'r>,
    pub(super) tasks: Vec<Vec<Op>>,
    contexts: Vec<ContractState>,
    pub(super) schedule: Vec<Turn>,
    /// Index of the task that gets the next op.
    task: usize,
    /// Number of ops still to write.
    pub(super) left: usize,
}

impl<'r> Writer<'r> {
    pub(super) fn new(rng: &'r mut Rng, boot: Geometry, nr_tasks: usize, nr_ops: usize) -> Writer<'r> {
        // Few slots make areas short-lived, many let chunks fill up.
        let slots = rng.pick(&[8, 24, 64, 64, 128, 256, 256]);
        let mut writer = Writer {
            draw: Draw::new(rng, boot, slots, nr_tasks),
            tasks: vec![Vec::new(); nr_tasks],
            contexts: vec![ContractState::new(&boot); nr_tasks],
            schedule: Vec::with_capacity(nr_ops),
            task: 0,
            left: nr_ops,
        };
        // With accounting, half of the tasks start in a memcg.
        for task in 0..nr_tasks {
            if boot.kmem && writer.draw.rng.chance(1, 2) {
                let id = writer.draw.rng.range(1, 3) as u8;
                writer.task = task;
                writer.push(Op::Memcg { id });
            }
        }
        writer
    }

    /// Appends an op to the current task if the contract allows it there and the program is not full.
    ///
    /// In one case of five, another task is current afterwards.
    fn push(&mut self, op: Op) {
        // Skipping is better than repairing afterwards: repair would change masks or drop ops that others rely on.
        if self.left == 0 || self.contexts[self.task].check(&op).is_err() {
            return;
        }
        self.left -= 1;
        self.contexts[self.task].apply(&op);
        op.note(&mut self.draw);
        self.tasks[self.task].push(op);
        self.schedule.push(Turn::op(self.task));
        // Runs of five ops on average keep the sense of a phase and still mix tasks.
        if self.draw.rng.chance(1, 5) {
            self.task = self.draw.rng.below(self.tasks.len() as u32) as usize;
        }
    }

    /// Appends an op of a row of the table, with operands drawn for the context of the current task.
    fn op(&mut self, row: usize) {
        let context = &self.contexts[self.task];
        self.draw.context = Context { may_sleep: context.may_sleep(), forbidden: context.forbidden() };
        let op = Op::draw(row, &mut self.draw);
        self.push(op);
    }

    fn alloc(&mut self) {
        self.op(ALLOC);
    }

    fn free(&mut self, var: Var) {
        self.push(Op::Free { var });
    }

    /// Writes the ops of one phase, of a kind, length and size distribution of its own.
    pub(super) fn phase(&mut self) {
        let rng = &mut *self.draw.rng;
        // Kind, length and sizes are independent, so that each phase meets each distribution.
        let phase = PHASES[rng.weighted(PHASES.iter().map(|p| p.1))].0;
        let n = rng.log_range(4, 128);
        self.draw.sizes = match rng.below(10) {
            0..5 => Sizes::Mixed,
            5..8 => Sizes::One(self.common_size()),
            8 => Sizes::Large,
            _ => Sizes::Boundary,
        };
        match phase {
            Phase::Fill => {
                for _ in 0..n {
                    // Allocating over live areas would leak them and is a rare case of its own.
                    if self.draw.live.len() < self.draw.slots {
                        self.alloc();
                    }
                }
            }
            Phase::Churn => (0..n).for_each(|_| self.churn()),
            Phase::Drain => self.drain(),
            Phase::Fragment => {
                // Collected first, since frees change the list.
                let every_second: Vec<Var> = self.draw.live.iter().copied().step_by(2).collect();
                every_second.into_iter().for_each(|var| self.free(var));
            }
            Phase::Boundary => {
                self.draw.sizes = Sizes::Boundary;
                for _ in 0..n.min(32) {
                    if self.draw.rng.chance(2, 3) { self.alloc() } else { self.free_drawn() }
                }
            }
            Phase::Burst => {
                let irq = self.draw.rng.chance(1, 2);
                let (begin, end) = if irq { (Op::IrqOff, Op::IrqOn) } else { (Op::AtomicBegin, Op::AtomicEnd) };
                self.section(begin, end, n.min(24));
            }
            Phase::Scoped => {
                let scope: Scope = self.draw.scope();
                self.section(Op::Enter { scope }, Op::Leave, n.min(24));
            }
            Phase::Sideline => self.sideline(),
            Phase::Locked => {
                let lock = self.draw.lock();
                // The scope that makes allocations under the lock legal, which a third of the phases enter.
                let scope = if lock.lock == Ext::Fs { Scope::Nofs } else { Scope::Noio };
                // `push` may switch tasks; scope and lock must be of one task.
                let task = self.task;
                let scoped = self.draw.rng.chance(1, 3);
                if scoped {
                    self.push(Op::Enter { scope });
                    self.task = task;
                }
                self.section(Op::Lock { lock }, Op::Unlock { lock }, n.min(12));
                if scoped {
                    self.task = task;
                    self.push(Op::Leave);
                }
            }
            Phase::Interrupt => {
                let hard = self.draw.rng.chance(1, 2);
                self.section(Op::Interrupt { hard }, Op::InterruptEnd, n.min(8));
            }
            Phase::Balance => {
                for _ in 0..self.draw.rng.range(1, 3) {
                    self.push(Op::Balance);
                }
            }
        }
    }

    /// Writes ops that make the worker sideline a chunk, and frees in it afterwards.
    ///
    /// Since f183324133ea, `pcpu_reclaim_populated()` sidelines a chunk if a quarter of its pages is empty and other
    /// chunks have empty pages enough. A free must then not bring the chunk back into use; only an allocation that
    /// takes from it does.
    fn sideline(&mut self) {
        let rng = &mut *self.draw.rng;
        let (head, small) = (4 * rng.range(4, 1000), 8 * rng.range(1, 16));
        let (one, other) = (4096 * rng.range(1, 2), 4096 * rng.range(1, 2));
        // The first area is the reserve of empty pages. Then comes the chunk: a page in two parts, empty pages on both
        // sides of a page in use, and an area across two pages, whose free makes the chunk look at all its blocks.
        let sizes = [20480, head, 4096 - head, one, 4096 - small, small, other, 2048, 4096, 2048, 8192];
        let vars: Vec<Var> = sizes.iter().map(|size| self.alloc_exactly(*size)).collect();
        for i in [0, 2, 3, 6] {
            self.free(vars[i]);
        }
        self.push(Op::Balance);
        self.free(vars[4]);
        self.free(vars[8]);
        if self.draw.rng.chance(1, 2) {
            self.alloc();
        }
        for i in [1, 5] {
            self.free(vars[i]);
        }
        self.push(Op::Balance);
    }

    /// Allocates with the least alignment, so that areas written one after the other lie side by side.
    fn alloc_exactly(&mut self, size: u32) -> Var {
        let dst = self.draw.fresh_var();
        self.push(Op::Alloc { dst, size, align: 4, reserved: false, gfp: Gfp::KERNEL });
        dst
    }

    fn common_size(&mut self) -> u32 {
        self.draw.rng.pick(&[8, 16, 24, 32, 64, 64, 256, 512, 1024, 4096])
    }

    fn free_drawn(&mut self) {
        let var = self.draw.used_var();
        self.free(var);
    }

    /// Appends an op by the table's weights.
    ///
    /// In one case of eight it ends an open section instead, which keeps sections short.
    fn churn(&mut self) {
        if self.draw.rng.chance(1, 8)
            // A section left open to the end would put all later ops of the task into it.
            && let Some(close) = self.contexts[self.task].closers().next()
        {
            return self.push(close);
        }
        let row = self.draw.rng.weighted(TABLE.iter().map(|op| op.weight));
        self.op(row);
    }

    fn drain(&mut self) {
        let mut live = self.draw.live.clone();
        match self.draw.rng.below(3) {
            // Newest first, oldest first, or with the newest quarter left.
            0 => live.reverse(),
            1 => {}
            _ => live.truncate(live.len() * 3 / 4),
        }
        live.into_iter().for_each(|var| self.free(var));
        if self.draw.rng.chance(1, 2) {
            self.push(Op::Balance);
        }
    }

    /// Writes a section of the current task: `begin`, `n` allocations and frees, `end`.
    fn section(&mut self, begin: Op, end: Op, n: u32) {
        let task = self.task;
        self.push(begin);
        for _ in 0..n {
            // `push` switches tasks now and then.
            self.task = task;
            if self.draw.rng.chance(3, 5) { self.alloc() } else { self.free_drawn() }
        }
        self.task = task;
        self.push(end);
    }
}

/// Row of `alloc` in [`TABLE`].
const ALLOC: usize = 0;
